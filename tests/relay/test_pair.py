"""Bytes of a PDU that is not whole yet."""

import tracemalloc

from portguard.relay.pair import Pieces

OCTETS = 60_000


def test_small_pieces_take_little_more_than_their_octets() -> None:
    """A sender could otherwise have fifty times as much kept for it as it sends."""
    data = bytes(range(250)) * (OCTETS // 250)
    pieces = Pieces()
    tracemalloc.start()
    try:
        pieces.keep(data[:10], OCTETS)
        for at in range(10, OCTETS - 2, 2):
            assert pieces.take(data[at : at + 2]) == b""
        assert tracemalloc.get_traced_memory()[0] < 2 * OCTETS
    finally:
        tracemalloc.stop()
    assert pieces.take(data[-2:] + b"more") == data + b"more"
    assert pieces.take(b"the next") == b"the next"


def test_what_is_forgotten_is_in_front_of_nothing() -> None:
    pieces = Pieces()
    pieces.keep(b"half", 8)
    pieces.forget()
    assert pieces.take(b"whole") == b"whole"
    pieces.keep(b"ab", 4)
    assert pieces.take(b"cd") == b"abcd"
