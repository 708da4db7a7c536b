"""What is done with a registry in a process of its own: building a revision, editing a row, holding two side by side.

Noun: a *fingerprint*, a digest of the registry's files and of what else a build depends on; equal fingerprints give
equal images, so that a restart maps what the last run built.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

import portguard
from portguard.admin.comparison import Comparison
from portguard.daemon.child import how, own_environment
from portguard.daemon.process import cpu_seconds, give_priority, wants_processor
from portguard.daemon.state import StateFolder
from portguard.registry.content import Digests, content_digest
from portguard.registry.edit import Edit
from portguard.registry.edit_build import Made
from portguard.registry.image import FORMAT

LONGEST_RESULT = 4 * 1024 * 1024
BUILD_SECONDS = 3600.0
# Beside the time that a comparison may take by its task: its start, and the rows.
COMPARE_SECONDS = 600.0
# One that runs where nobody else wants to is content with less than this part of a processor for so many seconds, and
# then has low priority for LOW_SECONDS.
PATIENCE_SECONDS = 5.0
PATIENCE_SHARE = 0.1
LOW_SECONDS = 20.0

log = logging.getLogger("portguard.daemon")

T = TypeVar("T")
Heard = Callable[[str], None]

_PROGRESS = re.compile(rb"\d{1,3}% [a-z]+ [\w.]+")


class Built(msgspec.Struct, frozen=True):
    """What `portguard.registry.build` prints: a revision and its path, or the errors."""

    revision: str = ""
    path: str = ""
    counts: dict[str, int] = {}
    warnings: list[str] = []
    errors: list[str] = []


class BuildBroken(Exception):
    """The process ended without a result: killed, out of memory, or broken."""


def fingerprint(folder: Path, timezone: str, country: str, digests: Digests | None = None) -> str:
    """A digest of every file in the folder and of what else goes into an image. Raises OSError."""
    return fingerprint_of(content_digest(folder, digests), timezone, country)


def fingerprint_of(content: str, timezone: str, country: str) -> str:
    """The fingerprint of a folder whose content has this digest."""
    parts = repr((portguard.__version__, FORMAT, timezone, country, content))
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


async def build(
    folder: Path, state: StateFolder, timezone: str, country: str, *, priority: str, heard: Heard | None = None
) -> Built:
    """Run the builder on the registry in `folder`; `priority` is `normal` when nothing is served yet. `heard` is told
    how far it is, like `43% reading scopes.csv`. Raises BuildBroken."""
    arguments = [*_arguments(folder, state, timezone, country), "--progress"]
    return await _printed("build", "portguard.registry.build", arguments, Built, priority, heard=heard)


async def edit(
    wanted: Edit, folder: Path, state: StateFolder, timezone: str, country: str, *, priority: str, dry_run: bool
) -> Made:
    """Make an edit in the registry in `folder`, or only check it. Raises BuildBroken."""
    arguments = _arguments(folder, state, timezone, country)
    return await _printed(
        "edit", "portguard.registry.edit_build", [*arguments, *(["--dry-run"] if dry_run else [])], Made,
        priority, _once(msgspec.json.encode(wanted)),
    )


async def compare(frames: AsyncIterator[bytes], seconds: float, priority: str) -> Comparison:
    """Hold two images side by side as frames of `shadow` say, whose own time is `seconds`. Raises BuildBroken."""
    found = await _printed(
        "comparison", "portguard.daemon.shadow", [], Comparison, priority, frames, seconds=seconds + COMPARE_SECONDS
    )
    if found.error:
        raise BuildBroken(found.error)
    return found


def _arguments(folder: Path, state: StateFolder, timezone: str, country: str) -> list[str]:
    return [str(folder), str(state.revisions), "--timezone", timezone, "--country", country]


async def _printed(
    what: str, module: str, arguments: Sequence[str], kind: type[T], priority: str,
    given: AsyncIterator[bytes] | None = None, seconds: float = BUILD_SECONDS, heard: Heard | None = None,
) -> T:
    """What a module of ours prints when it gets what is `given` on its standard input. Raises BuildBroken."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments, env=own_environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    # Before it has imported anything: even that would hold messages up.
    give_priority(process.pid, priority)
    patience = asyncio.create_task(_patient(process.pid, what)) if priority == "idle" else None
    try:
        async with asyncio.timeout(seconds):
            assert process.stdout is not None
            assert process.stderr is not None
            _, out, complaints = await asyncio.gather(
                _give(process, given), _bounded(process.stdout), _bounded(process.stderr, heard)
            )
            code = await process.wait()
    except TimeoutError:
        raise BuildBroken(f"the {what} took longer than {seconds:.0f} s and was ended") from None
    finally:
        if patience is not None:
            patience.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(out, type=kind)
    except msgspec.DecodeError:
        said = complaints.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else "it said nothing"
        raise BuildBroken(f"the process of the {what} ended {how(code)}: {reason}") from None


async def _patient(pid: int, what: str) -> None:
    """See to one that runs where nobody else wants to: once it has starved it is `low` for a while. Where no processor
    is ever idle, what the administrators changed would never come into force; where one is again, no message should
    wait for the builder any longer."""
    said = False
    with contextlib.suppress(OSError):  # it has ended, or this is no Linux
        while True:
            before = cpu_seconds(pid)
            await asyncio.sleep(PATIENCE_SECONDS)
            if cpu_seconds(pid) - before >= PATIENCE_SECONDS * PATIENCE_SHARE or not wants_processor(pid):
                continue
            give_priority(pid, "low")
            if os.sched_getscheduler(pid) == os.SCHED_IDLE:
                log.warning(f"the {what} gets no processor: registry.priority = \"low\" gives it some")
                return
            if not said:
                log.info(f"the {what} got no processor, it has low priority now and then")
                said = True
            await asyncio.sleep(LOW_SECONDS)
            give_priority(pid, "idle")


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


async def _give(process: asyncio.subprocess.Process, given: AsyncIterator[bytes] | None) -> None:
    """Write to its standard input as it comes, and close it; one that ends before it read all says why elsewhere."""
    assert process.stdin is not None
    if given is not None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            async for octets in given:
                process.stdin.write(octets)
                await process.stdin.drain()
    process.stdin.close()


async def _bounded(stream: asyncio.StreamReader, heard: Heard | None = None) -> bytes:
    """All of a stream up to LONGEST_RESULT; the rest is read and dropped, so that the writer can end. Where somebody
    hears it, lines that say how far the work is are told and not kept."""
    kept = bytearray()
    while chunk := await stream.read(65536):
        kept += chunk[: LONGEST_RESULT - len(kept)]
        if heard is not None:
            *whole, rest = bytes(kept).split(b"\n")
            told = [line for line in whole if _PROGRESS.fullmatch(line)]
            if told:
                heard(told[-1].decode())
                kept = bytearray(b"\n".join([*(line for line in whole if line not in told), rest]))
    return bytes(kept)
