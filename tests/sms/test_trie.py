"""The table of steps: every word is found by its steps, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.trie import FREE, MULTIPLIER, NODE_BITS, NODE_MASK, PAIR, SYMBOL_BITS, trie

WORDS = st.lists(st.lists(st.integers(1, 0x1FFFF), min_size=2, max_size=5), max_size=60, unique_by=tuple)


def follow(steps: list[int], key: int) -> int:
    slot = (key * MULTIPLIER >> 22) & (len(steps) - 1)
    while steps[slot] != FREE and steps[slot] >> NODE_BITS != key:
        slot = (slot + 1) % len(steps)
    return 0 if steps[slot] == FREE else steps[slot] & NODE_MASK


def found(steps: list[int], nodes: list[int], symbols: list[int]) -> int:
    """The number of the word with these symbols, 0 when there is none."""
    node = follow(steps, PAIR | symbols[0] << SYMBOL_BITS | symbols[1])
    for symbol in symbols[2:]:
        if not node or not nodes[node] & 1:
            return 0
        node = follow(steps, node << SYMBOL_BITS | symbol)
    return nodes[node] >> 1 if node else 0


@given(WORDS, WORDS)
def test_words_are_found_by_their_numbers_and_others_not(words: list[list[int]], others: list[list[int]]) -> None:
    steps, nodes = trie(words)
    assert [found(steps, nodes, word) for word in words] == list(range(1, len(words) + 1))
    assert not any(found(steps, nodes, other) for other in others if other not in words)
    assert all(key < 1 << 41 for key in (step >> NODE_BITS for step in steps if step != FREE))
