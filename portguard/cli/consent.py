"""`portguard consent`: the ledger of opt-ins and opt-outs, while the proxy serves or not.

Every command opens the ledger itself; lmdb's lock lets them and the proxy write in turn. Subscribers are printed only
where they were asked for.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from zoneinfo import ZoneInfo

import click
import msgspec

from portguard.cli.served import warn_of_unknown
from portguard.cli.settings import at_option, config_option, in_unicode, load_settings, standard_input
from portguard.consent.edit import Entry
from portguard.consent.export import rows, write_csv, write_jsonl
from portguard.consent.ledger import Ledger
from portguard.consent.load import CSV, JSONL, Import, Progress, Silence, commit
from portguard.consent.options import ConsentOptions
from portguard.consent.record import seconds, subscriber_key
from portguard.consent.standing import REVOCATION, Attribute, written
from portguard.consent.store import ConsentError, Store
from portguard.policy.ledger import COUNTS
from portguard.registry.load import described
from portguard.registry.model import Identifier
from portguard.registry.subscriber import subscriber
from portguard.settings.schema import Settings
from portguard.sms import category

if TYPE_CHECKING:
    from portguard.cli.bar import Bar

_FORMATS = click.Choice([CSV, JSONL])


def _enterprise(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        return msgspec.convert(value, Identifier)
    except msgspec.ValidationError:
        raise click.BadParameter(f"{value!r} is not {described(Identifier)}") from None


@click.group()
def consent() -> None:
    """Opt-ins and opt-outs: import, export, look up, revoke."""


@consent.command("import")
@config_option
@click.option("--format", "chosen", type=_FORMATS, help="By default the name or the first character tells.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of the rows as an object.")
@click.argument("source", metavar="IN.csv|IN.jsonl|-", type=click.Path(allow_dash=True))
def import_(config: Path, chosen: str | None, as_json: bool, source: str) -> None:
    """Take a file of consents into the ledger.

    Fields: enterprise, subscriber, granted_at, and perhaps source, categories (separated by |), expires_at, proof; a
    row with revoked_at is an opt-out. The newest of a source wins, and no import undoes an opt-out newer than its rows.
    Rows with errors are named on stderr as file:row: field: message, the others are taken, and the exit code is 1. An
    import that was broken off can simply be begun again.
    """
    settings, options = _settings(config)
    with ExitStack() as opened:
        stream, size = _input(source, opened)
        store = _opened(options, opened)
        running = Import(store, settings.node.country, ZoneInfo(settings.node.timezone), time.time())
        kind = chosen or _format_of(source, stream)
        try:
            with _progress(source, size) as progress:
                result = running.run(stream, "stdin" if source == "-" else source, kind, progress)
        except ConsentError as error:
            _name_problems(running)
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            found = running.result
            of = f" of {found.sound:,}" if found.sound else ""
            click.echo(f"interrupted: {found.written:,}{of} rows are taken; import again for the others", err=True)
            raise
    _name_problems(running)
    if as_json:
        fields = {"rows": result.sound, "bad": result.bad, "changed": result.changed, "unstated": result.unstated}
        sys.stdout.buffer.write(msgspec.json.encode(fields) + b"\n")
    else:
        click.echo(f"{result.sound:,} rows taken, {result.changed:,} pairs changed, {result.bad:,} rows with errors")
    if result.unstated:
        verb = "count" if options.unstated_source == "accept" else "do not count"
        click.echo(f"warning: {result.unstated:,} rows name no source; they {verb} (consent.unstated_source)", err=True)
    warn_of_unknown(settings, "enterprise", running.enterprises)
    if running.problems.count:
        raise click.exceptions.Exit(1)


@consent.command()
@config_option
@click.option("--format", "chosen", type=_FORMATS, help="CSV if the name ends in .csv, else JSONL.")
@click.option("--enterprise", help="Only this enterprise's.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; stdout by default.")
def export(config: Path, chosen: str | None, enterprise: str | None, output: Path | None) -> None:
    """Write the ledger as rows that `import` takes.

    Subscribers' numbers are in plain: the output is personal data.
    """
    _, options = _settings(config)
    with ExitStack() as opened:
        store = _opened(options, opened, readonly=True)
        stream: IO[bytes] = sys.stdout.buffer
        if output is not None:
            try:
                output.touch(mode=0o600)
                stream = opened.enter_context(output.open("wb"))
            except OSError as error:
                raise click.ClickException(f"{output}: {(error.strerror or str(error)).lower()}") from None
        in_csv = (chosen or (CSV if output is not None and output.suffix.lower() == ".csv" else JSONL)) == CSV
        count = (write_csv if in_csv else write_jsonl)(rows(store, enterprise), stream)
        stream.flush()
    click.echo(f"{count:,} rows", err=True)


@consent.command()
@config_option
@click.option("--at", "at_text", metavar="ISO-TIME", help="When the message would be delivered; now by default.")
@click.option("--category", "content", default="marketing", show_default=True, help="Perhaps with an /industry.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
@click.argument("enterprise", callback=_enterprise)
@click.argument("number", metavar="SUBSCRIBER")
def check(config: Path, at_text: str | None, content: str, as_json: bool, enterprise: str, number: str) -> None:
    """What is on file of an enterprise and a subscriber; does it count, and why?"""
    settings, options = _settings(config)
    person, zone = _person(number, settings), ZoneInfo(settings.node.timezone)
    at = at_option(at_text, settings, time.time())
    try:
        wanted, industry = category.parse(content)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--category") from None
    try:
        ledger = Ledger(options.path, options, readonly=True)
    except ConsentError as error:
        raise click.ClickException(str(error)) from None
    known = ledger.knows(enterprise)
    on_file = ledger.look(enterprise, person)
    standing = ledger.why(enterprise, person, wanted * category.INDUSTRIES + industry, at, zone)
    ledger.close()
    found = [one.fields(zone) for one in on_file]
    if not known:
        _warn_of(enterprise)
    if as_json:
        answer = {"enterprise": enterprise, "subscriber": person, "counts": standing.answer == COUNTS,
                  "reason": standing.reason, "on_file": found}  # fmt: skip
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        return
    click.echo(f"{'counts' if standing.answer == COUNTS else 'does not count'}: {standing.reason}")
    for fields in found:
        click.echo("  " + "  ".join(f"{name}={value}" for name, value in fields.items()))


@consent.command()
@config_option
@click.option("--at", "at_text", metavar="ISO-TIME", help="When it was refused; now by default.")
@click.option("--source", default="cli", show_default=True, callback=in_unicode, help="How the opt-out came.")
@click.argument("enterprise", callback=_enterprise)
@click.argument("number", metavar="SUBSCRIBER")
def revoke(config: Path, at_text: str | None, source: str, enterprise: str, number: str) -> None:
    """Put an opt-out on file. When this returns with exit code 0, it is on the disk.

    The running proxy obeys it within a fraction of a second. It outlives every import of older opt-ins.
    """
    settings, options = _settings(config)
    person, now = _person(number, settings), time.time()
    at = min(at_option(at_text, settings, now), now)
    entry = Entry(enterprise, subscriber_key(person), Attribute(REVOCATION, source.lower()[:64]), seconds(at), 0, "")
    with ExitStack() as opened:
        store = _opened(options, opened)
        view = store.view()
        known = view.enterprise(enterprise) is not None
        view.close()
        try:
            changed = commit(store, [entry]) > 0
        except ConsentError as error:
            raise click.ClickException(str(error)) from None
    when = written(seconds(at), ZoneInfo(settings.node.timezone))
    click.echo(f"revoked at {when}" if changed else "an opt-out as new is on file already")
    if not known:
        _warn_of(enterprise)


def _warn_of(enterprise: str) -> None:
    click.echo(f"warning: nothing was ever on file of the enterprise {enterprise!r}; is it spelt so?", err=True)


def _settings(config: Path) -> tuple[Settings, ConsentOptions]:
    """The settings and their `[consent]`; without that section there is no ledger."""
    settings = load_settings(config)
    if settings.consent is None:
        raise click.ClickException(f'{config}: consent: is missing; a ledger has a folder: [consent] path = "consent"')
    return settings, settings.consent


def _opened(options: ConsentOptions, opened: ExitStack, *, readonly: bool = False) -> Store:
    try:
        store = Store(options.path, readonly=readonly)
    except ConsentError as error:
        raise click.ClickException(str(error)) from None
    opened.callback(store.close)
    return store


def _person(number: str, settings: Settings) -> str:
    found = subscriber(number, 0, settings.node.country)
    if not subscriber_key(found):
        raise click.BadParameter("is no number that a subscriber can have", param_hint="SUBSCRIBER")
    return found


def _input(source: str, opened: ExitStack) -> tuple[BinaryIO, int]:
    """The input and its size, 0 when nobody knows."""
    if source == "-":
        return standard_input(), 0
    try:
        stream = opened.enter_context(Path(source).open("rb"))  # noqa: SIM115 (the stack is the context manager)
    except OSError as error:
        raise click.ClickException(f"{source}: {(error.strerror or str(error)).lower()}") from None
    return stream, os.fstat(stream.fileno()).st_size


def _format_of(source: str, stream: BinaryIO) -> str:
    by_name = {".csv": CSV, ".jsonl": JSONL}.get(Path(source).suffix.lower())
    if by_name is not None or not isinstance(stream, BufferedReader):
        return by_name or CSV
    try:
        first = stream.peek(1)
    except OSError:
        return CSV
    return JSONL if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else CSV


def _name_problems(running: Import) -> None:
    for line in running.problems.lines():
        click.echo(line, err=True)


@contextmanager
def _progress(name: str, size: int) -> Iterator[Progress]:
    """Bars on stderr while that is a terminal: one of the reading, then one of the writing."""
    if not sys.stderr.isatty():
        yield Silence()
        return
    from portguard.cli.bar import Bar

    with ExitStack() as shown:
        yield _Bars(Bar, name, size, shown)


class _Bars:
    def __init__(self, bar: Callable[[str, int], Bar], name: str, size: int, shown: ExitStack) -> None:
        self._bar = bar
        self._shown = shown
        self._reading = shown.enter_context(bar(name, size))
        self._writing: Bar | None = None

    def read(self, octets: int, rows: int, bad: int) -> None:
        """So much of the file is read."""
        self._reading.at(octets, Counter(sound=rows, bad=bad))

    def written(self, rows: int, of: int) -> None:
        """So many rows are committed."""
        if self._writing is None:
            self._shown.close()
            self._writing = self._shown.enter_context(self._bar("into the ledger", of))
        self._writing.at(rows, Counter(committed=rows))
