"""Numbers and what covers them: longest prefix, carve-outs, and the chains of subleases.

Nouns: a *prefix* is a registered number, and covers every number that begins with it; the longest one decides (a
longer registered port is a *carve-out* of the shorter); a *source* of a sublease is another one by which its lessor
has the number.

Works on numbers and rows alone; reports nothing.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator

from portguard.registry.dates import overlap
from portguard.registry.model import SubleaseRow


class Prefixes:
    """A set of numbers, asked for the longest that a number begins with."""

    def __init__(self, numbers: Collection[str]) -> None:
        """`numbers` are looked up there ever after; each stands once."""
        self._numbers = numbers
        self._sorted: list[str] = sorted(numbers)
        self.lengths = sorted({len(number) for number in numbers})

    def longest(self, number: str) -> str:
        """The longest prefix of `number`, "" when there is none."""
        for length in reversed(self.lengths):
            if length <= len(number) and number[:length] in self._numbers:
                return number[:length]
        return ""

    def covering(self, number: str) -> Iterator[str]:
        """Every prefix of `number`, the shortest first."""
        for length in self.lengths:
            if length <= len(number) and number[:length] in self._numbers:
                yield number[:length]

    def any_under(self, number: str) -> bool:
        """True when some prefix begins with `number`."""
        place = bisect_left(self._sorted, number)
        return place < len(self._sorted) and self._sorted[place].startswith(number)


class Leases:
    """All subleases, each with its line, asked for where a lessor has a number from."""

    def __init__(self, numbered: Iterable[tuple[int, SubleaseRow]]) -> None:
        self.rows = list(numbered)
        self._by_lessee: dict[tuple[str, str], list[tuple[int, SubleaseRow]]] = {}
        for line, row in self.rows:
            self._by_lessee.setdefault((row.lessee, row.port), []).append((line, row))
        self._ports = Prefixes({row.port for _, row in self.rows})
        self.lengths = self._ports.lengths
        self._lessee_ports: dict[str, list[str]] = {}
        for lessee, port in self._by_lessee:
            self._lessee_ports.setdefault(lessee, []).append(port)

    def sources(self, enterprise: str, number: str, shortest: int = 0) -> Iterator[tuple[int, SubleaseRow]]:
        """Subleases of `enterprise` that cover `number` with a port of at least `shortest` digits."""
        for port in self._ports.covering(number):
            if len(port) >= shortest:
                yield from self._by_lessee.get((enterprise, port), ())

    def any_under(self, number: str) -> bool:
        """True when some sublease's port begins with `number`."""
        return self._ports.any_under(number)

    def touches(self, enterprise: str, number: str) -> bool:
        """True when a sublease of `enterprise` covers `number` or a part of it."""
        ports = self._lessee_ports.get(enterprise, ())
        return any(number.startswith(port) or port.startswith(number) for port in ports)

    def cycle(self, start: int) -> list[int]:
        """The lines by which the lessee of row `start` gets its own number back, from that row upward; [] for none.

        A revoked row, and rows that are never in force on the same day, lead nowhere.
        """
        line, row = self.rows[start]
        if row.status == "revoked":
            return []
        walks: list[list[tuple[int, SubleaseRow]]] = [[(line, row)]]
        seen = {line}
        while walks:
            walk = walks.pop()
            last = walk[-1][1]
            if last.lessor == row.lessee:
                return [number for number, _ in walk]
            for source in self.sources(last.lessor, last.port):
                if source[0] not in seen and source[1].status != "revoked" and overlap(source[1], last):
                    seen.add(source[0])
                    walks.append([*walk, source])
        return []
