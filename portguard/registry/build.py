"""The process that turns a registry folder into the image of a revision.

    python -m portguard.registry.build REGISTRY_DIR OUT_DIR [--timezone Asia/Shanghai] [--country 86]

It prints one JSON object: `{"revision", "path", "counts", "warnings"}` and exits 0, or `{"errors", "warnings"}` and
exits 1. The image is written beside, synced, and renamed to OUT_DIR/<revision>: whoever finds that folder finds it
whole. The same content gives the same revision, in whichever format it was written. A process of its own, at low
priority, so that a million rows are not felt where messages are judged.
"""

import argparse
import errno
import fcntl
import gc
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from portguard.registry.check import check_folder
from portguard.registry.dates import Calendar
from portguard.registry.image import FILE, Image, ImageError, ImageWriter, Meta
from portguard.registry.pack import Pack, Pairs
from portguard.registry.progress import UNSEEN, Progress
from portguard.registry.review import Review

_UNFINISHED: Final = ".building"
_LOCK: Final = ".lock"
_SHOWN_EVERY: Final = 1000


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
    folder: Path | str,
    out: Path | str,
    timezone: str = "Asia/Shanghai",
    country: str = "86",
    progress: Progress = UNSEEN,
) -> Built:
    """Load, check and write the registry in `folder` as an image under `out`; raises BuildFailed."""
    started = time.monotonic()
    calendar = _calendar(timezone)
    try:
        with _uncollected(), closing(check_folder(folder, country, calendar, Path(out), progress)) as review:
            if review.errors.count:
                review.settle()
                raise BuildFailed(review.errors.lines(), review.warnings.lines())
            path = _write(review, timezone, Path(out), progress)
            octets = (path / FILE).stat().st_size
    except OSError as error:
        raise BuildFailed([f"{out}: the revision cannot be written: {_reason(error, Path(out))}"], []) from error
    counts = {table.name: table.count for table in review.registry.tables() if table}
    return Built(
        path.name, str(path), counts, octets, round(time.monotonic() - started, 3), review.warnings.lines()
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Millions of rows, no cycles among them: the collector would only walk them again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _reason(error: OSError, out: Path) -> str:
    """Why writing failed."""
    reason = error.strerror or str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return reason
    free = shutil.disk_usage(out).free >> 20
    return f"{reason} (is the disk full? {free:,} MiB are free now that the unfinished image is cleared away)"


def _calendar(timezone: str) -> Calendar:
    try:
        return Calendar(timezone)
    except (OSError, ValueError, LookupError):
        raise BuildFailed(
            [f"node.timezone: {timezone!r} is no time zone on this machine (like Asia/Shanghai)"], []
        ) from None


def _write(review: Review, timezone: str, out: Path, progress: Progress) -> Path:
    """Write the image, and return the folder it ended up in."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / _LOCK).open("a") as lock:
        # One build at a time: the lock goes with the process, so what is unfinished under it is nobody's.
        fcntl.flock(lock, fcntl.LOCK_EX)
        unfinished = out / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            revision = _write_image(review, timezone, unfinished, progress)
            return _publish(unfinished, out / revision)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _write_image(review: Review, timezone: str, folder: Path, progress: Progress) -> str:
    registry = review.registry
    progress.expect_rows(sum(table.count for table in registry.tables()) - registry.scopes.count)
    with closing(ImageWriter(folder)) as writer, closing(Pack(review, folder)) as pack:
        for database, pairs in pack.databases():
            writer.write(database, _shown(database, pairs, progress))
        has_signatures, has_scopes = bool(registry.signatures), bool(registry.scopes)
        digest = writer.digest(timezone, review.country, str(has_signatures), str(has_scopes))
        writer.finish(
            Meta(
                digest=digest,
                timezone=timezone,
                country=review.country,
                counts={table.name: table.count for table in registry.tables() if table},
                port_lengths=review.ports.lengths,
                sublease_lengths=review.leases.lengths,
                region_lengths=sorted({len(prefix) for prefix in review.regions}),
                has_signatures=has_signatures,
                has_scopes=has_scopes,
            )
        )
    return digest


def _shown(database: str, pairs: Pairs, progress: Progress) -> Pairs:
    """The pairs, and word of them to who waits."""
    for count, pair in enumerate(pairs, 1):
        if count % _SHOWN_EVERY == 0:
            progress.wrote(database, _SHOWN_EVERY)
        yield pair


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


def _tell(share: float, what: str) -> None:
    print(f"{share:.0%} {what}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The process; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="portguard.registry.build", description="Build the image of a registry revision."
    )
    parser.add_argument("registry", help="folder of the registry's tables")
    parser.add_argument("out", help="folder in which the revision's folder is made")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="zone of the dates on file (node.timezone)")
    parser.add_argument("--country", default="86", help="code of the home country (node.country)")
    parser.add_argument("--progress", action="store_true", help="say on stderr how far it is: `12% reading ports.csv`")
    chosen = parser.parse_args(arguments)
    try:
        progress = Progress(_tell) if chosen.progress else UNSEEN
        result: Any = build(chosen.registry, chosen.out, chosen.timezone, chosen.country, progress)
        code = 0
    except BuildFailed as failure:
        result, code = {"errors": failure.errors, "warnings": failure.warnings}, 1
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
