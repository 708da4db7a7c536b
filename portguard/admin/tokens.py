"""The file of tokens: who may call, as which role. Only hashes are kept; a token is shown once, when it is made.

A token is 32 random octets, so that a plain SHA-256 of it is beyond guessing and can be looked up without a salt. The
file is JSON, mode 0600; whoever serves reads it again when it has changed, so that a removed token ends at once.
"""

import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hmac import compare_digest
from pathlib import Path
from typing import Final, Literal

import msgspec

Role = Literal["reader", "admin"]

PREFIX: Final = "pg_"
MOST_TOKENS: Final = 1000
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class TokensError(Exception):
    """The file cannot be used, or there is no such token; the message says which and what to do."""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`hash` is the SHA-256 of the token in hex, `made` epoch seconds."""

    name: str
    role: Role
    hash: str
    made: float


class Tokens:
    """The tokens in `path`; no file is no token. Methods raise TokensError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._look: tuple[int, int, int] | None = None
        self._known: list[Token] = []

    def all(self) -> list[Token]:
        """Every token, by name."""
        self._renew()
        return sorted(self._known, key=lambda token: token.name)

    def whose(self, presented: str) -> Token | None:
        """The token that was presented, None when it is none. Every hash is compared, whatever comes of the first."""
        self._renew()
        digest = _hash(presented)
        found = None
        for token in self._known:
            if compare_digest(token.hash, digest):
                found = token
        return found

    def add(self, name: str, role: Role) -> str:
        """Make a token and keep its hash; returns the token itself."""
        if NAME.fullmatch(name) is None:
            expected = "1 to 64 letters, digits or . _ @ -, beginning with a letter or a digit"
            raise TokensError(f"{name!r} is no name of {expected}")
        with self._changing() as tokens:
            if any(token.name == name for token in tokens):
                raise TokensError(f"there is a token {name!r} already; remove it first")
            if len(tokens) >= MOST_TOKENS:
                raise TokensError(f"there are {MOST_TOKENS} tokens, and no more are kept")
            made = PREFIX + secrets.token_urlsafe(32)
            tokens.append(Token(name, role, _hash(made), time.time()))
        return made

    def remove(self, name: str) -> None:
        """Forget a token."""
        with self._changing() as tokens:
            left = [token for token in tokens if token.name != name]
            if len(left) == len(tokens):
                raise TokensError(f"there is no token {name!r}")
            tokens[:] = left

    # ---- the file

    def _renew(self) -> None:
        """Read the file if it has changed."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._look, self._known = None, []
            return
        except OSError as error:
            raise TokensError(_plain(error, self._path)) from error
        look = found.st_ino, found.st_size, found.st_mtime_ns
        if look != self._look:
            self._known = self._read()
            self._look = look

    def _read(self) -> list[Token]:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if stat.S_IMODE(mode) & 0o077:
                    raise TokensError(f"{self._path}: others may read it; chmod 600 {self._path}")
                return msgspec.json.decode(file.read(), type=list[Token])
        except OSError as error:
            raise TokensError(_plain(error, self._path)) from error
        except msgspec.DecodeError as error:
            raise TokensError(f"{self._path}: is no file of tokens: {error}") from error

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """The list, written back whole when the block ends without an error; one at a time."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.with_name(f".{self._path.name}.lock").open("w") as lock:
                os.fchmod(lock.fileno(), 0o600)
                self._hand_over(lock.fileno())
                fcntl.flock(lock, fcntl.LOCK_EX)
                tokens = self._read() if self._path.exists() else []
                yield tokens
                self._write(tokens)
        except OSError as error:
            raise TokensError(_plain(error, self._path)) from error

    def _write(self, tokens: list[Token]) -> None:
        beside = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(tokens)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._hand_over(file.fileno())
        beside.replace(self._path)

    def _hand_over(self, descriptor: int) -> None:
        """What root makes is for the daemon's user, who has to be able to open it."""
        if os.geteuid() == 0:
            owner = (self._path if self._path.exists() else self._path.parent).stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(error: OSError, path: Path) -> str:
    return f"{error.filename or path}: {(error.strerror or str(error)).lower()}"
