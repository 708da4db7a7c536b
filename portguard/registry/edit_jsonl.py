"""Where the rows of a jsonl table stand, and new bytes for one of them.

A place is the row's octets as (start, end). A row that is changed keeps the order and the values of its other fields,
and the way it is spaced.
"""

import json
from collections.abc import Iterator
from typing import Any

from portguard.registry.edit_csv import Lines
from portguard.registry.formats import RawRow, read_jsonl
from portguard.registry.problems import Problems

Place = tuple[int, int]


class JsonlLayout:
    """Implements `edit.Layout`."""

    def __init__(self, file: str, content: bytes) -> None:
        self._file = file
        self._content = content
        self._last: Place = (0, 0)

    def rows(self, problems: Problems) -> Iterator[tuple[int, RawRow, Place]]:
        """(line, raw row, place) of every row. Raises Unreadable."""
        lines = Lines(self._content)
        for number, raw in read_jsonl(lines, self._file, problems):
            self._last = lines.starts[number - 1], lines.tell()
            yield number, raw, self._last

    def added(self, fields: dict[str, Any]) -> bytes:
        """The content with one more row behind the last."""
        start, end = self._last
        last = self._content[start:end]
        before = self._content[:end]
        ending = b"\r\n" if last.endswith(b"\r\n") else b"\n"
        if before and not before.endswith(b"\n"):
            before += ending
        return before + _line(fields, last) + ending + self._content[end:]

    def changed(self, place: Place, fields: dict[str, Any]) -> bytes:
        """The content with other values of these fields in a row."""
        start, end = place
        line = self._content[start:end]
        text = line.decode("utf-8-sig")
        bom = line[: len(line) - len(text.encode())]
        row = json.loads(text)
        for name, value in fields.items():
            if value in (None, "", []):
                row.pop(name, None)
            else:
                row[name] = value
        ending = line[len(line.rstrip(b"\r\n")) :]
        return self._content[:start] + bom + _line(row, line) + ending + self._content[end:]

    def removed(self, place: Place) -> bytes:
        """The content without a row."""
        return self._content[: place[0]] + self._content[place[1] :]


def _line(row: dict[str, Any], like: bytes) -> bytes:
    """A row spaced as another line is; letters outside ASCII are written as such unless that one escapes them."""
    separators = (",", ":") if b'":' in like and b'": ' not in like else (", ", ": ")
    return json.dumps(row, ensure_ascii=b"\\u" in like and like.isascii(), separators=separators).encode()
