"""`portguard evidence`: the journal shown, verified and exported, while the proxy serves or not.

Every command only reads. Nothing here needs the daemon; what it is writing at the moment is left for the next time.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console
from rich.table import Table

from portguard.cli.printable import printable
from portguard.cli.settings import config_option, load_settings, moment
from portguard.cli.whole import whole
from portguard.evidence.checks import ANOTHER_KEY, Verdict
from portguard.evidence.export import FORMATS, JSONL, NoParquet, export, format_of, sink
from portguard.evidence.keys import KEY, KeyMissing, Keys, load
from portguard.evidence.reader import Filter, Found, Reader
from portguard.evidence.rows import VIOLATION
from portguard.evidence.verify import Verification
from portguard.policy.reasons import RULE_BY_CODE, RULE_BY_NAME
from portguard.settings.schema import Settings

F = TypeVar("F", bound=Callable[..., object])
Told = Callable[[int, int, Counter[str]], None]

_MOST_SHOWN = 100_000


@click.group()
def evidence() -> None:
    """The journal of violations and events: show, verify, export."""


def _rule(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None or value in RULE_BY_NAME:
        return value
    if value.isdecimal() and int(value) in RULE_BY_CODE:
        return RULE_BY_CODE[int(value)].name
    raise click.BadParameter(f"{value!r} is no rule's name or code, like signature_unregistered or 204")


def filter_options(function: F) -> F:
    """The options that say which records are wanted."""
    for option in reversed((
        click.option("--from", "since", metavar="ISO-TIME", help="Not before this time."),
        click.option("--to", "until", metavar="ISO-TIME", help="Before this time."),
        click.option("--kind", help="violation, alert, complaint, escalation, registry, audit, left_out, ..."),
        click.option("--rule", callback=_rule, help="A rule's name or code: signature_unregistered, 204."),
        click.option("--account", help="Only this account's."),
        click.option("--enterprise", help="Only those of this enterprise's accounts."),
        click.option("--port", help="Only from this registered port."),
        click.option("--signature", help="Only with this signature."),
    )):  # fmt: skip
        function = option(function)
    return function


@evidence.command()
@config_option
@filter_options
@click.option("-n", "--limit", type=click.IntRange(1, _MOST_SHOWN), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print an object a line.")
def show(config: Path, limit: int, as_json: bool, **wanted: str | None) -> None:
    """The latest records, the newest last."""
    settings = load_settings(config)
    filter, zone = _filter(settings, wanted), ZoneInfo(settings.node.timezone)
    with Reader(_folder(settings)) as reader:
        found = reader.last(filter, limit)
        damaged = reader.damaged
    if as_json:
        export(iter(found), sink(JSONL, sys.stdout.buffer, zone), lambda counts: None)
        sys.stdout.buffer.flush()
    elif found:
        _print_table(found, zone)
    else:
        click.echo("no records", err=True)
    _warn_of_damage(damaged)


@evidence.command()
@config_option
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path),
              help="The journal's key, if it is not in the state folder.")
@click.option("--head", "heads", multiple=True, metavar="NUMBER:HASH",
              help="A head that was noted from the log, from MQTT or an earlier verification. May be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def verify(config: Path, key: Path | None, heads: tuple[str, ...], as_json: bool) -> None:
    """Is every record there, and as it was written?

    Names what was altered, removed, put elsewhere or made unreadable, by segment and record; exits 1 if there is
    anything. Hashes show changes by whoever did not compute them anew, seals by whoever lacks the journal's key, and
    heads that were noted elsewhere show even what somebody with the key has done.
    """
    settings = load_settings(config)
    noted, folder = dict(map(_head, heads)), _folder(settings)
    keys = _keys(key, settings)
    with _progress("journal") as told:
        try:
            verdict = Verification(
                folder, keys, noted,
                lambda octets, of, records: told(octets, of, Counter(records=records)),
            ).run()
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(_verdict_fields(verdict)) + b"\n")
    else:
        _print_verdict(verdict, folder)
    if not verdict.sound:
        raise click.exceptions.Exit(1)


@evidence.command("export")
@config_option
@filter_options
@click.option("--format", "chosen", type=click.Choice(FORMATS), help="By default the file's name tells.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="Where it goes: .csv, .jsonl or .parquet.")
def export_(config: Path, chosen: str | None, output: Path, **wanted: str | None) -> None:
    """Write records to a file, which is there whole or not at all.

    In CSV a text that a spreadsheet would take for a formula gets an apostrophe in front. Parquet needs pyarrow: pip
    install 'portguard[parquet]'.
    """
    settings = load_settings(config)
    filter, zone = _filter(settings, wanted), ZoneInfo(settings.node.timezone)
    kind = chosen or format_of(output)
    if kind is None:
        raise click.BadParameter(f"{output.name} tells no format: .csv, .jsonl, .parquet or --format", param_hint="-o")
    with Reader(_folder(settings)) as reader, _whole(output) as stream, _progress(output.name) as told:
        try:
            into = sink(kind, stream, zone)
        except NoParquet as error:
            raise click.ClickException(str(error)) from None
        counts = export(reader.named(filter), into, lambda counts: told(reader.octets, reader.total, counts))
        damaged = reader.damaged
    click.echo(f"{counts.total():,} records", err=True)
    _warn_of_damage(damaged)
    if damaged:
        raise click.exceptions.Exit(1)


# ---- what was asked for

def _filter(settings: Settings, wanted: dict[str, str | None]) -> Filter:
    zone = ZoneInfo(settings.node.timezone)
    times: dict[str, float | None] = {}
    for name, option in (("since", "--from"), ("until", "--to")):
        text = wanted.pop(name)
        try:
            times[name] = None if text is None else moment(text, zone)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=option) from None
    return Filter(**times, **wanted)  # type: ignore[arg-type]


def _folder(settings: Settings) -> Path:
    folder = settings.evidence.path
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: there is no journal yet (evidence.path)")
    return folder


def _keys(path: Path | None, settings: Settings) -> Keys | None:
    """The journal's key; without one the chain is still checked."""
    try:
        return load(path or settings.node.state / KEY)
    except KeyMissing as error:
        if path is not None:
            raise click.ClickException(str(error)) from None
        click.echo(f"warning: no seal can be checked: {error}", err=True)
        return None


def _head(text: str) -> tuple[int, bytes]:
    number, _, hash = text.partition(":")
    try:
        octets = bytes.fromhex(hash)
    except ValueError:
        octets = b""
    if not number.isdecimal() or len(octets) != 32:
        raise click.BadParameter(f"{text!r} is no NUMBER:HASH with 64 hex digits", param_hint="--head")
    return int(number), octets


# ---- what is printed

def _print_verdict(verdict: Verdict, folder: Path) -> None:
    for problem in verdict.problems:
        if problem.harmless:
            click.echo(f"{click.style('note', fg='yellow')}: {problem}")
        else:
            click.echo(f"{click.style(problem.what, fg='red')}: {problem}")
    if verdict.more:
        click.echo(f"and {verdict.more:,} more")
    number, hash = verdict.head
    size = f"{verdict.records:,} records in {_number(verdict.segments, 'segment')}, {verdict.octets / 1e6:,.1f} MB"
    if verdict.sound:
        unchecked = any(problem.what == ANOTHER_KEY for problem in verdict.problems)
        seals = f"{_number(verdict.seals, 'seal')} checked{', others not' if unchecked else ''}"
        click.echo(f"{folder}: sound: {size}, {seals}")
    else:
        count = sum(not problem.harmless for problem in verdict.problems) + verdict.more
        click.echo(f"{folder}: NOT SOUND: {_number(count, 'problem')} in {size}", err=True)
    if number:
        click.echo(f"head {number}:{hash.hex()}")


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    number, hash = verdict.head
    return {
        "sound": verdict.sound, "records": verdict.records, "segments": verdict.segments, "octets": verdict.octets,
        "seals": verdict.seals, "first": verdict.first, "head": f"{number}:{hash.hex()}",
        "problems": [
            {"segment": one.segment, "what": one.what, "first": one.first, "last": one.last, "detail": one.detail,
             "harmless": one.harmless}
            for one in verdict.problems
        ],
        "more": verdict.more,
    }  # fmt: skip


def _print_table(found: list[Found], zone: ZoneInfo) -> None:
    from datetime import datetime

    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("record", justify="right")
    for name in ("time", "kind", "account", "from", "signature", "content"):
        table.add_column(name, no_wrap=name != "signature", overflow="fold")
    table.add_column("what", overflow="fold")
    for number, kind, fields in found:
        when = datetime.fromtimestamp(float(str(fields["at"])), zone)
        row = [str(number), f"{when:%Y-%m-%d %H:%M:%S}", kind]
        if kind == VIOLATION:
            content = "/".join(str(fields[name]) for name in ("category", "industry") if fields[name])
            said = f"{fields['action']} {fields['code']} {fields['rule']}"
            row += [str(fields["account"]), str(fields["number"]), str(fields["signature"]), content, said]
        else:
            row += [str(fields.get("account", "")), "", "", "", _said(fields)]
        table.add_row(*map(printable, row))
    width = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, width=width, highlight=False, markup=False).print(table)


def _said(fields: dict[str, object]) -> str:
    """An event in a line."""
    if "summary" in fields:
        return str(fields["summary"])
    skipped = ("at", "node", "account")
    return " ".join(f"{name}={value}" for name, value in fields.items() if name not in skipped)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _warn_of_damage(damaged: int) -> None:
    if damaged:
        click.echo(f"{damaged:,} frames are not as they were written and left out: portguard evidence verify", err=True)


# ---- files and bars

@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete, and that nobody else reads."""
    try:
        with whole(path, 0o600) as stream:
            yield stream
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {(error.strerror or str(error)).lower()}") from None


@contextmanager
def _progress(name: str) -> Iterator[Told]:
    """A bar on stderr while that is a terminal, told (octets, of, records by kind)."""
    if not sys.stderr.isatty():
        yield lambda octets, of, counts: None
        return
    from portguard.cli.bar import Bar

    with Bar(name, 0) as bar:
        yield lambda octets, of, counts: bar.at(octets, counts, of)
