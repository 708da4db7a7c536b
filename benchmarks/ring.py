"""A position in an endless stream that repeats: what both ends of the benchmark compare and write."""


class Ring:
    """`octets` again and again. `take` reads on from where it is."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, length: int) -> bytes:
        """The next `length` octets, at most one whole turn."""
        start, end, size = self._at, self._at + length, len(self._octets)
        if end <= size:
            self._at = end
            return self._octets[start:end]
        self._at = end - size
        return self._octets[start:] + self._octets[: end - size]
