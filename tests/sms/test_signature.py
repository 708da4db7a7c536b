"""The form of signatures, by the operator's limits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.signature import form_error
from portguard.sms.text import is_usual


@pytest.mark.parametrize("signature", ["京东", "JD", "1号店", "云杉科技", "㐂茶", "A" * 12, "𠮷野家"])
def test_signatures_of_good_form(signature: str) -> None:
    assert form_error(signature) is None


@pytest.mark.parametrize(
    ("signature", "clause"),
    [
        ("", "empty"),
        ("　", "empty"),
        ("京", "2 to 12"),
        ("京" * 13, "13 characters"),
        ("京 东", "' '"),
        ("京·东", "U\\+00B7"),
        ("京\u200b东", "U\\+200B"),
        ("аpple", "U\\+0430"),
        ("ＪＤ", "U\\+FF2A"),
        ("京东🎉", "U\\+1F389"),
        ("12345", "only digits"),
    ],
)
def test_signatures_of_bad_form(signature: str, clause: str) -> None:
    error = form_error(signature)
    assert error is not None
    assert re.search(clause, error)


def test_the_limits_are_the_operators() -> None:
    assert form_error("京", 1, 3) is None
    assert form_error("京东商城", 1, 3) is not None
    assert form_error("AT&T", 2, 12, "&") is None
    assert form_error("AT&T-1", 2, 12, "&") is not None


@given(st.text(st.sampled_from("山海Aa09·〇【 é㐀龥一"), max_size=12), st.integers(1, 4), st.integers(4, 10))
def test_what_is_usual_has_nothing_wrong_with_its_form(signature: str, shortest: int, longest: int) -> None:
    if is_usual(signature.encode("utf-16-be"), shortest, longest):
        assert form_error(signature, shortest, longest) is None
    elif all(one in "山海Aa09一龥" for one in signature):
        assert form_error(signature, shortest, longest) is not None
