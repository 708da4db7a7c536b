"""The words of a list as one table of steps, for the search that `lexicon` compiles.

Nouns: a **step** is one number, (what it starts from and the next symbol) << NODE_BITS | the **node** it leads to; the
first step takes two symbols at once. The table is open-addressed, FREE where there is none. A node holds, above its
lowest bit, the number of the word that ends there (1 for the first, 0 for none); the lowest bit says that longer words
go on. Knows nothing of texts or weights.
"""

from typing import Final

SYMBOL_BITS: Final = 17
PAIR: Final = 1 << 40
NODE_BITS: Final = 20
NODE_MASK: Final = 0xFFFFF
FREE: Final = -1
# 21 bits keep the product with a 41-bit key within an i64.
MULTIPLIER: Final = 0x1E3779


def trie(words: list[list[int]]) -> tuple[list[int], list[int]]:
    """(steps, nodes) of words of two symbols and more; ValueError when there are too many."""
    size = 1024
    while size < 2 * sum(map(len, words)):
        size *= 2
    steps = [FREE] * size
    nodes = [0]
    for number, symbols in enumerate(words, 1):
        node = _step(PAIR | symbols[0] << SYMBOL_BITS | symbols[1], steps, nodes)
        for symbol in symbols[2:]:
            nodes[node] |= 1
            node = _step(node << SYMBOL_BITS | symbol, steps, nodes)
        nodes[node] |= number << 1
    return steps, nodes


def _step(key: int, steps: list[int], nodes: list[int]) -> int:
    """The node that `key` leads to, a new one when the table has none."""
    mask = len(steps) - 1
    slot = (key * MULTIPLIER >> 22) & mask
    while steps[slot] != FREE and steps[slot] >> NODE_BITS != key:
        slot = (slot + 1) & mask
    if steps[slot] == FREE:
        if len(nodes) >> NODE_BITS:
            raise ValueError("the word list is too long")
        steps[slot] = key << NODE_BITS | len(nodes)
        nodes.append(0)
    return steps[slot] & NODE_MASK
