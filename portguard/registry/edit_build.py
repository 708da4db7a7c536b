"""The process that makes one edit in a registry folder: checked as a reload would, then written whole or not at all.

    python -m portguard.registry.edit_build REGISTRY_DIR OUT_DIR [--timezone Asia/Shanghai] [--country 86] < edit.json

It reads an `edit.Edit` and prints one JSON object, `Made`. The edited table is put beside links to the others, and that
folder is built: what has errors changes nothing. Then the table's file is replaced in one rename, unless somebody has
written to it meanwhile. Edits wait for each other, whichever node makes them: the registry folder is locked. The
revision that was built is kept in OUT_DIR, so the reload that follows finds it there.
"""

import argparse
import fcntl
import gc
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from portguard.registry import formats
from portguard.registry.build import BuildFailed, build
from portguard.registry.content import content_digest
from portguard.registry.edit import Edit, EditError, apply, check_table

LOCK_SECONDS: Final = 60.0

_CANDIDATE: Final = ".edit"


class Made(msgspec.Struct, frozen=True):
    """What an edit came to. `result` done: `content` is the digest of the folder that was built (`registry.content`),
    "" when its files changed meanwhile. `checked`: a dry run that would have been done. Otherwise nothing has changed;
    `errors` are the registry's (`refused`), `message` and `field` say what else stood in the way, `rows` are what an
    ambiguous edit could mean."""

    result: Literal[
        "done", "checked", "refused", "invalid", "absent", "ambiguous", "unchanged", "layout", "unreadable", "conflict",
        "busy", "unwritable",
    ]
    message: str = ""
    field: str = ""
    rows: list[dict[str, Any]] = []
    errors: list[str] = []
    warnings: list[str] = []
    revision: str = ""
    content: str = ""
    counts: dict[str, int] = {}
    file: str = ""
    line: int = 0
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}


def make(
    folder: Path, out: Path, edit: Edit, timezone: str = "Asia/Shanghai", country: str = "86", *, dry_run: bool = False
) -> Made:
    """Make the edit in the registry in `folder`; images go to `out`. Never raises for what is on file or asked for."""
    try:
        check_table(edit)
        with _locked(folder):
            return _make(folder, out, edit, timezone, country, dry_run)
    except EditError as error:
        return Made(error.kind, str(error), error.field, error.rows)
    except BlockingIOError:
        return Made("busy", f"another edit of {folder} has taken longer than {LOCK_SECONDS:.0f} s; try again")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Made("unwritable", f"{error.filename or folder}: {reason}; may portguard's user write there?")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises BlockingIOError when another edit does not let go of it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _make(folder: Path, out: Path, edit: Edit, timezone: str, country: str, dry_run: bool) -> Made:
    file = _file_of(folder, edit.table)
    content = _read(folder / file)
    edited = apply(content or b"", file, edit)
    out.mkdir(parents=True, exist_ok=True)
    candidate = out / _CANDIDATE
    shutil.rmtree(candidate, ignore_errors=True)
    candidate.mkdir()
    try:
        _furnish(candidate, folder, file, edited.content)
        digest = content_digest(candidate)
        built = build(candidate, out, timezone, country)
        if content_digest(candidate) != digest:
            digest = ""
    except BuildFailed as failure:
        return Made("refused", errors=failure.errors, warnings=failure.warnings, file=file, line=edited.line)
    finally:
        shutil.rmtree(candidate, ignore_errors=True)
    if not dry_run and not _replaced(folder / file, content, edited.content):
        return Made("conflict", f"{file} was written by somebody else meanwhile; look at it and try again", file=file)
    return Made(
        "checked" if dry_run else "done", warnings=built.warnings, revision=built.revision, content=digest,
        counts=built.counts, file=file, line=edited.line, before=edited.before, after=edited.after,
    )


def _file_of(folder: Path, table: str) -> str:
    """The name of a table's file; a table that is not there yet will be csv."""
    for extension in formats.FORMATS:
        if (folder / f"{table}.{extension}").exists():
            return f"{table}.{extension}"
    return f"{table}.csv"


def _read(path: Path) -> bytes | None:
    """The file's content, None when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _furnish(candidate: Path, folder: Path, file: str, content: bytes) -> None:
    """Make `candidate` the registry folder as it would be: links, and the one file that is new."""
    for path in folder.absolute().iterdir():
        if not path.name.startswith(".") and path.name != file:
            (candidate / path.name).symlink_to(path)
    (candidate / file).write_bytes(content)


def _replaced(path: Path, before: bytes | None, content: bytes) -> bool:
    """Put new content in the place of the old, durably; False when it is not the old content that is there."""
    # What a link points to is replaced, not the link.
    path = path.resolve()
    beside = path.with_name(f".{path.name}.edit")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _as_before(path, file.fileno())
            os.fsync(file.fileno())
        if _read(path) != before:
            beside.unlink()
            return False
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _as_before(path: Path, descriptor: int) -> None:
    """The mode and, where that is permitted, the owner of the file that is replaced."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    os.fchmod(descriptor, status.st_mode & 0o7777)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        try:
            os.fchown(descriptor, status.st_uid, status.st_gid)
        except PermissionError:
            return


def main(arguments: list[str] | None = None) -> int:
    """The process; returns its exit code: 0 when the edit was made, or could be."""
    parser = argparse.ArgumentParser(prog="portguard.registry.edit_build", description="Make one edit in a registry.")
    parser.add_argument("registry", type=Path, help="folder of the registry's tables")
    parser.add_argument("out", type=Path, help="folder in which the revision's folder is made")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="zone of the dates on file (node.timezone)")
    parser.add_argument("--country", default="86", help="code of the home country (node.country)")
    parser.add_argument("--dry-run", action="store_true", help="only check what the edit would come to")
    chosen = parser.parse_args(arguments)
    gc.disable()
    try:
        edit = msgspec.json.decode(sys.stdin.buffer.read(), type=Edit)
        made = make(
            chosen.registry, chosen.out, edit, chosen.timezone, chosen.country, dry_run=chosen.dry_run
        )
    except msgspec.DecodeError as error:
        made = Made("invalid", f"is no edit: {error}")
    sys.stdout.buffer.write(msgspec.json.encode(made) + b"\n")
    sys.stdout.buffer.flush()
    return 0 if made.result in ("done", "checked") else 1


if __name__ == "__main__":
    sys.exit(main())
