"""Where the rows of a yaml table stand, and new text for one of them; comments and everybody else's layout stay.

Nouns: an *entry* is one field of a row with the offsets of its name and its value; a place is a row as its entries. All
offsets are characters of the text behind a byte order mark, as the parser counts them.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from portguard.registry.formats import RawRow, read_yaml
from portguard.registry.problems import Problems

_BOM: Final = "\ufeff"
# What every yaml reader takes for the text it is: it begins with a letter and has nothing in it that says more.
_PLAIN: Final = re.compile(
    r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[^\W\d_][\w./@-]*|\d{4}-\d\d-\d\d", re.IGNORECASE
)


@dataclass(slots=True)
class Entry:
    """The value's `start`, and where the last character that is written of it ends; both behind the colon for a blank
    one. `colon` is behind the colon; `dashes` says that it is a list of lines."""

    colon: int
    start: int
    end: int
    dashes: bool = False


@dataclass(slots=True)
class Place:
    """A row: its `start`, where what is written of it ends, the column of its fields; `braces` when it stands in
    some."""

    start: int
    end: int
    column: int
    braces: bool
    entries: dict[str, Entry] = field(default_factory=dict)


class YamlLayout:
    """Implements `edit.Layout`."""

    def __init__(self, file: str, content: bytes) -> None:
        self._file = file
        self._content = content
        self._text = ""
        self._bom = ""
        self._ending = "\n"
        self._list: Any = None  # the event with which the list of rows begins
        self._last: Place | None = None

    def rows(self, problems: Problems) -> Iterator[tuple[int, RawRow, Place]]:
        """(line, raw row, place) of every row. Raises Unreadable."""
        events: list[Any] = []
        self._list = self._last = None
        for number, raw in read_yaml(io.BytesIO(self._content), self._file, problems, events):
            self._note(events)
            yield number, raw, self._place(events)
            events.clear()
        self._note(events)

    def added(self, fields: dict[str, Any]) -> bytes:
        """The content with one more row behind the last."""
        text, last = self._text, self._last
        if self._list is not None and self._list.flow_style:
            row = "{" + ", ".join(f"{name}: {_value(value)}" for name, value in fields.items()) + "}"
            if last is None:
                return self._with((self._list.end_mark.index, self._list.end_mark.index, row))
            return self._with((last.end, last.end, f",{self._ending} {row}"))
        indent = " " * (self._list.start_mark.column if self._list is not None else 0)
        lines = [f"{name}: {_value(value)}" for name, value in fields.items()]
        row = f"{indent}- " + f"{self._ending}{indent}  ".join(lines)
        if last is not None:
            at = self._line_end(last.end)
            return self._with((at, at, self._ending + row))
        before = "" if not text or text.endswith("\n") else self._ending
        return self._with((len(text), len(text), f"{before}{row}{self._ending}"))

    def changed(self, place: Place, fields: dict[str, Any]) -> bytes:
        """The content with other values of these fields in a row."""
        pieces, more = [], []
        for name, value in fields.items():
            entry, written = place.entries.get(name), _value(value)
            if entry is None:
                more.append(f"{name}: {written}")
            elif entry.dashes or entry.start == entry.end:
                pieces.append((entry.colon, entry.end, f" {written}"))
            else:
                pieces.append((entry.start, entry.end, written))
        if more and place.braces:
            at = max(entry.end for entry in place.entries.values())
            pieces.append((at, at, "".join(f", {one}" for one in more)))
        elif more:
            at = self._line_end(place.end)
            pieces.append((at, at, "".join(f"{self._ending}{' ' * place.column}{one}" for one in more)))
        return self._with(*pieces)

    def removed(self, place: Place) -> bytes:
        """The content without a row; unchanged where its dash cannot be made out."""
        if self._list.flow_style:
            after = re.compile(r"\s*,\s*").match(self._text, place.end)
            before = re.compile(r",\s*$").search(self._text, 0, place.start)
            start = before.start() if before is not None and after is None else place.start
            return self._with((start, after.end() if after is not None else place.end, ""))
        start = self._text.rfind("\n", 0, place.start) + 1
        while self._text[start : place.start].partition("#")[0].strip() == "" and start > 0:
            start = self._text.rfind("\n", 0, start - 1) + 1
        if self._text[start : place.start].partition("#")[0].strip() != "-":
            return self._content
        return self._with((start, min(self._line_end(place.end, behind=True), len(self._text)), ""))

    # ---- offsets

    def _note(self, events: list[Any]) -> None:
        """Open the text and find the list, the first time that there are events."""
        if not self._text:
            text = self._content.decode()
            self._text = text.removeprefix(_BOM)
            self._bom = text[: len(text) - len(self._text)]
            self._ending = "\r\n" if "\r\n" in text else "\n"
        if self._list is None:
            found = (event for event in events if isinstance(event, yaml.SequenceStartEvent))
            self._list = next(found, None)

    def _place(self, events: list[Any]) -> Place:
        """The row whose events these are, up to its end."""
        first = next(number for number, event in enumerate(events) if isinstance(event, yaml.MappingStartEvent))
        row, rest = events[first], iter(events[first + 1 :])
        place = Place(row.start_mark.index, events[-1].end_mark.index, row.start_mark.column, bool(row.flow_style))
        for key in rest:
            if isinstance(key, yaml.MappingEndEvent):
                break
            value = next(rest)
            colon = self._text.index(":", key.end_mark.index) + 1
            entry = place.entries[key.value] = Entry(colon, value.start_mark.index, self._written(value, colon))
            if isinstance(value, yaml.SequenceStartEvent):
                entry.dashes = not value.flow_style
                for item in rest:
                    ends = isinstance(item, yaml.SequenceEndEvent)
                    if not ends or not entry.dashes:
                        entry.end = self._written(item, entry.end)
                    if ends:
                        break
            if entry.end <= colon:
                entry.start = entry.end = colon
        if not place.braces:
            place.end = max((entry.end for entry in place.entries.values()), default=place.end)
        self._last = place
        return place

    def _written(self, event: Any, least: int) -> int:
        """Where the last character of a scalar ends; block scalars take blank lines and the next line's begin along."""
        start: int = event.start_mark.index
        end: int = event.end_mark.index
        return max(least, start + len(self._text[start:end].rstrip()))

    def _line_end(self, offset: int, *, behind: bool = False) -> int:
        """The end of the line of an offset, before its line break or `behind` it."""
        end = self._text.find("\n", offset)
        if end < 0:
            return len(self._text)
        return end + 1 if behind else end - (self._text[end - 1 : end] == "\r")

    def _with(self, *pieces: tuple[int, int, str]) -> bytes:
        """The content with pieces of the text, as (start, end, new), replaced."""
        text = self._text
        for start, end, new in sorted(pieces, reverse=True):
            text = text[:start] + new + text[end:]
        return (self._bom + text).encode()


def _value(value: Any) -> str:
    """A value as yaml; blank is an empty string, which reads as such everywhere."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]" if value else '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value or "", ensure_ascii=False)
