"""The table of forwarded messages that wait for their answers, held against a dict; and messages by their ids."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from portguard.policy.kept import all_digits, bcd, digits_of
from portguard.policy.terms import NO_USE, Use
from portguard.relay.outstanding import (
    CONTENT,
    DATA_CODING,
    ESM_CLASS,
    NO_ORIGINAL,
    NPI,
    RARE,
    RECIPIENTS,
    TON,
    USES,
    VALIDITY_STATED,
    Originals,
    Pending,
    Rare,
    word,
)

numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))


@given(st.lists(st.tuples(st.booleans(), numbers), max_size=300))
def test_what_was_put_is_taken_once(steps: list[tuple[bool, int]]) -> None:
    pending, model = Pending(1 << 20), dict[int, int]()
    for step, (put, sequence) in enumerate(steps):
        if put and sequence not in model:
            model[sequence] = step
            place = pending.put(sequence, step, step << DATA_CODING & 0xFF, step)
            if step % 3 == 0:
                pending.use(place, Use(b"%d" % step, step))
            if step % 5 == 0:
                pending.note(place, Rare(b"%d" % step, b"", [], [], 0.0))
        else:
            assert taken(pending, sequence) == model.pop(sequence, -1)
        assert pending.count == len(model)
    for sequence, step in model.items():
        assert taken(pending, sequence) == step
    assert pending.count == 0


def taken(pending: Pending, sequence: int) -> int:
    """The step of the message that is taken, with all that was put with it; -1 for none."""
    place = pending.take(sequence)
    if place < 0:
        return -1
    step = pending.digits(place)
    more = pending.more(place)
    assert more & ~(USES | RARE) == step << DATA_CODING & 0xFF
    assert pending.entry(place) == step
    assert pending.uses[place].day == (step if step % 3 == 0 else NO_USE.day)
    assert (more & USES != 0) is (step % 3 == 0)
    assert (more & RARE != 0) is (step % 5 == 0)
    if step % 5 == 0:
        assert pending.rare.pop(int(place)).address == b"%d" % step
    pending.uses[place] = NO_USE
    return int(step)


@given(st.lists(numbers, max_size=400, unique=True))
def test_it_is_bounded_and_keeps_the_newest(sequences: list[int]) -> None:
    pending = Pending(32)
    for sequence in sequences:
        put(pending, sequence)
        place = pending.take(sequence)
        assert place >= 0
        assert pending.take(sequence) < 0
        pending.rare.pop(int(place))
        put(pending, sequence)
    assert pending.count <= 64
    # Who was forgotten leaves nothing behind.
    assert len(pending.rare) == pending.count
    kept = [sequence for sequence in sequences if pending.take(sequence) >= 0]
    assert len(kept) >= min(len(sequences), 8)


def test_a_number_that_is_sent_again_before_its_answer_loses_nothing_of_either() -> None:
    pending = Pending(1 << 10)
    for address in (b"+1", b"+2"):
        pending.note(pending.put(7, -1, 0, 0), Rare(address, b"", [], [], 0.0))
    for sequence in range(100):  # it grows meanwhile
        put(pending, 1000 + sequence)
    found = [pending.rare.pop(int(pending.take(7))).address for _ in range(2)]
    assert sorted(found) == [b"+1", b"+2"]
    assert pending.take(7) < 0


def put(pending: Pending, sequence: int) -> None:
    """One more that waits."""
    pending.note(pending.put(sequence, 0, 0, 0), Rare(b"", b"", [], [], 0.0))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=100))
def test_the_last_messages_are_found_by_their_ids(steps: list[tuple[bool, int]]) -> None:
    originals, model = Originals(5), list[tuple[bytes, str]]()
    for add, number in steps:
        message_id = b"%x" % number
        if add:
            model.append((message_id, str(len(model))))
            originals.add(model[-1][1], b"--" + message_id + b"-", 2, 2 + len(message_id), 0, 0, b"", 0)
            continue
        found = originals.find(message_id)
        last = [sent for known, sent in model if known == message_id]
        # Of the last five all are known; of older ones some; never one that was called otherwise, or one outdone.
        assert found is NO_ORIGINAL or found.system_id == last[-1]
        if any(known == message_id for known, _ in model[-5:]):
            assert found.system_id == last[-1]
    assert len(originals) <= 10


def test_many_are_kept_apart() -> None:
    originals = Originals(1000)
    for number in range(5000):
        message_id = b"%08x" % (number * 7919)
        originals.add(str(number), message_id, 0, len(message_id), 0, 0, b"", 0)
    assert len(originals) == 1024
    for number in range(5000):
        found = originals.find(b"%08x" % (number * 7919))
        assert found.system_id == str(number) if number >= 4000 else found is NO_ORIGINAL or number >= 5000 - 1024


ids = st.lists(st.text(st.sampled_from("0123456789abcdefgh-\x7f"), max_size=14), min_size=2, max_size=2, unique=True)


@given(ids, st.binary(min_size=8, max_size=8))
@example(["123456789", "1134567890"], bytes(8))
@settings(max_examples=1000)
def test_of_fourteen_octets_no_id_is_taken_for_another(two: list[str], around: bytes) -> None:
    originals = Originals(10)
    one, other = two[0].encode(), two[1].encode()
    originals.add("star", around + one + around, 8, 8 + len(one), 0, 0, b"", 0)
    assert originals.find(other) is NO_ORIGINAL
    assert originals.find(one).system_id == "star"


def test_long_ids_are_kept_apart_too() -> None:
    originals = Originals(1000)
    named = [str(uuid.UUID(int=number << at)).encode() for at in (0, 40, 110) for number in range(1, 300)]
    for message_id in named:
        originals.add(message_id.decode(), message_id, 0, len(message_id), 0, 0, b"", 0)
    assert [originals.find(message_id).system_id.encode() for message_id in named] == named


addresses = st.one_of(st.binary(min_size=1, max_size=20), st.from_regex(rb"[0-9]{1,20}", fullmatch=True))


@given(addresses, st.binary(min_size=8, max_size=9), *[st.integers(0, 255)] * 5)
def test_an_original_is_as_it_was_sent(
    address: bytes, around: bytes, ton: int, npi: int, coding: int, esm_class: int, content: int
) -> None:
    originals = Originals(10)
    more = len(address) | ton << TON | npi << NPI | coding << DATA_CODING | esm_class << ESM_CLASS
    more |= content << CONTENT | 2 << RECIPIENTS | USES | RARE
    digits = digits_of(around + address + around, len(around), len(around) + len(address))
    assert (digits >= 0) is (8 <= len(address) <= 15 and address.isdigit())
    originals.add("star", b"id", 0, 2, digits, more, address, 7)
    found = originals.find(b"id")
    assert (found.system_id, found.destination) == ("star", bytes([ton, npi]) + address)
    assert (found.data_coding, found.esm_class, found.content) == (coding, esm_class, content)
    assert (found.recipients, found.entry) == (2, 7)
    originals.failed(found)
    assert originals.find(b"id").recipients == 1


def test_addresses_that_are_no_digits_are_forgotten_with_their_messages() -> None:
    originals = Originals(8)
    for number in range(100):
        address = b"+%d" % number
        originals.add("star", b"%d" % number, 0, len(b"%d" % number), -1, len(address), address, 0)
    assert originals.find(b"99").destination == b"\0\0+99"
    assert len(originals.odd) == len(originals) == 8


def test_times_and_what_replacements_stated_are_forgotten_with_their_messages() -> None:
    originals = Originals(8)
    for number in range(100):
        message_id = b"%d" % number
        originals.add("star", message_id, 0, len(message_id), 0, 11, b"", 0)
        if number % 3 == 0:
            originals.date(1_795_000_000.25 + number, 1_795_086_400.0)
            originals.restate(originals.find(message_id), VALIDITY_STATED)
    for number in range(92, 100):
        found = originals.find(b"%d" % number)
        at = datetime.fromtimestamp(1_795_000_000 + number, UTC)
        times = f"{at:%y%m%d%H%M%S}200+261119110640000+".encode()
        assert (found.times, found.stated) == ((times, VALIDITY_STATED) if number % 3 == 0 else (b"", 0))


@given(st.binary(min_size=8, max_size=8))
def test_eight_octets_are_digits_or_not(octets: bytes) -> None:
    for one in (octets, octets.translate(bytes(0x30 | byte & 0xF for byte in range(256)))):
        number = int.from_bytes(one, "big", signed=True)
        assert all_digits(number) is one.isdigit()
        if one.isdigit():
            assert bcd(number) == int(one, 16)


@given(st.binary(min_size=1, max_size=30), st.data())
def test_a_word_is_seven_octets(buf: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(buf)))
    end = data.draw(st.integers(start, len(buf)))
    assert word(buf, start, end) == int.from_bytes(buf[start:end][:7].ljust(7, b"\0"), "big")
