"""Building a revision in a process of its own, or finding that it has been built before.

Noun: a *fingerprint*, a digest of the registry's files and of what else a build depends on; equal fingerprints give
equal images, so that a restart maps what the last run built.
"""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import msgspec

import portguard
from portguard.daemon.state import StateFolder
from portguard.registry.image import FORMAT

LONGEST_RESULT = 4 * 1024 * 1024
BUILD_SECONDS = 3600.0


class Built(msgspec.Struct, frozen=True):
    """What `portguard.registry.build` prints: a revision and its path, or the errors."""

    revision: str = ""
    path: str = ""
    counts: dict[str, int] = {}
    warnings: list[str] = []
    errors: list[str] = []


class BuildBroken(Exception):
    """The builder ended without a result: killed, out of memory, or broken."""


def fingerprint(folder: Path, timezone: str, country: str) -> str:
    """A digest of every file in the folder and of what else goes into an image. Raises OSError."""
    digest = hashlib.blake2b(repr((portguard.__version__, FORMAT, timezone, country)).encode(), digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        digest.update(b"\0" + os.fsencode(path.name))
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, hashlib.blake2b).digest())
    return digest.hexdigest()


async def build(folder: Path, state: StateFolder, timezone: str, country: str, *, hurry: bool) -> Built:
    """Run the builder on the registry in `folder`; `hurry` when nothing is served yet. Raises BuildBroken."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "portguard.registry.build", str(folder), str(state.revisions),
        "--timezone", timezone, "--country", country, "--priority", "normal" if hurry else "low",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    try:
        async with asyncio.timeout(BUILD_SECONDS):
            assert process.stdout is not None
            assert process.stderr is not None
            out, complaints = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise BuildBroken(f"the build took longer than {BUILD_SECONDS:.0f} s and was ended") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(out, type=Built)
    except msgspec.DecodeError:
        said = complaints.decode("utf-8", "replace").strip().splitlines()
        ended = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise BuildBroken(f"the builder ended {ended}: {said[-1] if said else 'it said nothing'}") from None


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """All of a stream up to LONGEST_RESULT; the rest is read and dropped, so that the writer can end."""
    kept = bytearray()
    while chunk := await stream.read(65536):
        kept += chunk[: LONGEST_RESULT - len(kept)]
    return bytes(kept)


def _environment() -> dict[str, str]:
    """The builder runs the same portguard as this process, from wherever that was imported."""
    here = str(Path(portguard.__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{path}" if path else here}
