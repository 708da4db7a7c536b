"""The process that turns a registry folder into the image of a revision.

    python -m portguard.registry.build REGISTRY_DIR OUT_DIR [--timezone Asia/Shanghai] [--country 86]

It prints one JSON object: `{"revision", "path", "counts", "warnings"}` and exits 0, or `{"errors", "warnings"}` and
exits 1. The image is written beside, synced, and renamed to OUT_DIR/<revision>: whoever finds that folder finds it
whole. The same content gives the same revision, in whichever format it was written. A process of its own, at low
priority, so that a million rows are not felt where messages are judged.
"""

import argparse
import fcntl
import gc
import ipaddress
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb
import msgspec

from portguard.registry import image, model
from portguard.registry.check import check_folder
from portguard.registry.dates import Calendar
from portguard.registry.image import FORMAT, MAP_SIZE, Image, ImageError, ImageWriter, Meta, image_key
from portguard.registry.review import Review

R = TypeVar("R")
Pairs = Iterable[tuple[bytes, object]]

_UNFINISHED: Final = ".building"
_LOCK: Final = ".lock"


class Built(msgspec.Struct, frozen=True):
    """What a build gave. `counts` are rows by table, `octets` the size of the image."""

    revision: str
    path: str
    counts: dict[str, int]
    octets: int
    seconds: float
    warnings: list[str]


class BuildFailed(Exception):
    """No image was made; `errors` are lines for the administrator."""

    def __init__(self, errors: list[str], warnings: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
        self.warnings = warnings


def build(
    folder: Path | str, out: Path | str, timezone: str = "Asia/Shanghai", country: str = "86", map_size: int = MAP_SIZE
) -> Built:
    """Load, check and write the registry in `folder` as an image under `out`; raises BuildFailed."""
    started = time.monotonic()
    calendar = _calendar(timezone)
    review = check_folder(folder, country)
    warnings = review.warnings.lines()
    if review.errors.count:
        raise BuildFailed(review.errors.lines(), warnings)
    try:
        path = _write(review, calendar, timezone, Path(out), map_size)
        octets = (path / "data.mdb").stat().st_size
    except lmdb.MapFullError:
        raise BuildFailed(
            [f"{out}: the revision is larger than the {map_size >> 20:,} MiB an image may have"], warnings
        ) from None
    except (OSError, lmdb.Error) as error:
        raise BuildFailed([f"{out}: the revision cannot be written: {_reason(error, Path(out))}"], warnings) from error
    counts = {table.name: len(table.rows) for table in review.registry.tables() if table}
    return Built(path.name, str(path), counts, octets, round(time.monotonic() - started, 3), warnings)


def _reason(error: Exception, out: Path) -> str:
    """Why writing failed. lmdb reports a write that was cut short as an input/output error: on a full disk, too."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    free = shutil.disk_usage(out).free >> 20
    hint = f"is the disk full? {free:,} MiB are free now that the unfinished image is cleared away"
    return f"{str(error).rpartition(': ')[2]} ({hint})"


def _calendar(timezone: str) -> Calendar:
    try:
        return Calendar(timezone)
    except (OSError, ValueError, LookupError):
        raise BuildFailed(
            [f"node.timezone: {timezone!r} is no time zone on this machine (like Asia/Shanghai)"], []
        ) from None


def _write(review: Review, calendar: Calendar, timezone: str, out: Path, map_size: int) -> Path:
    """Write the image, and return the folder it ended up in."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / _LOCK).open("a") as lock:
        # One build at a time: the lock goes with the process, so what is unfinished under it is nobody's.
        fcntl.flock(lock, fcntl.LOCK_EX)
        unfinished = out / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            revision = _write_image(review, calendar, timezone, unfinished, map_size)
            return _publish(unfinished, out / revision)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _write_image(review: Review, calendar: Calendar, timezone: str, folder: Path, map_size: int) -> str:
    registry = review.registry
    writer = ImageWriter(folder, map_size)
    try:
        for database, pairs in _databases(review, calendar):
            writer.write(database, pairs)
        has_signatures, has_scopes = bool(registry.signatures), bool(registry.scopes)
        digest = writer.digest(timezone, review.country, str(has_signatures), str(has_scopes))
        writer.finish(
            Meta(
                digest=digest,
                format=FORMAT,
                timezone=timezone,
                country=review.country,
                counts={table.name: len(table.rows) for table in registry.tables() if table},
                port_lengths=review.ports.lengths,
                sublease_lengths=_lengths(row.port for row in registry.subleases.rows),
                scope_lengths=_lengths(row.port for row in registry.scopes.rows),
                region_lengths=_lengths(review.regions),
                has_signatures=has_signatures,
                has_scopes=has_scopes,
            )
        )
    finally:
        writer.close()
    return digest


def _publish(unfinished: Path, target: Path) -> Path:
    """Rename into place, unless the same revision is there already and sound."""
    if target.exists():
        try:
            Image(target).close()
            os.utime(target)
            return target
        except ImageError:
            shutil.rmtree(target)
    _sync_folder(unfinished)
    unfinished.rename(target)
    _sync_folder(target.parent)
    return target


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lengths(numbers: Iterable[str]) -> list[int]:
    return sorted({len(number) for number in numbers})


def _databases(review: Review, calendar: Calendar) -> Iterator[tuple[str, Pairs]]:
    """Every database with its records in the order of their keys."""
    registry = review.registry
    yield "accounts", _single(registry.accounts.rows, lambda r: image_key(r.system_id), _account)
    yield "enterprises", _single(registry.enterprises.rows, lambda r: image_key(r.id), _enterprise)
    yield "ports", _grouped(registry.ports.rows, lambda r: image_key(r.port), lambda r: _port(r, calendar))
    yield "subleases", _grouped(registry.subleases.rows, lambda r: image_key(r.port), lambda r: _sublease(r, calendar))
    yield (
        "signatures",
        _grouped(registry.signatures.rows, lambda r: image_key(r.signature), lambda r: _signature(r, calendar)),
    )
    yield (
        "scopes",
        _grouped(registry.scopes.rows, lambda r: image_key(r.signature, r.port), lambda r: _scope(r, calendar, review)),
    )
    yield "canonical", _single(review.canonical.items(), lambda item: image_key(item[0]), lambda item: item[1])
    yield "templates", _grouped(registry.templates.rows, lambda r: image_key(r.signature, r.enterprise), _template)
    yield "numbers", _single(review.first_signatures.items(), lambda item: image_key(item[0]), lambda item: item[1])
    yield "regions", _single(review.regions.items(), lambda item: image_key(item[0]), lambda item: item[1])
    yield (
        "words",
        _single(registry.words.rows, lambda r: image_key(r.word, r.category), lambda r: (r.word, r.category, r.weight)),
    )


def _single(rows: Iterable[R], key: Callable[[R], bytes], record: Callable[[R], object]) -> Pairs:
    """One record for each row, whose keys differ."""
    return ((key(row), record(row)) for row in sorted(rows, key=key))


def _grouped(rows: Iterable[R], key: Callable[[R], bytes], record: Callable[[R], object]) -> Pairs:
    """A list of records for each key, within it in the order of the rows."""
    return ((group, [record(row) for row in same]) for group, same in groupby(sorted(rows, key=key), key))


def _account(row: model.AccountRow) -> object:
    networks = [str(ipaddress.ip_network(network, strict=False)) for network in row.networks]
    return image.AccountRecord(
        row.system_id,
        row.enterprise,
        networks,
        row.mode,
        row.max_binds or 0,
        row.tps or 0,
        row.charset,
        row.binary,
        row.status,
    )


def _enterprise(row: model.EnterpriseRow) -> object:
    return image.EnterpriseRecord(row.id, row.name, row.kind, row.platform, row.status)


def _port(row: model.PortRow, calendar: Calendar) -> object:
    return image.PortRecord(
        row.port,
        row.holder,
        list(row.categories),
        list(row.regions),
        -1 if row.extension_digits is None else row.extension_digits,
        row.signature_required,
        row.signature_per_extension,
        calendar.begins(row.valid_from),
        calendar.ends(row.valid_until),
        row.status,
    )


def _sublease(row: model.SubleaseRow, calendar: Calendar) -> object:
    return image.SubleaseRecord(
        row.port,
        row.lessor,
        row.lessee,
        row.exclusive,
        list(row.categories),
        row.filing,
        calendar.begins(row.valid_from),
        calendar.ends(row.valid_until),
        row.status,
    )


def _signature(row: model.SignatureRow, calendar: Calendar) -> object:
    begins, ends = calendar.begins(row.valid_from), calendar.ends(row.valid_until)
    return image.SignatureRecord(row.signature, row.enterprise, begins, ends, row.status)


def _scope(row: model.ScopeRow, calendar: Calendar, review: Review) -> object:
    return image.ScopeRecord(
        row.signature,
        row.enterprise,
        row.port,
        list(row.categories),
        list(row.regions),
        review.spans(row.hours),
        row.daily_cap or 0,
        row.provider,
        calendar.begins(row.valid_from),
        calendar.ends(row.valid_until),
        row.status,
    )


def _template(row: model.TemplateRow) -> object:
    return image.TemplateRecord(row.id, row.category, row.text)


def lower_priority() -> None:
    """Give way to everything else, yet not to starvation: nice 19 still gets its percent of a busy processor."""
    try:
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except (OSError, AttributeError):
        return


def main(arguments: list[str] | None = None) -> int:
    """The process; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="portguard.registry.build", description="Build the image of a registry revision."
    )
    parser.add_argument("registry", help="folder of the registry's tables")
    parser.add_argument("out", help="folder in which the revision's folder is made")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="zone of the dates on file (node.timezone)")
    parser.add_argument("--country", default="86", help="code of the home country (node.country)")
    parser.add_argument(
        "--priority", choices=("low", "normal"), default="low", help="normal where nothing is served yet"
    )
    chosen = parser.parse_args(arguments)
    if chosen.priority == "low":
        lower_priority()
    # Millions of rows, no cycles among them: the collector would only walk them again and again.
    gc.disable()
    try:
        result: Any = build(chosen.registry, chosen.out, chosen.timezone, chosen.country)
        code = 0
    except BuildFailed as failure:
        result, code = {"errors": failure.errors, "warnings": failure.warnings}, 1
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
