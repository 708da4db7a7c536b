"""What many answers of the registry have in common, each once: its place is enough in the row of an answer.

Nouns: a *Shape* is all that a PortGrant and a Grant say but what tells them from others: account, number, signature,
enterprises, dates. `Shapes` has those of one revision, and the names of its enterprises.

Compiled; used by `answers`.
"""

from typing import Final

from mypy_extensions import i64, mypyc_attr

from portguard.policy.grant import PORT_REFUSALS, SIGNATURE_REFUSALS, Grant, PortGrant

MOST_SHAPES: Final = 0x3FFF
MOST_NAMES: Final = 0x3FFFFF


@mypyc_attr(acyclic=True)
class Shape:
    """See PortGrant and Grant."""

    def __init__(self, port: PortGrant, grant: Grant) -> None:
        self.port_hits = port.hits
        self.permits = port.permits
        self.regions = port.regions
        self.signature_required = port.signature_required
        self.keeps = port.keeps
        self.hits = grant.hits
        self.scopes = grant.scopes
        self.plain = grant.plain
        self.limited = grant.limited
        self.registered = grant.registered


class Shapes:
    """Up to MOST_SHAPES of them in `known`, and the `names` of enterprises."""

    def __init__(self) -> None:
        self.known: list[Shape] = []
        self.names: list[tuple[str, ...]] = []
        self._places: dict[tuple[object, ...], int] = {}
        self._name_places: dict[tuple[str, ...], int] = {}

    def place(self, port: PortGrant, grant: Grant) -> i64:
        """The place of an answer's shape, -1 where there is no room for it."""
        # What is shared is the same object each time, and the shape keeps it.
        key = (
            int(port.hits), id(port.permits), id(port.regions), port.signature_required, port.keeps, int(grant.hits),
            id(grant.scopes), id(grant.plain), grant.limited, grant.registered,
        )  # fmt: skip
        found = self._places.get(key, -1)
        if found < 0 and len(self.known) < MOST_SHAPES:
            found = self._places[key] = len(self.known)
            self.known.append(Shape(port, grant))
        return found

    def name(self, names: tuple[str, ...]) -> i64:
        """The place of enterprises, -1 where there is no room for them."""
        found = self._name_places.get(names, -1)
        if found < 0 and len(self.names) < MOST_NAMES:
            found = self._name_places[names] = len(self.names)
            self.names.append(names)
        return found


def is_usual(port: PortGrant, grant: Grant) -> bool:
    """Is an answer to be a row?"""
    if (port.hits & PORT_REFUSALS) | (grant.hits & SIGNATURE_REFUSALS) != 0 or len(port.source) == 0:
        return False
    return grant.templates is None and grant.detail is None and not grant.own_width
