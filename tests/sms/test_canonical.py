"""The canonical form: what folds into what, why, and what it must leave alone."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.canonical import (
    DELETED,
    ELSEWHERE,
    bracket_or_width_only,
    canonical,
    canonical_signature,
    case_only,
    fold_elsewhere,
    fold_table,
    folds,
    word_table,
)

SAMPLES = "【〔［[』】aＡαАа①㎏ﬁßÉ\u200b\u202e\u0301\u00ad后後賽帐帳账徽ロ⽀⺟٣𝐀🅰🎉\U000e0041\ufe0f\U000e0100가ガ"


@pytest.mark.parametrize(
    ("written", "read", "why"),
    [
        ("京\u200b东", "京东", "zero-width"),
        ("京\u2060东\ufeff", "京东", "zero-width"),
        ("京\ufe0f东", "京东", "zero-width"),
        ("京\u3164东", "京东", "zero-width"),
        ("京\U000e0062东", "京东", "zero-width"),
        ("\u202e京东\u202c", "京东", "bidi"),
        ("京\u0335东", "京东", "mark"),
        ("ＪＤ", "jd", "width"),
        ("ｼｮｯﾌﾟ", "ショッフ", "width"),
        ("Арр", "app", "script"),
        ("ΤΑΟ", "tao", "script"),
        ("ᎪᏢᏢ", "app", "script"),
        ("賽事", "赛事", "traditional"),
        ("百稼楽", "百稼乐", "traditional"),
        ("⽀付", "支付", "look-alike"),
        ("徽信", "微信", "look-alike"),
        ("薇信", "微信", "look-alike"),
        ("①②", "12", "compatibility"),
        ("𝐀𝗽𝓹", "app", "compatibility"),
        ("🅰🅱", "ab", "script"),
        ("［京东〗", "【京东】", "bracket"),
        ("﹃京东﹄", "【京东】", "bracket"),
        ("教․育", "教.育", "dot"),
        ("Café", "cafe", "mark"),
    ],
)
def test_what_folds_and_why(written: str, read: str, why: str) -> None:
    assert canonical(written) == read
    assert why in {reason for _, _, reason in folds(written)}


@pytest.mark.parametrize(
    "text",
    [
        "京东",
        "账单",
        "帐篷",
        "乾元",
        "著名",
        "瞭望",
        "知己",
        "巳时",
        "王府",
        "〇",
        "360",
        "かな",
        "한글",
        "《三体》",
        "(一)",
    ],
)
def test_what_stays_as_it_is(text: str) -> None:
    assert canonical(text) == text
    assert folds(text) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("账", "帐"),
        ("干", "乾"),
        ("著", "着"),
        ("己", "已"),
        ("已", "巳"),
        ("未", "末"),
        ("土", "士"),
        ("大", "太"),
        ("王", "玉"),
        ("人", "入"),
        ("刀", "力"),
        ("天", "夫"),
        ("农", "衣"),
        ("0", "o"),
        ("1", "l"),
    ],
)
def test_neighbours_that_are_different_brands(one: str, other: str) -> None:
    assert canonical_signature(one + "通") != canonical_signature(other + "通")


def test_signatures_are_compared_without_what_is_between_their_letters() -> None:
    assert canonical_signature("教.育") == canonical_signature("教 · 育") == canonical_signature("教-育★") == "教育"
    assert canonical_signature(" . ") == ""


def test_only_brackets_or_width() -> None:
    assert bracket_or_width_only("［ＪＤ］", "【JD】")
    assert bracket_or_width_only("ＪＤ１", "JD1")
    assert bracket_or_width_only("京东", "京东")
    assert not bracket_or_width_only("ＪＤ", "jd")
    assert not bracket_or_width_only("京\u200b东", "京东")
    assert not bracket_or_width_only("賽事", "赛事")
    assert case_only("JD", "jd")
    assert not case_only("ＪＤ", "jd")


def test_folding_any_character_twice_changes_nothing_and_grows_little() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE1000)):
        once = canonical(chr(code))
        assert len(once) <= 4
        assert canonical(once) == once, hex(code)


def test_the_table_of_units_says_what_the_fold_says() -> None:
    table = fold_table()
    elsewhere = fold_elsewhere()
    assert len(table) == len(word_table()) == 2 * 0x10000
    for code in (*range(0xD800), *range(0xE000, 0xFFFF)):
        into = int.from_bytes(table[2 * code : 2 * code + 2], "big")
        expected = canonical(chr(code))
        if into == DELETED:
            assert expected == ""
        elif into == ELSEWHERE:
            assert elsewhere[code].decode("utf-16-be") == expected
        else:
            assert chr(into) == expected
    for code in range(0xD800, 0xE000):
        assert int.from_bytes(table[2 * code : 2 * code + 2], "big") == ELSEWHERE


@pytest.mark.slow
@given(st.text(alphabet=st.one_of(st.sampled_from(SAMPLES), st.characters(codec="utf-16-be")), max_size=40))
def test_the_fold_is_free_of_context(text: str) -> None:
    assert canonical(text) == "".join(map(canonical, text))
    assert canonical(canonical(text)) == canonical(text)
    assert canonical_signature(canonical_signature(text)) == canonical_signature(text)
    assert [what for what, _, _ in folds(text)] == [one for one in dict.fromkeys(text) if canonical(one) != one]


@pytest.mark.slow
@pytest.mark.may_skip
def test_the_table_is_what_its_sources_make_of_it() -> None:
    pytest.importorskip("opencc")
    pytest.importorskip("confusable_homoglyphs")
    if unicodedata.unidata_version != "14.0.0":
        pytest.skip(f"the table was made with Unicode 14.0.0, this Python has {unicodedata.unidata_version}")
    from importlib import resources

    from portguard.sms import fold_build

    shipped = (resources.files("portguard.sms") / "fold.tsv").read_text("ascii").splitlines()
    assert shipped[1:] == list(fold_build.lines())
