"""What two neighbouring symbols of a text can have to do with a word list, as one octet by their hash.

A text is full of pairs that begin no word; one look here saves looking for one. Knows nothing of texts or weights.
"""

from itertools import pairwise
from typing import Final

# The pair is a word; it begins longer ones; it is the second and third symbol of one.
WHOLE: Final = 1
LONGER: Final = 2
SECOND: Final = 4
PAIR_MULTIPLIER: Final = 40503
LEAST_SIZE: Final = 16384
LARGEST_SIZE: Final = 1 << 20


def pair_filter(words: list[list[int]]) -> bytes:
    """The octets by `first * PAIR_MULTIPLIER + second`, modulo their number, which is a power of two."""
    size = LEAST_SIZE
    while size < 16 * len(words) and size < LARGEST_SIZE:
        size *= 2
    filled = bytearray(size)
    for first, second, *rest in words:
        filled[(first * PAIR_MULTIPLIER + second) & (size - 1)] |= LONGER if rest else WHOLE
        if rest:
            filled[(second * PAIR_MULTIPLIER + rest[0]) & (size - 1)] |= SECOND
    return bytes(filled)


def pairs_within(words: list[list[int]]) -> bytes:
    """A bit for every two symbols that stand beside each other in a word, by the same hash modulo the number of bits;
    so many that of other pairs one in sixty or fewer has the bit of one."""
    hashes = {first * PAIR_MULTIPLIER + second for word in words for first, second in pairwise(word)}
    size = LEAST_SIZE
    while 8 * size < 64 * len(hashes) and size < LARGEST_SIZE:
        size *= 2
    filled = bytearray(size)
    for one in hashes:
        filled[(one >> 3) & (size - 1)] |= 1 << (one & 7)
    return bytes(filled)
