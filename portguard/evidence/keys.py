"""The journal's key: a file of 32 octets in hex, mode 0600, in the state folder and not beside the journal.

Of it two keys are made, so that none can stand for the other: one seals, one hashes subscribers' numbers. `id` tells
which key sealed a segment and gives nothing away.
"""

import hmac
import os
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Final

KEY: Final = "evidence.key"
SEAL: Final = 32
_OCTETS: Final = 32
_SUBSCRIBER: Final = 16


class KeyMissing(Exception):
    """There is no key, or none that can be read; the message says where."""


class Keys:
    """`id`: 8 octets; `seal` and `subscriber` compute."""

    def __init__(self, secret: bytes) -> None:
        self.id = hmac.digest(secret, b"portguard journal id", "sha256")[:8]
        self._seal = hmac.digest(secret, b"portguard journal seal", "sha256")
        self._subscriber = hmac.digest(secret, b"portguard journal subscriber", "sha256")

    def seal(self, octets: bytes) -> bytes:
        """HMAC-SHA-256, SEAL octets."""
        return hmac.digest(self._seal, octets, "sha256")

    def sealed(self, octets: bytes, seal: bytes) -> bool:
        """Is this the seal of these octets? In constant time."""
        return hmac.compare_digest(self.seal(octets), seal)

    def subscriber(self, number: str) -> str:
        """The keyed hash (BLAKE2b, 16 octets in hex) of a subscriber's E.164 digits, "" of none."""
        if not number:
            return ""
        return blake2b(number.encode(), key=self._subscriber, digest_size=_SUBSCRIBER).hexdigest()


def load(path: Path) -> Keys:
    """The keys of a file. Raises KeyMissing."""
    try:
        secret = bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise KeyMissing(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise KeyMissing(f"{path}: is no key: expected {_OCTETS} octets in hex") from None
    if len(secret) != _OCTETS:
        raise KeyMissing(f"{path}: is no key: expected {_OCTETS} octets, found {len(secret)}")
    return Keys(secret)


def make(path: Path) -> Keys:
    """The keys of a file, made when it is not there; never replaced. Raises KeyMissing, OSError."""
    if not path.exists():
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_OCTETS).hex().encode())
                file.flush()
                os.fsync(file.fileno())
            # link() fails where another process was first; then its key is the key.
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return load(path)
