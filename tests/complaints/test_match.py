"""What a complaint is about, from the registry."""

from typing import Any

import pytest

from portguard.complaints.match import Match, Matcher
from portguard.complaints.rows import UNSAID, Sound
from portguard.registry.image import Image
from portguard.sms.category import MARKETING, VERIFICATION
from tests.complaints.stage import NOW
from tests.policy.folder import when

SALE = "双11狂欢购物节全场满300减50，点击抢购，退订回T"


def match(image: Image, **fields: Any) -> Match | None:
    sound = {
        "id": "1", "source": "12321", "received_at": NOW, "subscriber": "8613900000001", "number": "10690001",
        "signature": "", "text": "", "content": UNSAID, **fields,
    }  # fmt: skip
    return Matcher(image, "86", lambda image, number: [f"all of {number}"]).match(Sound(**sound))


def found(image: Image, **fields: Any) -> Match:
    result = match(image, **fields)
    assert result is not None
    return result


@pytest.mark.parametrize(("number", "port", "holder"), [
    ("10690001", "10690001", "first"), ("106900012345", "10690001", "first"), ("1069000199", "1069000199", "bank"),
    ("10690001991", "1069000199", "bank"), ("8610690001", "10690001", "first"), ("10690003", "10690003", "first"),
])  # fmt: skip
def test_the_longest_registered_prefix(on_file: Image, number: str, port: str, holder: str) -> None:
    """In force or not: the complaint is about it."""
    one = found(on_file, number=number)
    assert (one.port, one.holder, one.number) == (port, holder, number.removeprefix("86"))


@pytest.mark.parametrize("number", ["1", "10690", "20690001", "8620690001", "9" * 20])
def test_no_port(on_file: Image, number: str) -> None:
    assert match(on_file, number=number) is None


def test_who_may_send_there(on_file: Image) -> None:
    one = found(on_file, number="10690001")
    assert one.chain == ["first > second on 10690001 (active)", "second > third on 10690001 (active)"]
    one = found(on_file, number="1069001132")
    assert one.chain == [
        "first > second on 10690011 (out of its dates)", "first > third on 10690011 (out of its dates)",
        "first > bank on 10690011 (suspended)", "first > tea on 10690011 (revoked)",
        "first > second on 106900113 (active)", "second > mall on 10690011 (active)",
    ]  # fmt: skip
    # Judged when the message is complained about.
    one = found(on_file, number="10690011", received_at=when("2026-11-10T10:00"))
    assert one.chain[0] == "first > second on 10690011 (active)"


@pytest.mark.parametrize(("fields", "signature", "enterprises"), [
    ({"signature": "星辰商城"}, "星辰商城", ["mall"]),
    ({"text": "【星辰商城】满减"}, "星辰商城", ["mall"]),
    ({"text": "满减【星辰商城】"}, "星辰商城", ["mall"]),
    ({"text": "[GoodTea] new tea"}, "GoodTea", ["tea"]),
    ({"text": "〖星辰商城〗满减"}, "星辰商城", ["mall"]),
    ({"text": "〖无人认领〗满减"}, "", []),
    ({"text": "★限时★满减【星辰商城】"}, "星辰商城", ["mall"]),
    ({"text": "【星\u200b辰商城】满减"}, "星辰商城", ["mall"]),
    ({"text": "【星辰商城】满减", "signature": "月光银行"}, "月光银行", ["bank"]),
    ({"text": "【无人认领】满减"}, "无人认领", []),
    ({"text": "满减"}, "", []),
    ({"text": "【" + "长" * 65 + "】满减"}, "", []),
    ({"signature": "同名品牌"}, "同名品牌", ["bank", "mall"]),
])  # fmt: skip
def test_the_signature(on_file: Image, fields: dict[str, str], signature: str, enterprises: list[str]) -> None:
    one = found(on_file, **fields)
    assert (one.signature, sorted(one.enterprises), one.registered) == (signature, enterprises, bool(enterprises))


def test_the_kind_of_content(on_file: Image) -> None:
    assert found(on_file, text="【星辰商城】" + SALE).marketing
    assert not found(on_file, text="【星辰商城】您的验证码是1234，5分钟内有效").marketing
    assert not found(on_file, text="").marketing
    # A field says it, whatever the text; and a template before the words.
    assert not found(on_file, text="【星辰商城】" + SALE, content=VERIFICATION << 4).marketing
    assert found(on_file, text="", content=MARKETING << 4 | 2).marketing
    assert found(on_file, text="【星辰模板】1234，请在页面上输入").content == VERIFICATION << 4


def test_whose_consent_it_revokes(on_file: Image) -> None:
    sale = {"content": MARKETING << 4}
    # The enterprise whose scope covers the number; both, where two have one.
    assert found(on_file, signature="月光银行", **sale).senders == ["bank"]
    assert found(on_file, signature="同名品牌", **sale).senders == ["bank", "mall"]
    # No scope for marketing there: the signature's enterprises.
    assert found(on_file, signature="验证专用", **sale).senders == ["mall"]
    assert found(on_file, signature="星辰专线", **sale).senders == ["mall"]
    # No signature on file: whoever may send marketing from the number.
    assert found(on_file, text="全场满减", **sale).senders == ["all of 10690001"]
    assert found(on_file, signature="无人认领", number="8610690001", **sale).senders == ["all of 10690001"]
    assert found(on_file, signature="月光银行", content=VERIFICATION << 4).senders == []
