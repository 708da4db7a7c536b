"""The table of forwarded messages that wait for their answers, held against a dict; and messages by their ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.grant import Tally
from portguard.relay.outstanding import NO_ORIGINAL, NOTHING_FORWARDED, Forwarded, Originals, Pending, word

numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))


@given(st.lists(st.tuples(st.booleans(), numbers), max_size=300))
def test_what_was_put_is_taken_once(steps: list[tuple[bool, int]]) -> None:
    pending, model = Pending(1 << 20), dict[int, float]()
    for step, (put, sequence) in enumerate(steps):
        if put and sequence not in model:
            pending.put(sequence).sent = model[sequence] = float(step)
        else:
            taken = pending.take(sequence)
            assert taken is NOTHING_FORWARDED if sequence not in model else taken.sent == model.pop(sequence)
        assert pending.count == len(model)
    for sequence, sent in model.items():
        assert pending.take(sequence).sent == sent
    assert pending.count == 0


@given(st.lists(numbers, max_size=400, unique=True))
def test_it_is_bounded_and_keeps_the_newest(sequences: list[int]) -> None:
    pending = Pending(32)
    for sequence in sequences:
        pending.put(sequence)
        assert pending.take(sequence) is not NOTHING_FORWARDED
        assert pending.take(sequence) is NOTHING_FORWARDED
        pending.put(sequence)
    assert pending.count <= 64
    kept = [sequence for sequence in sequences if pending.take(sequence) is not NOTHING_FORWARDED]
    assert len(kept) >= min(len(sequences), 8)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=100))
def test_the_last_messages_are_found_by_their_ids(steps: list[tuple[bool, int]]) -> None:
    originals, model = Originals(5), list[tuple[bytes, str]]()
    for add, number in steps:
        message_id = b"%x" % number
        if add:
            model.append((message_id, str(len(model))))
            originals.add(model[-1][1], b"--" + message_id + b"-", 2, 2 + len(message_id), Forwarded())
            continue
        found = originals.find(message_id)
        last = [sent for known, sent in model if known == message_id]
        # Of the last five all are known; of older ones some; never one that was called otherwise, or one outdone.
        assert found is NO_ORIGINAL or found.system_id == last[-1]
        if any(known == message_id for known, _ in model[-5:]):
            assert found.system_id == last[-1]
    assert len(originals) <= 10


def test_many_are_kept_apart() -> None:
    originals, sent = Originals(1000), Forwarded()
    for number in range(5000):
        message_id = b"%08x" % (number * 7919)
        originals.add(str(number), message_id, 0, len(message_id), sent)
    assert len(originals) == 1024
    for number in range(5000):
        found = originals.find(b"%08x" % (number * 7919))
        assert found.system_id == str(number) if number >= 4000 else found is NO_ORIGINAL or number >= 5000 - 1024


@given(st.binary(max_size=20), st.binary(max_size=9), *[st.integers(0, 255)] * 5)
def test_an_original_is_as_it_was_sent(
    address: bytes, behind: bytes, ton: int, npi: int, coding: int, esm_class: int, content: int
) -> None:
    originals, sent, tally = Originals(10), Forwarded(), Tally(b"", 1)
    sent.send_to(b"xx" + address + behind, 2, 2 + len(address), ton, npi)
    sent.data_coding, sent.esm_class, sent.content, sent.recipients, sent.tally = coding, esm_class, content, 2, tally
    assert sent.octets == len(address)
    originals.add("star", b"id", 0, 2, sent)
    found = originals.find(b"id")
    assert (found.system_id, found.destination) == ("star", bytes([ton, npi]) + address)
    assert (found.data_coding, found.esm_class, found.content) == (coding, esm_class, content)
    assert (found.recipients, found.tally) == (2, tally)
    originals.failed(found)
    assert originals.find(b"id").recipients == 1


def test_an_address_too_long_for_any_subscriber_is_not_kept() -> None:
    sent = Forwarded()
    sent.send_to(b"1" * 21, 0, 21, 1, 1)
    assert sent.octets == 0


@given(st.binary(min_size=1, max_size=30), st.data())
def test_a_word_is_seven_octets(buf: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(buf)))
    end = data.draw(st.integers(start, len(buf)))
    assert word(buf, start, end) == int.from_bytes(buf[start:end][:7].ljust(7, b"\0"), "big")
