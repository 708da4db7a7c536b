"""One person, one form, however a sender writes the number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.registry.subscriber import region_prefix, subscriber

UNKNOWN, INTERNATIONAL, NATIONAL = 0, 1, 2


@pytest.mark.parametrize("ton", [UNKNOWN, INTERNATIONAL, NATIONAL])
@pytest.mark.parametrize(
    "text",
    [
        "13912345678", "+8613912345678", "008613912345678", "8613912345678", "013912345678", "08613912345678",
        "86013912345678", "+86013912345678", "+86 139-1234-5678",
    ],
)  # fmt: skip
def test_the_forms_of_one_person(text: str, ton: int) -> None:
    assert subscriber(text, ton, "86") == subscriber(text.encode(), ton, "86") == "8613912345678"


@pytest.mark.parametrize(
    ("text", "ton", "expected"),
    [
        ("8613912345678", UNKNOWN, "8613912345678"),
        ("8613912345678", INTERNATIONAL, "8613912345678"),
        ("075512345678", UNKNOWN, "8675512345678"),
        ("85291234567", INTERNATIONAL, "85291234567"),
        ("0085291234567", UNKNOWN, "85291234567"),
        ("+13055551234", UNKNOWN, "13055551234"),
        ("+13912345678", NATIONAL, "13912345678"),
        ("0013912345678", UNKNOWN, "13912345678"),
        ("01012345678", NATIONAL, "861012345678"),
        ("8612345678901", NATIONAL, "868612345678901"),
        ("10086", UNKNOWN, "8610086"),
        ("139-1234 5678", UNKNOWN, "8613912345678"),
        ("", UNKNOWN, ""),
        ("ACME", 5, ""),
        ("+", UNKNOWN, ""),
    ],
)
def test_other_numbers_at_home_in_china(text: str, ton: int, expected: str) -> None:
    assert subscriber(text, ton, "86") == expected


def test_another_country_goes_by_its_code_and_ton() -> None:
    assert subscriber("91234567", UNKNOWN, "65") == "6591234567"
    assert subscriber("6591234567", UNKNOWN, "65") == "6591234567"
    assert subscriber("65123456", UNKNOWN, "65") == "6565123456"
    assert subscriber("13912345678", INTERNATIONAL, "65") == "13912345678"
    assert subscriber("8613912345678", NATIONAL, "65") == "658613912345678"


@given(st.binary(max_size=21), st.integers(0, 255))
def test_any_bytes_give_digits_or_nothing(addr: bytes, ton: int) -> None:
    found = subscriber(addr, ton, "86")
    assert found == "" or (found.isascii() and found.isdigit())


@pytest.mark.parametrize("prefix", ["1380755", "861380755", "+861380755", "00861380755"])
def test_the_forms_of_one_prefix(prefix: str) -> None:
    assert region_prefix(prefix, "86") == "861380755"


def test_other_prefixes() -> None:
    assert region_prefix("0755", "86") == "86755"
    assert region_prefix("+852", "86") == "852"


@given(st.integers(3, 9), st.integers(0, 10**9 - 1))
def test_a_mobile_number_begins_with_its_prefix_in_whatever_form(second: int, rest: int) -> None:
    number = f"1{second}{rest:09}"
    for form in (number, "86" + number, "+86" + number, "0086" + number):
        assert subscriber(form, UNKNOWN, "86").startswith(region_prefix(number[:7], "86"))
