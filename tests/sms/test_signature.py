"""The form of signatures, by the operator's limits."""

import re

import pytest

from portguard.sms.signature import form_error


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
