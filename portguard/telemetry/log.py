"""Log lines: key=value on stderr, one line an event, fit for journald, grep and logfmt parsers.

The rooms log through the standard library (`logging.getLogger("portguard.<room>")`) with their fields in `extra`. Here
those become text: secrets are never written, subscribers' numbers keep only their ends, a traceback stays on its line.
"""

import logging
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, TextIO

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRETS: Final = ("password", "passwd", "secret", "token", "private_key")
_SUBSCRIBERS: Final = frozenset({"subscriber", "destination_addr", "dest_addr", "msisdn"})
# A mobile number in free text. Ports begin with 10 and are no subscriber's.
_MOBILE: Final = re.compile(r"(?<!\d)(?:\+?86|0086)?1[3-9]\d{9}(?!\d)")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_BARE: Final = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")


NO_FIELDS: Final[Mapping[str, object]] = MappingProxyType({})


def mask(number: str) -> str:
    """A subscriber's number with its middle hidden: enough to tell two apart, not enough to call."""
    if len(number) < 7:
        return "*" * len(number)
    return f"{number[:-8]}****{number[-4:]}" if len(number) > 8 else f"****{number[-2:]}"


def hide_numbers(text: str) -> str:
    """Free text with every subscriber's number in it masked."""
    return _MOBILE.sub(lambda found: mask(found[0]), text)


class KeyValueFormatter(logging.Formatter):
    """`time=… level=… room=… event=…`, what is `always` said, and then the fields of the record in the order given."""

    def __init__(self, always: Mapping[str, object]) -> None:
        super().__init__()
        self._always = [f"{name}={_field(name, value)}" for name, value in always.items()]

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).astimezone()
        pairs = [
            f"time={when.isoformat(timespec='milliseconds')}",
            f"level={record.levelname.lower()}",
            f"room={record.name.removeprefix('portguard.')}",
            f"event={_text(record.getMessage())}",
            *self._always,
        ]
        for name, value in vars(record).items():
            if name not in _STANDARD:
                pairs.append(f"{name}={_field(name, value)}")
        if record.exc_info:
            pairs.append(f"traceback={_text(self.formatException(record.exc_info))}")
        return " ".join(pairs)


def start(level: str, stream: TextIO | None = None, always: Mapping[str, object] = NO_FIELDS) -> None:
    """Send every log line of the process to `stream` (stderr) from `level` (debug, info, warning, error) on. `always`:
    fields of every line."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter(always))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("portguard").setLevel(LEVELS[level])
    logging.captureWarnings(True)


def _field(name: str, value: object) -> str:
    if any(secret in name.lower() for secret in _SECRETS):
        return "***"
    if name in _SUBSCRIBERS:
        return _text(mask(str(value)))
    return _text(str(value))


def _text(text: str) -> str:
    text = hide_numbers(text)
    if _BARE.fullmatch(text):
        return text
    escaped = text.translate(_ESCAPES)
    escaped = re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", lambda found: f"\\x{ord(found[0]):02x}", escaped)
    return f'"{escaped}"'
