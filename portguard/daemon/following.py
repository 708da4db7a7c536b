"""What ports and signatures stand at on other nodes, where that counts here too (`mqtt.follow`).

Noun: a node's *list* is everything that it restrains by its own complaints or its own people, never what it follows
itself; so nothing goes in circles, and what is lifted where it was imposed is gone from the list.
"""

import logging
from collections.abc import Iterable, Set
from typing import Any, Final

import msgspec

from portguard.policy.restraint import LEVELS, Restraint

MOST_NODES: Final = 1_000
MOST_RESTRAINTS: Final = 10_000

log = logging.getLogger("portguard.daemon")


class Following:
    """The lists by node, bounded in number and length."""

    def __init__(self) -> None:
        self._lists: dict[str, list[Restraint]] = {}

    def take(self, node: str, rows: list[dict[str, Any]]) -> bool:
        """A node's list as it is now; False when it says nothing new, or cannot be used as a whole."""
        try:
            found = msgspec.convert(rows, list[Restraint])
        except msgspec.ValidationError as error:
            log.warning("what another node restrains cannot be used", extra={"of": node, "reason": str(error)})
            return False
        full = node not in self._lists and len(self._lists) >= MOST_NODES
        if full or len(found) > MOST_RESTRAINTS:
            log.warning("another node restrains too much to follow", extra={"of": node, "restraints": len(found)})
            return False
        if found == self._lists.get(node, []):
            return False
        self._lists[node] = found
        log.info("another node restrains", extra={"of": node, "restraints": len(found)})
        return True

    def restraints(self, now: float) -> list[Restraint]:
        """Those of all nodes that have not ended at `now` (epoch seconds)."""
        return [one for found in self._lists.values() for one in found if one.until > now]


def combined(own: Iterable[Restraint], others: Iterable[Restraint], held: Set[tuple[str, str]]) -> list[Restraint]:
    """What is in force: of each (kind, name) the stronger, then the longer; only ours where somebody here has pinned
    it to a level (`held`)."""
    best = {(one.kind, one.name): one for one in own}
    for one in others:
        target = (one.kind, one.name)
        mine = best.get(target)
        if target not in held and (mine is None or _strength(one) > _strength(mine)):
            best[target] = one
    return [best[target] for target in sorted(best)]


def _strength(one: Restraint) -> tuple[int, float]:
    return LEVELS[one.level], one.until
