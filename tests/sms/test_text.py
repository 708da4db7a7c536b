"""The two ends of a text: brackets as written, and brackets as a reader sees them."""

import unicodedata
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms import sight
from portguard.sms.canonical import canonical, canonical_signature
from portguard.sms.sight import in_sight
from portguard.sms.text import Text, after_signature


class Ends(NamedTuple):
    head: str | None = None
    tail: str | None = None
    unclosed: bool = False
    seen_head: str = ""
    seen_tail: str = ""


def ends(text: str, ascii_head: bool = False, ascii_tail: bool = False, into: Text | None = None) -> Ends:
    found = into or Text()
    found.load(text.encode("utf-16-be"), ascii_head, ascii_tail)
    assert found.disguised == bool(found.disguised_head or found.disguised_tail) or found.disguised
    return Ends(
        found.head.decode("utf-16-be") if found.has_head else None,
        found.tail.decode("utf-16-be") if found.has_tail else None,
        found.unclosed,
        found.disguised_head,
        found.disguised_tail,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("【青禾】您好", Ends("青禾")),
        (" \n　【青禾】您好", Ends("青禾")),
        ("您好【青禾】", Ends(tail="青禾")),
        ("您好【青禾】 \r\n", Ends(tail="青禾")),
        ("【青禾】您好【飞燕】", Ends("青禾", "飞燕")),
        ("【青禾】【飞燕】", Ends("青禾", "飞燕")),
        ("【青禾】", Ends("青禾")),
        ("【】您好", Ends("")),
        ("您好【】", Ends(tail="")),
        ("您好【青禾】再见", Ends()),
        ("【青禾】您好【礼券】再见", Ends("青禾")),
        ("【青禾您好", Ends(unclosed=True)),
        ("您好】", Ends(seen_head="您好")),
        ("您好", Ends()),
        ("", Ends()),
        ("   ", Ends()),
        ("【", Ends(unclosed=True)),
        ("】", Ends()),
        ("【青【禾】您好", Ends("青【禾")),
        ("您好【青】禾】", Ends(tail="青】禾")),
        ("[Acme] hi", Ends(seen_head="Acme")),
    ],
)
def test_brackets_at_the_ends(text: str, expected: Ends) -> None:
    assert ends(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Acme] Your code is 1", Ends("Acme")),
        ("Your code is 1 [Acme]", Ends(tail="Acme")),
        ("[Acme] see [1] now", Ends("Acme")),
        ("[] hi", Ends("")),
        ("[Acme hi", Ends(unclosed=True)),
        ("【青禾】您好", Ends("青禾")),
        ("您好【青禾】", Ends(tail="青禾")),
    ],
)
def test_square_brackets_where_the_coding_has_no_others(text: str, expected: Ends) -> None:
    assert ends(text, True, True) == expected


def test_each_end_has_the_brackets_of_its_own_coding() -> None:
    assert ends("[Acme] hi [Bolt]", True, False) == Ends("Acme", seen_tail="Bolt")
    assert ends("[Acme] hi [Bolt]", False, True) == Ends(None, "Bolt", seen_head="Acme")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("［青禾］您好", Ends(seen_head="青禾")),
        ("〖青禾〗您好", Ends(seen_head="青禾")),
        ("〔青禾〕您好", Ends(seen_head="青禾")),
        ("[青禾]您好", Ends(seen_head="青禾")),
        ("「青禾」您好", Ends(seen_head="青禾")),
        ("『青禾』您好", Ends(seen_head="青禾")),
        ("﹝青禾﹞您好", Ends(seen_head="青禾")),
        ("︻青禾︼您好", Ends(seen_head="青禾")),
        ("【青禾］您好", Ends(unclosed=True, seen_head="青禾")),
        ("\u200b【青禾】您好", Ends(seen_head="青禾")),
        (" \u202d \ufeff［青\u200b禾］您好", Ends(seen_head="青\u200b禾")),
        ("\U000e0020【青禾】您好", Ends(seen_head="青禾")),
        ("您好［青禾］", Ends(seen_tail="青禾")),
        ("您好【青禾】\u200b \u2060", Ends(seen_tail="青禾")),
        ("您好【青禾】\U000e0100", Ends(seen_tail="青禾")),
        ("［青禾］您好【飞燕】", Ends(tail="飞燕", seen_head="青禾")),
        ("【青禾】您好［飞燕］", Ends("青禾", seen_tail="飞燕")),
        ("［青禾］您好［飞燕］", Ends(seen_head="青禾", seen_tail="飞燕")),
        ("［青禾］", Ends(seen_head="青禾")),
        ("［" + "长" * 64 + "］您好", Ends(seen_head="长" * 64)),
        ("［" + "长" * 65 + "］您好", Ends()),
        ("［" + "\u200b" * 300 + "青禾］您好", Ends(seen_head="\u200b" * 300 + "青禾")),
        ("您好（青禾）", Ends()),
        ("《青禾》您好", Ends()),
        ("您好［青禾］。", Ends()),
        ("🎉［青禾］您好🎉", Ends(seen_head="青禾")),
        ("★ ※【青禾】您好", Ends(seen_head="青禾")),
        ("。【青禾】您好【飞燕】", Ends(tail="飞燕", seen_head="青禾")),
        ("您好，【青禾】您好【飞燕】", Ends(tail="飞燕")),
        ("…" * 24 + "【青禾】您好", Ends(seen_head="青禾")),
        ("…" * 25 + "【青禾】您好", Ends()),
        ("★" + "\n" * 30 + "【青禾】您好", Ends(seen_head="青禾")),
        ("★青禾★您好", Ends(seen_head="青禾")),
        ("|青 禾|您好", Ends(seen_head="青 禾")),
        ("⦋青禾⦌您好", Ends(seen_head="青禾")),
        ("（青禾）您好", Ends(seen_head="青禾")),
        ("“青禾”您好", Ends()),
        ("★您好，青禾★", Ends()),
        ("青禾】您好【飞燕】", Ends(tail="飞燕", seen_head="青禾")),
        ("青禾］您好", Ends(seen_head="青禾")),
        ("请看【1】和【2】", Ends(tail="2")),
        ("\u202e【禾青】您好", Ends(seen_head="\u202e禾青")),
        ("\u202e好您【禾青】\u202c再见", Ends(seen_head="青禾")),
        ("\u202e好您\u202c【青禾】再见", Ends()),
        ("您好🎉", Ends()),
    ],
)
def test_brackets_that_only_a_reader_sees(text: str, expected: Ends) -> None:
    assert ends(text) == expected


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("【青禾】【飞燕】您好", "飞燕"),
        ("【青禾】 \n【飞燕】您好", "飞燕"),
        ("【青禾】&🎉〖飞燕〗您好", "飞燕"),
        ("【青禾】［飞\u200b燕］您好", "飞\u200b燕"),
        ("【青禾】您好【飞燕】再见", ""),
        ("【青禾】「飞燕」您好", ""),
        ("【青禾】………………【飞燕】您好", "飞燕"),
        ("【青禾】………………………【飞燕】您好", "飞燕"),
        ("【青禾】" + "…" * 24 + "【飞燕】您好", "飞燕"),
        ("【青禾】" + "…" * 25 + "【飞燕】您好", ""),
        ("【青禾】" + "★" * 24 + "【飞燕】您好", "飞燕"),
        ("【青禾】" + "🎉" * 24 + "【飞燕】您好", "飞燕"),
        ("【青禾】" + "\n" * 9 + "【飞燕】您好", "飞燕"),
        ("【青禾】" + "\u3000" * 300 + "【飞燕】您好", "飞燕"),
        ("【青禾】★" + " \u200b" * 300 + "【" + "\u200b" * 300 + "飞燕】您好", "\u200b" * 300 + "飞燕"),
        ("【青禾】]【飞燕】您好", "飞燕"),
        ("【青禾】】」」【飞燕】您好", "飞燕"),
        ("【青禾】「【飞燕】您好", "飞燕"),
        ("【青禾】【 】【飞燕】您好", "飞燕"),
        ("【青禾】【［飞燕］】您好", "飞燕"),
        ("【青禾】【★飞燕】您好", "★飞燕"),
        ("【青禾】【【【", ""),
        ("您好【飞燕】【青禾】", "飞燕"),
        ("您好〔飞燕〕\u200b 【青禾】", "飞燕"),
        ("您到【飞燕】。【青禾】", ""),
        ("您好【青禾】", ""),
        ("【青禾】", ""),
        ("【青禾】😀", ""),
    ],
)
def test_another_signature_right_beside_one(text: str, beside: str) -> None:
    found = Text()
    found.load("［飞燕］【】".encode("utf-16-be"), False, False)
    found.load(text.encode("utf-16-be"), False, False)
    assert found.beside == beside


UNSEEN = "\u2800\ufffc\ufffd\u303f\ue000\u0378\ufdd0\u200b\U000f0000\U000e0041"


@pytest.mark.parametrize("unseen", [*UNSEEN, " \u2800 ", UNSEEN])
def test_what_cannot_be_seen_parts_no_signature_from_its_place(unseen: str) -> None:
    assert ends(f"【青禾】您好【飞燕】{unseen}") == Ends("青禾", seen_tail="飞燕")
    assert ends(f"{unseen}【青禾】您好") == Ends(seen_head="青禾")
    found = Text()
    for text in (f"【青禾】{unseen * 30}【飞燕】您好", f"您好【飞燕】{unseen}【青禾】"):
        found.load(text.encode("utf-16-be"), False, False)
        assert found.beside == "飞燕"


@pytest.mark.parametrize("end", [*"。！.~）★🎉T1", "[赞]。", "\U00020000"])
def test_what_can_be_seen_ends_the_text(end: str) -> None:
    assert ends(f"【青禾】您好【飞燕】{end}") == Ends("青禾")


MANY = ["\u200b", " ", " \u200b", "【", "】", "【】", "【\u200b", "★a", "★ ", "★\u200b", "㊙", "」「"]


@pytest.mark.parametrize("many", MANY)
def test_a_long_text_of_ornaments_comes_to_an_end(many: str) -> None:
    long = many * (6000 // len(many))
    for text in (long, "★" + long, "【青禾】" + long, "【青禾】★【" + long, long + "【青禾】", long + "】"):
        assert "飞燕" not in ends(text)


EMBLEMS = [
    character
    for character in map(chr, range(0x20000))
    if unicodedata.category(character) in ("So", "No") and canonical(character)[:1].isalnum()
    and not "\u2e80" <= character <= "\u2fdf"
]  # fmt: skip


@pytest.mark.parametrize("ornament", ["㊙️", "🇨🇳", "™ ", "ℹ️", "①②", "★Ⓜ️", *"㊙Ⓜ🅰🆎🈹🉐㊗™ℹ㊣№㎡①½"])
def test_a_symbol_that_folds_into_a_letter_is_an_ornament(ornament: str) -> None:
    assert ends(f"{ornament}【青禾】您好【飞燕】") == Ends(tail="飞燕", seen_head="青禾")
    assert ends(f"{ornament}〖青禾〗您好【飞燕】") == Ends(tail="飞燕", seen_head="青禾")
    found = Text()
    found.load(f"【青禾】{ornament}【飞燕】您好".encode("utf-16-be"), False, False)
    assert found.beside == "飞燕"


def test_all_such_symbols_are() -> None:
    assert len(EMBLEMS) > 500
    assert [one for one in EMBLEMS if ends(f"{one}〖青禾〗您好") != Ends(seen_head="青禾")] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("★ⒶⒸⓂⒺ★您好", Ends(seen_head="ⒶⒸⓂⒺ")),
        ("Ⓐcme】您好", Ends(seen_head="Ⓐcme")),
        ("★海棠⽀付★您好", Ends(seen_head="海棠⽀付")),
        ("㊙★青禾★您好", Ends(seen_head="青禾")),
        ("㊙青禾㊙您好", Ends(seen_head="青禾")),
        ("①登录【青禾】查看", Ends()),
        ("⻛【青禾】您好", Ends()),
    ],
)
def test_letters_in_circles_and_radicals_are_letters_too(text: str, expected: Ends) -> None:
    assert ends(text) == expected


SCRAPS = ("【", "】", "[", "]", "〔", "〕", "「", "」", "飞燕", "a1", "，", "★", "🎉", "\u200b", "\u202e", " ",
          "㊙", "Ⓜ", "🇨🇳", "№", "飞" * 70)


@given(st.lists(st.sampled_from(SCRAPS), max_size=12).map("".join))
def test_units_are_seen_as_characters_are(scraps: str) -> None:
    """What is looked for among units is what `sight` finds in the text."""
    found = Text()
    found.load(f"【青禾】{scraps}好".encode("utf-16-be"), False, False)
    assert found.beside in ("", sight.behind(scraps + "好"))
    found.load(f"您好{scraps}【青禾】".encode("utf-16-be"), False, False)
    assert found.disguised or found.beside in ("", sight.before("您好" + scraps))
    found.load(f"您好{scraps}〕".encode("utf-16-be"), False, False)
    assert found.disguised_head or found.disguised_tail == sight.tail(f"您好{scraps}〕")


def test_names_between_mere_ornaments_are_told_from_those_in_brackets() -> None:
    found = Text()
    cases = {"★青禾★您好": True, "（青禾）您好": True, "★【青禾】您好": False, "青禾】您好": False}
    for text, ornamental in cases.items():
        found.load(text.encode("utf-16-be"), False, False)
        assert (found.disguised_head, found.ornamental) == ("青禾", ornamental)


def test_a_bracket_that_stays_open_for_long_is_no_beginning_of_a_signature() -> None:
    assert ends("【" + "长" * 63).unclosed
    assert not ends("【" + "长" * 64).unclosed


def test_one_object_serves_message_after_message() -> None:
    text = Text()
    for written in ("【青禾】您好【飞燕】", "［青禾］您好", "【青", "", "您好［青禾］", "您好"):
        assert ends(written, into=text) == ends(written)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("【青禾】您好", 8),
        ("您好", 0),
        ("", 0),
        ("【", 0),
        ("【】", 4),
        ("【青", 0),
        ("【" + "长" * 16 + "】", 36),
        ("【" + "长" * 17 + "】", 0),
    ],
)
def test_where_content_begins(text: str, offset: int) -> None:
    raw = text.encode("utf-16-be")
    assert after_signature(raw, 0, len(raw)) == offset
    assert after_signature(b"[" + raw + raw, 1, 1 + len(raw)) == 1 + offset


PIECES = st.sampled_from([*"【】[]［〕 \u3000\u200b\u202e甲乙a🎉\U000e0041", "\u3000"])


@given(st.lists(PIECES, max_size=24).map("".join), st.booleans(), st.booleans())
def test_any_text_reads_as_the_definition_says(text: str, ascii_head: bool, ascii_tail: bool) -> None:
    pairs = {"【": "】", "[": "]"}
    found = ends(text, ascii_head, ascii_tail)
    body = text.strip()
    head, tail, rest = None, None, body
    opened = body[:1] == "【" or (ascii_head and body[:1] == "[")
    closing = pairs[body[0]] if opened else ""
    if opened and closing in body:
        head, _, rest = body[1:].partition(closing)
    for opening, closer in pairs.items():
        if rest.endswith(closer) and opening in rest and (closer == "】" or ascii_tail):
            tail = rest[:-1].rpartition(opening)[2]
    assert (found.head, found.tail) == (head, tail)
    assert found.unclosed == (opened and closing not in body)
    folded = canonical(text).strip()
    if head is None and canonical_signature(found.seen_head):
        orders = (folded, canonical(in_sight(text)))
        before = [order.partition(canonical(found.seen_head))[0] for order in orders]
        assert any(not any(map(str.isalnum, ornaments)) for ornaments in before)
    if tail is None and found.seen_tail:
        assert folded.endswith("【" + canonical(found.seen_tail) + "】")


@given(st.text(max_size=60), st.booleans(), st.booleans())
def test_no_text_upsets_it(text: str, ascii_head: bool, ascii_tail: bool) -> None:
    try:
        text.encode("utf-16-be")
    except UnicodeEncodeError:
        return
    ends(text, ascii_head, ascii_tail)
