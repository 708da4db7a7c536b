"""How far a feed is, kept on disk: replaced whole, and on disk when `keep` returns."""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from portguard.mqtt.sampling import Key

T = TypeVar("T")


class Place(msgspec.Struct, frozen=True):
    """Every record up to `cursor` has been published or is in a count: `left_out` are those not said yet."""

    cursor: int
    left_out: list[tuple[Key, int]] = []


class Unreadable(Exception):
    """What is on disk is not what was written there; the message names the file."""


def kept(path: Path, kind: type[T]) -> T | None:
    """What `keep` has left at this path, None where there is nothing. Raises Unreadable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except msgspec.DecodeError as error:
        raise Unreadable(f"{path}: {error}") from error


def keep(path: Path, content: object) -> None:
    """Write a file whole or not at all, readable by its owner only. Raises OSError."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(content))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
