"""`portguard inspect`: a file of messages in, the same rows with their verdicts out.

Rows stream through: memory does not grow with the file. A row that cannot be judged is named on stderr, the others go
on, and the exit code tells.
"""

import gc
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final, Protocol
from zoneinfo import ZoneInfo

import click

from portguard.cli.revision import desk_of
from portguard.cli.rows import (
    CSV,
    FORMATS,
    JSONL,
    BadRow,
    CsvReader,
    CsvWriter,
    JsonlReader,
    JsonlWriter,
    Lines,
    RawRow,
    Reader,
    Row,
    Unreadable,
    Writer,
    row_of,
    sniff,
)
from portguard.cli.settings import at_option, config_option, load_settings, moment, standard_input
from portguard.cli.whole import replaceable, whole
from portguard.policy.desk import Desk, Message, MessageError

COLUMNS: Final = ("action", "rule", "code", "signature", "category", "industry", "revision")
_SHOWN_EVERY: Final = 512
_MOMENTS_KEPT: Final = 10_000


class Inspection:
    """Judges rows. `actions` counts the verdicts, `bad` the rows that have none."""

    def __init__(self, desk: Desk, at: float, source: str) -> None:
        self.actions: Counter[str] = Counter()
        self.bad = 0
        self._desk = desk
        self._at = at
        self._source = source
        self._zone: ZoneInfo = desk.revision.zone
        self._moments: dict[str, float] = {}

    def judged(self, number: int, raw: RawRow, from_csv: bool) -> RawRow | None:
        """The row with its verdict, or None when it has none (which is said on stderr)."""
        try:
            message = self._message(number, row_of(number, raw, from_csv))
            outcome = self._desk.judge(message)
        except BadRow as error:
            self.report(error)
            return None
        except MessageError as error:
            self._say(number, str(error))
            return None
        self.actions[outcome.action] += 1
        raw["action"] = outcome.action
        raw["rule"] = outcome.rule
        raw["code"] = outcome.code
        raw["signature"] = outcome.signature
        raw["category"] = outcome.category
        raw["industry"] = outcome.industry
        raw["revision"] = outcome.revision
        return raw

    def report(self, error: BadRow) -> None:
        """Say what is wrong with a row."""
        for field, message in error.faults:
            self._say(error.row, f"{field}: {message}" if field else message, count=False)
        self.bad += 1

    def _say(self, number: int, message: str, *, count: bool = True) -> None:
        click.echo(f"{self._source}:{number}: {message}", err=True)
        self.bad += count

    def _message(self, number: int, row: Row) -> Message:
        at = self._at
        if row.at is not None:
            at = self._moment(number, row.at)
        return Message(
            row.account,
            str(row.source_addr or ""),
            str(row.destination_addr or ""),
            row.text or "",
            8 if row.data_coding is None else row.data_coding,
            at,
            arrived=row.at is not None,
            pdu=b"" if row.pdu is None else _octets(number, row.pdu),
        )

    def _moment(self, number: int, text: str) -> float:
        found = self._moments.get(text)
        if found is None:
            try:
                found = moment(text, self._zone)
            except ValueError as error:
                raise BadRow(number, [("at", str(error))]) from None
            if len(self._moments) >= _MOMENTS_KEPT:
                self._moments.clear()
            self._moments[text] = found
        return found


def _octets(number: int, text: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError as error:
        raise BadRow(number, [("pdu", f"is no hex: {error}")]) from None
    if not octets:
        raise BadRow(number, [("pdu", "is empty")])
    return octets


@click.command()
@config_option
@click.option("--at", "at_text", metavar="ISO-TIME", help="When rows without a time of their own are submitted; now by "
                                                          "default.")
@click.option("--format", "chosen", type=click.Choice(FORMATS), help="Format of the input; by default its name or its "
                                                                     "first character tells.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="Where the rows go: CSV if the name ends in .csv, else JSONL; stdout (JSONL) by default.")
@click.argument("source", metavar="IN.jsonl|IN.csv|-", type=click.Path(allow_dash=True))
def inspect(config: Path, at_text: str | None, chosen: str | None, output: Path | None, source: str) -> None:
    """Judge a file of messages.

    Each row has account, source_addr, destination_addr, text, and perhaps data_coding (8 by default) and at; or
    account and pdu, the hex of a whole submit_sm, data_sm, submit_multi or replace_sm. The same rows come out with
    action, rule, code, signature, category, industry and revision.

    A row's own time is when it arrived, so that the account's rate counts; daily caps always count. Exits 1 when a row
    could not be judged; such rows are named on stderr and left out. The output takes its name when it is complete.
    """
    settings = load_settings(config)
    at = at_option(at_text, settings, time.time())
    try:
        with ExitStack() as opened:
            stream, size = _input(source, opened)
            _refuse_same_file(source, output)
            desk = opened.enter_context(desk_of(settings))
            inspection = Inspection(desk, at, source)
            reader = _reader(Lines(stream), source, chosen)
            writer = _writer(output, reader, opened)
            # What is loaded by now lives to the end: the collector need not look at it every few thousand rows.
            gc.freeze()
            opened.callback(gc.unfreeze)
            with _interruptible(inspection, source, output), _progress(source, size) as shown:
                _inspect_all(reader, writer, inspection, shown)
    except Unreadable as error:
        click.echo(f"{source}:{error.row}: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{error.filename or output or 'stdout'}: {error.strerror}") from None
    if isinstance(writer, CsvWriter) and writer.left_out:
        names = ", ".join(sorted(writer.left_out))
        click.echo(f"{output}: left out, the first row has no such column: {names}", err=True)
    failed = desk.engine.counters.errors
    if failed:
        click.echo(f"{source}: {failed} verdicts are those of policy.on_error: judging failed, a fault here", err=True)
    if inspection.bad or failed:
        raise click.exceptions.Exit(1)


class Progress(Protocol):
    """Whom to tell how far it is: octets read, and verdicts so far."""

    def at(self, octets: int, actions: Counter[str]) -> None: ...


class Silence:
    """A Progress that tells nobody."""

    def at(self, octets: int, actions: Counter[str]) -> None:
        return


def _inspect_all(reader: Reader, writer: Writer, inspection: Inspection, progress: Progress) -> None:
    from_csv = isinstance(reader, CsvReader)
    rows = 0
    while True:
        try:
            found = reader.next()
        except BadRow as error:
            inspection.report(error)
            continue
        if found is None:
            break
        judged = inspection.judged(found[0], found[1], from_csv)
        if judged is not None:
            writer.write(judged)
        rows += 1
        if rows % _SHOWN_EVERY == 0:
            progress.at(reader.lines.octets, inspection.actions)
    progress.at(reader.lines.octets, inspection.actions)


def _input(source: str, opened: ExitStack) -> tuple[IO[bytes], int]:
    """The input as a stream, and its size (0 when nobody knows)."""
    if source == "-":
        return standard_input(), 0
    stream = opened.enter_context(Path(source).open("rb"))  # noqa: SIM115 (the stack is the context manager)
    return stream, os.fstat(stream.fileno()).st_size


def _refuse_same_file(source: str, output: Path | None) -> None:
    if output is not None and source != "-" and output.exists() and output.samefile(source):
        raise click.BadParameter("is the input; writing would destroy it", param_hint="-o")


def _reader(lines: Lines, source: str, chosen: str | None) -> Reader:
    kind = chosen or {".csv": CSV, ".jsonl": JSONL}.get(Path(source).suffix.lower()) or sniff(lines.peek())
    return CsvReader(lines) if kind == CSV else JsonlReader(lines)


def _writer(output: Path | None, reader: Reader, opened: ExitStack) -> Writer:
    if output is None:
        opened.callback(sys.stdout.buffer.flush)
        return JsonlWriter(sys.stdout.buffer)
    stream = opened.enter_context(whole(output))
    if output.suffix.lower() != ".csv":
        return JsonlWriter(stream)
    file = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    opened.callback(file.detach)
    return CsvWriter(file, reader.header if isinstance(reader, CsvReader) else [], COLUMNS)


@contextmanager
def _interruptible(inspection: Inspection, source: str, output: Path | None) -> Iterator[None]:
    """Says what became of the output's file when somebody interrupts it."""
    try:
        yield
    except KeyboardInterrupt:
        if output is not None and replaceable(output):
            rows = inspection.actions.total() + inspection.bad
            click.echo(f"{source}: interrupted after {rows:,} rows; nothing is written to {output}", err=True)
        raise


@contextmanager
def _progress(name: str, size: int) -> Iterator[Progress]:
    """A bar on stderr while that is a terminal."""
    if not sys.stderr.isatty():
        yield Silence()
        return
    from portguard.cli.bar import Bar

    with Bar(name, size) as bar:
        yield bar
