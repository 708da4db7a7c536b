"""The text of parts: what is joined, and what would read otherwise part by part."""

import pytest

from portguard.sms.charset import CHARSET_BY_NAME, encode
from portguard.sms.concat import joined


def read(parts: list[bytes], coding: int, charset: str = "gsm7", *, partial: bool = False) -> str | None:
    found = joined(parts, [coding] * len(parts), [6] * len(parts), CHARSET_BY_NAME[charset], partial)
    return None if found is None else found.decode("utf-16-be")


@pytest.mark.parametrize(
    ("coding", "charset", "places", "text"),
    [
        (8, "gsm7", range(0, 21, 2), "【星辰商城】您好😀再见"),
        (0x18, "gsm7", range(0, 21, 2), "【星辰商城】您好😀再见"),
        (0, "utf8", range(30), "【星辰商城】您好😀"),
        (15, "gsm7", range(0, 19, 2), "【星辰商城】您好再见"),
        (0, "gsm7", range(12), "[Acme] hello"),
        (3, "gsm7", range(12), "[Acme] grüße"),
    ],
)
def test_wherever_it_is_cut(coding: int, charset: str, places: range, text: str) -> None:
    body = encode(text, coding, CHARSET_BY_NAME[charset])
    for place in places:
        assert read([body[:place], body[place:]], coding, charset) == text


@pytest.mark.parametrize(("coding", "charset"), [(8, "gsm7"), (0x18, "gsm7"), (15, "gsm7"), (0, "gbk")])
def test_half_a_character_at_the_seam(coding: int, charset: str) -> None:
    """Joined it would be text; a handset would show the second part shifted by an octet."""
    body = encode("【星辰商城】您好再见", coding, CHARSET_BY_NAME[charset])
    for place in range(1, len(body), 2):
        assert read([body[:place], body[place:]], coding, charset) is None


def test_packed_septets_begin_anew() -> None:
    packed = CHARSET_BY_NAME["gsm7-packed"]
    parts = [encode(text, 0, packed, 6) for text in ("[Acme] hello, ", "part two")]
    assert read(parts, 0, "gsm7-packed") == "[Acme] hello, part two"


def test_a_part_in_the_other_order() -> None:
    first, second = "【星辰商城】您好".encode("utf-16-be"), b"\xff\xfe" + "再见".encode("utf-16-le")
    assert read([first, second], 8) is None
    assert read([first, b"\xfe\xff" + "再见".encode("utf-16-be")], 8) == "【星辰商城】您好\ufeff再见"


def test_codings_may_differ_from_part_to_part() -> None:
    found = joined(["【星】".encode("utf-16-be"), b"hello", "好".encode("gbk")], [8, 0, 15], [6] * 3, 0, False)
    assert found == "【星】hello好".encode("utf-16-be")


def test_an_unfinished_last_character_is_left_out_while_parts_are_missing() -> None:
    body = "您好😀".encode("utf-16-be")
    assert read([body[:-2]], 8, partial=True) == "您好"
    assert read([body[:-2]], 8) is None
    assert read(["您好".encode()[:-1]], 0, "utf8", partial=True) == "您"
