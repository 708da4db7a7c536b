"""Hundreds of disguised signatures and as many innocents: what the canonical form catches, and what it must not."""

import json
from collections import Counter
from pathlib import Path

import pytest

from portguard.sms.canonical import canonical
from tests.sms.disguises import disguised, innocents, judge


def test_every_family_of_disguise_is_seen_through() -> None:
    cases = disguised()
    missed = Counter(family for family, brand, message in cases if judge(message) != f"disguised {brand}")
    assert len(cases) >= 300
    assert missed == {}


def test_innocents_are_left_alone() -> None:
    cases = innocents()
    assert len({message for _, message in cases}) >= 300
    assert [message for _, message in cases if judge(message).startswith("disguised")] == []


@pytest.mark.slow
def test_traditional_and_mixed_spam_reads_as_its_simplified_form(shared_data: Path) -> None:
    lines = (shared_data / "fbs" / "evasion_traditional_mixed.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    alike = sum(canonical(row["text"]) == canonical(row["t2s"]) for row in rows)
    assert alike / len(rows) >= 0.99
