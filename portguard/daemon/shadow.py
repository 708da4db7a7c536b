"""The process that holds a candidate beside what serves: rows against rows, and recent traffic under both.

    python -P -m portguard.daemon.shadow < frames

It reads a `shadow_judge.Task` and pages of traffic, each a frame (`framed`), and prints a `Comparison` as JSON. A
process of its own, at low priority: what it costs is not felt where messages are judged, and its memory is given back.
"""

import gc
import sys
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from portguard.admin.comparison import Comparison
from portguard.consent.store import ConsentError
from portguard.daemon.shadow_judge import Task, judge
from portguard.registry.diff import summary
from portguard.registry.image import Image, ImageError


def compare(task: Task) -> Comparison:
    """Both images against each other. Raises ImageError, ConsentError."""
    old, new = Image(task.old), Image(task.new)
    try:
        return Comparison(summary(old, new, task.most_rows), judge(task, old, new))
    finally:
        old.close()
        new.close()


def framed(octets: bytes) -> bytes:
    """One of the frames that the process reads: the task first, then pages of traffic beyond the task's own."""
    return len(octets).to_bytes(4, "big") + octets


def written(task: Task) -> bytes:
    """The task as the process reads it."""
    return framed(msgspec.msgpack.encode(task, enc_hook=str))


def _read(source: BinaryIO) -> Task:
    """What is on standard input, to its end. Raises DecodeError."""
    frames = []
    while head := source.read(4):
        length = int.from_bytes(head, "big")
        frames.append(source.read(length))
        if len(head) < 4 or len(frames[-1]) < length:
            raise msgspec.DecodeError("the task ends in the middle")
    if not frames:
        raise msgspec.DecodeError("there is no task")
    task = msgspec.msgpack.decode(frames[0], type=Task, dec_hook=_path)
    return msgspec.structs.replace(task, pages=[*task.pages, *frames[1:]])


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"{kind} is not read from a task")


def main() -> int:
    """The process; returns its exit code."""
    gc.disable()
    try:
        result, code = compare(_read(sys.stdin.buffer)), 0
    except (ImageError, ConsentError, msgspec.DecodeError) as error:
        result, code = Comparison(error=str(error)), 1
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
