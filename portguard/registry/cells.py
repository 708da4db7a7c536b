"""The rows of a large csv table, most of whose cells say what other cells have said before.

Nouns: the *cells* of a column are remembered by what is written there, with the value it stands for; a row whose cells
are all sound becomes a Struct without being looked at again. Whatever is unusual is left to `load.Fields`, which knows
all there is to say about it.
"""

from typing import Any, Final, get_origin

import msgspec

# Columns that name an enterprise have few values and many rows, whose memory they share; most others have very few, or
# a different one in each row.
KEPT: Final = 1 << 14
REFERENCES_KEPT: Final = 1 << 18
REFERENCES: Final = frozenset({"enterprise", "holder", "lessor", "lessee", "provider"})


class _Unusual(Exception):
    """A cell that is not simply sound."""


class _Cells(dict[str, Any]):
    """Values by what is written, of one column. Bounded: at the limit everything is forgotten."""

    def __init__(self, field: msgspec.structs.FieldInfo) -> None:
        super().__init__()
        # A Struct's type is worked out by msgspec once, that of a bare field at every call.
        self._value_of: Any = msgspec.defstruct("Cell", [("value", field.type)], array_like=True)
        self._list = get_origin(field.type) is tuple
        self._required = field.required
        self._blank = field.default
        self._kept = REFERENCES_KEPT if field.name in REFERENCES else KEPT

    def __missing__(self, cell: str) -> Any:
        value = self._value(cell.strip())
        if len(self) >= self._kept:
            self.clear()
        self[cell] = value
        return value

    def _value(self, text: str) -> Any:
        if not text:
            if self._required:
                raise _Unusual
            return self._blank
        if not text.isprintable():
            raise _Unusual
        written = [part.strip() for part in text.split("|")] if self._list else text
        try:
            return msgspec.convert([written], self._value_of, strict=False).value
        except msgspec.ValidationError:
            raise _Unusual from None


class Quick:
    """Rows of one file. `taken` says which field each column is, "" for none."""

    def __init__(self, row_type: type[msgspec.Struct], taken: list[str]) -> None:
        self._make = row_type
        # A column that is not there is blank: its place is the one behind the last.
        self._plan = [
            (_Cells(field), taken.index(field.name) if field.name in taken else len(taken))
            for field in msgspec.structs.fields(row_type)
        ]

    def row(self, cells: list[str]) -> msgspec.Struct | None:
        """The row, or None where a cell has to be looked at; `cells` may be changed."""
        cells.append("")
        try:
            return self._make(*[values[cells[place]] for values, place in self._plan])
        except _Unusual:
            cells.pop()
            return None
