"""Dates and chains: which rows are in force, how long that holds, and by which subleases an enterprise got a number.

Nouns: a `Window` is the interval around an instant in which no date that was looked at changes anything; a `Chain` is a
way from a port's holder to an enterprise. Knows rows, and neither revisions nor messages.
"""

from collections import deque
from collections.abc import Sequence

from mypy_extensions import i64

from portguard.registry.records import ACTIVE, NO_LIMIT, Dated, SubleaseRecord


def in_force(row: Dated, at: float) -> bool:
    """Active and inside its dates at `at`."""
    return row.status == ACTIVE and float(row.valid_from) <= at < float(row.valid_until)


class Window:
    """Around the instant `at`, in whole epoch seconds as rows have them: from `begins` until before `ends`."""

    __slots__ = ("_second", "at", "begins", "ends")

    def __init__(self, at: float) -> None:
        self.at = at
        self._second: i64 = int(at // 1.0)
        self.begins: i64 = -NO_LIMIT
        self.ends: i64 = NO_LIMIT

    def look(self, row: Dated) -> bool:
        """Narrow to the dates of a row. Is it active, and inside them?"""
        second = self._second
        begins, ends = row.valid_from, row.valid_until
        if begins > second:
            if begins < self.ends:
                self.ends = begins
        elif begins > self.begins:
            self.begins = begins
        if ends <= second:
            if ends > self.begins:
                self.begins = ends
        elif ends < self.ends:
            self.ends = ends
        return begins <= second < ends and row.status == ACTIVE

    def narrow(self, since: float, until: float) -> None:
        """To an answer that holds from `since` until before `until`."""
        begins: i64 = int(since)
        ends: i64 = int(until)
        if begins > self.begins:
            self.begins = begins
        if ends < self.ends:
            self.ends = ends


def taken_from(subleases: Sequence[SubleaseRecord], enterprise: str, at: float) -> SubleaseRecord | None:
    """The exclusive sublease in force by which the enterprise has given the number away."""
    for row in subleases:
        if row.exclusive and row.lessor == enterprise and row.lessee != enterprise and in_force(row, at):
            return row
    return None


class Chain:
    """A way from a port's holder to an enterprise: the subleases in order."""

    def __init__(self, links: list[SubleaseRecord]) -> None:
        self.links = links

    def broken(self, at: float) -> list[SubleaseRecord]:
        """The links that are not in force at `at`."""
        return [link for link in self.links if not in_force(link, at)]


def best_chain(subleases: Sequence[SubleaseRecord], holder: str, enterprise: str, at: float) -> Chain | None:
    """The shortest chain from holder to enterprise that is in force, else the shortest of all, else None.

    `subleases` are those that cover the number, shorter ports first; of equally short chains the one with the longer
    port is taken.
    """
    links = _shortest([row for row in subleases if in_force(row, at)], holder, enterprise)
    links = links or _shortest(subleases, holder, enterprise)
    return Chain(links) if links else None


def _shortest(subleases: Sequence[SubleaseRecord], holder: str, enterprise: str) -> list[SubleaseRecord]:
    """Breadth first from the end of the chain; a later link's port begins with the earlier one's. [] for none."""
    by_lessee: dict[str, list[int]] = {}
    for place in reversed(range(len(subleases))):
        by_lessee.setdefault(subleases[place].lessee, []).append(place)
    # Where a chain goes on from each row that was reached; -1 after its last link.
    onward = dict.fromkeys(by_lessee.get(enterprise, ()), -1)
    reached = deque(onward)
    while reached:
        place = reached.popleft()
        row = subleases[place]
        if row.lessor == holder:
            links = [row]
            while (place := onward[place]) >= 0:
                links.append(subleases[place])
            return links
        for above in by_lessee.get(row.lessor, ()):
            if above not in onward and row.port.startswith(subleases[above].port):
                onward[above] = place
                reached.append(above)
    return []
