"""Names and numbers of categories, and the tables of what is permitted."""

import pytest

from portguard.sms.category import (
    CATEGORY_NAMES,
    INDUSTRIES,
    INDUSTRY_NAMES,
    MARKETING,
    NOTIFICATION,
    SLOTS,
    UNKNOWN,
    VERIFICATION,
    load_default,
    name,
    parse,
    table,
    word_error,
)  # fmt: skip


def test_every_name_and_number_convert_both_ways() -> None:
    assert len(INDUSTRY_NAMES) == INDUSTRIES
    for category in range(1, len(CATEGORY_NAMES)):
        for industry in range(INDUSTRIES):
            assert parse(name(category, industry)) == (category, industry)


@pytest.mark.parametrize("written", ["", "unknown", "spam", "marketing/", "marketing/spam", "/retail", "Marketing"])
def test_a_name_that_is_none_is_refused_with_the_choices(written: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(written)


def test_a_table_permits_what_is_named() -> None:
    assert table([]) == b"\x01" * SLOTS
    permitted = table(["verification", "marketing/finance"])
    finance = INDUSTRY_NAMES.index("finance")
    assert permitted[VERIFICATION * INDUSTRIES + 7] == 1
    assert permitted[MARKETING * INDUSTRIES + finance] == 1
    assert permitted[MARKETING * INDUSTRIES] == 1
    assert permitted[MARKETING * INDUSTRIES + finance + 1] == 0
    assert permitted[NOTIFICATION * INDUSTRIES] == 0
    assert permitted[UNKNOWN] == 1
    assert all(table(["marketing"])[MARKETING * INDUSTRIES + industry] for industry in range(INDUSTRIES))


def test_the_shipped_words_are_sound_and_said_once() -> None:
    words = load_default()
    assert len({(word, category) for word, category, _, _ in words}) == len(words)
    assert [word for word, *_ in words if word_error(word)] == []
    assert all(-10 <= weight <= 10 and weight for *_, weight in words)


@pytest.mark.parametrize("word", ["", "贷", "12", "1,2", "!!", "贷 ", "\u200b贷", "长" * 33])
def test_words_that_cannot_be_searched_for(word: str) -> None:
    assert word_error(word) is not None


@pytest.mark.parametrize("word", ["贷款", "#折", "5折", "vip", "满#减#", "长" * 32])
def test_words_that_can(word: str) -> None:
    assert word_error(word) is None
