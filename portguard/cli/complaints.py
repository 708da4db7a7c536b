"""`portguard complaints`: take complaints in, see what they lead to, and overrule it, while the proxy serves or not."""

from __future__ import annotations

import getpass
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click
import msgspec

from portguard.cli.complaints_input import CSV, JSONL, Input
from portguard.cli.complaints_where import where
from portguard.cli.served import warn_of_unknown
from portguard.cli.settings import config_option, in_unicode, load_settings, moment
from portguard.complaints.options import LEVELS
from portguard.complaints.rows import ACCEPTED, DUPLICATE, MALFORMED
from portguard.settings.schema import Settings

if TYPE_CHECKING:
    from portguard.cli.bar import Bar

_HOURS = 24.0
_LIMIT = 100

F = TypeVar("F", bound=Callable[..., object])
Row = dict[str, Any]


@click.group()
def complaints() -> None:
    """Complaints of 12321: import, list, and overrule what they lead to."""


# ---- import


@complaints.command("import")
@config_option
@click.option("--format", "chosen", type=click.Choice([CSV, JSONL]), help="By default the name or the beginning tells.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of the rows as an object.")
@click.argument("source", metavar="IN.csv|IN.jsonl|-", type=click.Path(allow_dash=True))
def import_(config: Path, chosen: str | None, as_json: bool, source: str) -> None:
    """Take a file of complaints in.

    Fields: id, received_at, subscriber, number (the source_addr complained about), and perhaps signature, text, type
    (port or person), source (12321 unless said), category. What is refused is named on stderr as file:row: field:
    message, the rest is taken, and the exit code is 1; complaints that are on file already are refused as well, but are
    no error. A complaint about marketing revokes the subscriber's consent. An import that was broken off can simply be
    begun again.
    """
    settings = load_settings(config)
    results, revoked = Counter[str](), 0
    with ExitStack() as opened:
        read = opened.enter_context(Input(source, chosen))
        desk = opened.enter_context(where(settings))
        before = {_target(row): row for row in desk.look(of="targets", least="watch")}
        bar = opened.enter_context(_bar(source, read.size)) if sys.stderr.isatty() else None
        try:
            for batch in read.batches():
                answer = desk.take(batch, read.name)
                results.update(answer["results"])
                revoked += answer["revoked"]
                for row, field, message in answer["problems"]:
                    read.problems.add(read.name, row, field, message)
                if bar is not None:
                    bar.at(read.place(), results)
        except click.ClickException as error:
            _name(read)
            so_far = f"{results[ACCEPTED]:,} were taken before; import again for the others"
            raise click.ClickException(f"{error.message}; {so_far}") from None
        after = desk.look(of="targets", least="watch")
    results[MALFORMED] += read.unread
    _name(read)
    changed = [row for row in after if before.get(_target(row), {}).get("level") != row["level"]]
    _say_import(+results, revoked, changed, as_json, ZoneInfo(settings.node.timezone))
    if results.total() > results[ACCEPTED] + results[DUPLICATE]:
        raise click.exceptions.Exit(1)


def _bar(source: str, size: int) -> Bar:
    from portguard.cli.bar import Bar

    return Bar(source, size)


def _name(read: Input) -> None:
    for line in read.problems.lines():
        click.echo(line, err=True)


def _say_import(results: Counter[str], revoked: int, changed: list[Row], as_json: bool, zone: ZoneInfo) -> None:
    if as_json:
        fields = {"results": dict(results), "revoked": revoked, "changed": changed}
        sys.stdout.buffer.write(msgspec.json.encode(fields) + b"\n")
        return
    refused = ", ".join(f"{count:,} {result}" for result, count in sorted(results.items()) if result != ACCEPTED)
    click.echo(f"{results[ACCEPTED]:,} complaints taken, {results.total() - results[ACCEPTED]:,} refused"
               f"{f' ({refused})' if refused else ''}, {revoked:,} consents revoked")  # fmt: skip
    for row in changed:
        until = _when(row["until"], zone)
        click.echo(f"{row['kind']} {row['name']} is at {_level(row['level'])} until {until}: {row['reason']}")


# ---- list


@complaints.command("list")
@config_option
@click.option("--kind", type=click.Choice(["port", "signature"]), help="Only ports, or only signatures.")
@click.option("--name", default="", callback=in_unicode, help="Only this port or signature.")
@click.option("--level", type=click.Choice(LEVELS), default="none", help="Only those at this level or above.")
@click.option("--single", is_flag=True, help="The complaints themselves, the newest first.")
@click.option("--since", "since_text", metavar="ISO-TIME", help="With --single: received since then.")
@click.option("--until", "until_text", metavar="ISO-TIME", help="With --single: received until then.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=_LIMIT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def list_(
    config: Path, kind: str | None, name: str, level: str, single: bool, since_text: str | None,
    until_text: str | None, limit: int, as_json: bool,
) -> None:  # fmt: skip
    """What ports and signatures stand at, with their rates; or single complaints.

    Rates are complaints of different subscribers per million messages delivered. Subscribers are keyed hashes.
    """
    settings = load_settings(config)
    since = _time(since_text, settings, "--since") or 0.0
    until = _time(until_text, settings, "--until")
    with where(settings) as desk:
        if single:
            rows = desk.look(
                of="complaints", since=since, until=until, port=name if kind == "port" else "",
                signature=name if kind == "signature" else "", limit=limit,
            )  # fmt: skip
        else:
            rows = desk.look(of="targets", kind=kind or "", name=name, least=level, limit=limit)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(rows) + b"\n")
    elif not rows:
        click.echo("no complaints" if single else "no port or signature has complaints, or stands at a level")
    else:
        _print(rows, single, ZoneInfo(settings.node.timezone))


def _print(rows: list[Row], single: bool, zone: ZoneInfo) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    if single:
        for heading in ("received", "source", "id", "number", "signature", "category", "text"):
            table.add_column(heading, no_wrap=heading != "text", overflow="ellipsis")
        for row in rows:
            kind = f"{row['category']}/{row['industry']}" if row["industry"] else row["category"]
            table.add_row(*map(Text, (_when(row["received_at"], zone), row["source"], row["id"], row["number"],
                                      row["signature"], kind, " ".join(row["text"].split())[:60])))  # fmt: skip
    else:
        for heading in ("kind", "name", "level", "until", "1 h", "24 h", "30 d", "per million", "delivered", "whose"):
            right = heading in ("1 h", "24 h", "30 d", "per million", "delivered")
            table.add_column(heading, no_wrap=heading != "whose", justify="right" if right else "left")
        for row in rows:
            month = row["month"]
            whose = ", ".join(row["enterprises"]) if row["kind"] == "signature" else row["holder"]
            level = f"{row['level']} (held by {row['held_by']})" if row["held_by"] else row["level"]
            table.add_row(
                row["kind"], Text(row["name"]), Text(level, style=_COLOURS.get(row["level"], "")),
                _when(row["until"], zone), *(f"{row[window]['complaints']:,}" for window in ("hour", "day", "month")),
                f"{month['per_million']:.3g}", f"{month['delivered']:,}", Text(whose),
            )  # fmt: skip
    # As wide as it is where nobody looks at it.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


_COLOURS = {"watch": "cyan", "tag": "yellow", "throttle": "magenta", "suspend": "bold red"}


# ---- overruling


def _target_arguments(function: F) -> F:
    """A port or a signature, why, and who."""
    for option in (
        click.argument("name", metavar="PORT|SIGNATURE", callback=in_unicode),
        click.argument("kind", metavar="port|signature", type=click.Choice(["port", "signature"])),
        click.option("--who", default=lambda: getpass.getuser(), show_default="the user", help="Who does it."),
        click.option("--why", required=True, help="The reason, for the record."),
    ):
        function = option(function)
    return function


@complaints.command()
@config_option
@click.option("--level", type=click.Choice(LEVELS), required=True, help="What it is to stand at.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help=f"How long; {_HOURS:g} by default.")
@click.option("--until", "until_text", metavar="ISO-TIME", help="Instead of --hours.")
@_target_arguments
def hold(
    config: Path, level: str, hours: float | None, until_text: str | None, kind: str, name: str, why: str, who: str
) -> None:
    """Pin a port or a signature to a level, whatever complaints say, until a time.

    Complaints go on counting beneath; at the end, what they then say is in force.
    """
    settings = load_settings(config)
    until = _time(until_text, settings, "--until")
    if until is not None and hours is not None:
        raise click.UsageError("--hours and --until exclude each other")
    wanted = hours or _HOURS if until is None else (until - time.time()) / 3600
    with where(settings) as desk:
        answer = desk.hold(kind, name, level, wanted, who, why)
    until_when = _when(answer["until"], ZoneInfo(settings.node.timezone))
    click.echo(f"{kind} {name} is held at {_level(level)} until {until_when}")
    warn_of_unknown(settings, kind, [name])


@complaints.command()
@config_option
@_target_arguments
def lift(config: Path, kind: str, name: str, why: str, who: str) -> None:
    """Lift what is on a port or a signature, a hold too, and forgive the complaints so far."""
    settings = load_settings(config)
    with where(settings) as desk:
        before = desk.lift(kind, name, who, why)["before"]
    if before == "none":
        click.echo(f"nothing was on {kind} {name}; its complaints so far are forgiven")
    else:
        click.echo(f"{kind} {name} was at {_level(before)}; that is lifted, and its complaints so far are forgiven")


# ---- words


def _target(row: Row) -> tuple[str, str]:
    return row["kind"], row["name"]


def _level(level: str) -> str:
    return click.style(level, fg="red" if level == "suspend" else None, bold=level == "suspend")


def _when(at: float | None, zone: ZoneInfo) -> str:
    return "" if not at else datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M")


def _time(text: str | None, settings: Settings, option: str) -> float | None:
    if text is None:
        return None
    try:
        return moment(text, ZoneInfo(settings.node.timezone))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
