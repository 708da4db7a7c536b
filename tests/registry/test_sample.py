"""The sample registry does what its README says: an example that breaks each rule, and beside it one that does not."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from portguard.policy.assembly import build_revision
from portguard.policy.desk import Desk, Message
from portguard.registry.build import build
from portguard.registry.image import Image
from portguard.settings.load import load
from portguard.settings.schema import Settings

CONFIG = Path(__file__).parents[2] / "config" / "portguard.toml"
NOON = datetime.fromisoformat("2026-06-15T12:30:00+08:00").timestamp()
AFTER_TEN = datetime.fromisoformat("2026-06-15T22:30:00+08:00").timestamp()
BEIJING, SHANGHAI, NOWHERE = "13800101234", "13800211234", "13900001234"

CODE = "您的验证码为482913，5分钟内有效，请勿向任何人泄露。"
PARCEL = "您的订单20260611已发货，由云帆承运，单号YF7781，请留意签收。"
NOTICE = "您的包裹已到东门驿站，取件码8-2-113，请于20:00前领取。"
SALE = "年中大促全场五折，满减优惠券限时抢购，点击领取，拒收请回复R"
TEA = "秋茶上新，新茶买一送一，优惠券限时抢购，拒收请回复R"
LESSON = "张同学家长您好，周六的数学课程安排在二楼教室，请准时到课。"
COURSE = "暑期班招生，名师小班教学，免费试听课报名立减500元，拒收请回复R"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(CONFIG)


@pytest.fixture(scope="module")
def desk(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    image = Image(build(settings.registry.path, tmp_path_factory.mktemp("state")).path)
    tag = settings.tag
    yield Desk(
        build_revision(image, settings.policy, settings.node.timezone, settings.node.country),
        [tag.verdict, tag.reason, tag.revision, tag.category],
    )
    image.close()


EXAMPLES: list[tuple[str, str, str, str, int]] = [
    # account, source_addr, signature, text, code (0: allowed)
    ("tea01", "106955551234", "青芽茶业", PARCEL, 100),
    ("tea01", "106500002", "青芽茶业", PARCEL, 101),
    ("hub01", "10690000161", "恒讯短信", CODE, 101),
    ("hub01", "10690000191", "恒讯短信", CODE, 0),
    ("mall01", "10690000161", "山海商城", PARCEL, 0),
    ("bridge01", "1069000017", "旧桥科技", NOTICE, 102),
    ("river01", "1065000029", "远山银行", NOTICE, 102),
    ("tea01", "10690000155", "青芽茶业", NOTICE, 103),
    ("river01", "10690000155", "江河云信", CODE, 0),
    ("hub01", "106900009", "恒讯短信", CODE, 104),
    ("river01", "106900011", "江河云信", CODE, 104),
    ("telco01", "1069000071", "中原通信", NOTICE, 105),
    ("bank01", "106900001812345", "远山银行", CODE, 105),
    ("bank01", "10690000181234", "远山银行", CODE, 0),
    ("game01", "106800013", "星野游戏", SALE, 107),
    ("bank01", "1069000018", "", CODE, 200),
    ("telco01", "106900007", "", NOTICE, 0),
    ("telco01", "106900007", "中原通信", NOTICE, 0),
    ("river01", "106900001", "不知商行", NOTICE, 204),
    ("mall01", "1066000035", "山海优选", SALE, 205),
    ("tea01", "1066000031", "青芽秋茶", TEA, 205),
    ("river01", "1069000013", "远山银行", NOTICE, 300),
    ("hub01", "10690000122", "远山银行", NOTICE, 301),
    ("river01", "10690000122", "远山银行", NOTICE, 307),
    ("freight01", "1069000014", "云帆物流", NOTICE, 0),
    ("shoe01", "1066000032", "行远鞋服", SALE, 302),
    ("shoe01", "1066000032", "行远鞋服", CODE, 0),
    ("bank01", "1069000018", "远山银行", "您已获得低息贷款额度20万元，日息万二，秒批到账，立即申请，拒收请回复R", 302),
    ("mall01", "106600003", "山海商城", SALE, 0),
    ("mall01", "106600003", "山海商城", PARCEL, 0),
    ("tea01", "1066000031", "青芽茶业", TEA, 0),
    ("mall01", "1069000016", "山海商城", CODE, 306),
    ("mall01", "1069000016", "山海商城", SALE, 0),
    ("school01", "1069000013", "启明学堂", LESSON, 0),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e[-1]}-{e[0]}-{e[1]}" for e in EXAMPLES])
def test_example(desk: Desk, example: tuple[str, str, str, str, int]) -> None:
    account, source, signature, text, code = example
    content = f"【{signature}】{text}" if signature else text
    outcome = desk.judge(Message(account, source, NOWHERE, content, at=NOON))
    assert outcome.code == code, outcome


def test_regions(desk: Desk) -> None:
    codes = [
        desk.judge(Message("school01", "106900005", to, f"【启明学堂】{LESSON}", at=NOON)).code
        for to in (BEIJING, SHANGHAI, "13805311234", NOWHERE)
    ]
    assert codes == [0, 303, 303, 0]


def test_hours(desk: Desk) -> None:
    codes = [
        desk.judge(Message("mall01", "106600003", NOWHERE, f"【山海商城】{text}", at=at)).code
        for text in (SALE, PARCEL)
        for at in (NOON, AFTER_TEN)
    ]
    assert codes == [0, 304, 0, 0]


def test_every_mentioned_account_is_on_file(desk: Desk) -> None:
    readme = (CONFIG.parent / "registry" / "README.md").read_text()
    for account in desk.revision.image.accounts():
        assert account.system_id in readme


def test_the_daily_cap(desk: Desk) -> None:
    message = Message("tea01", "1066000031", NOWHERE, f"【青芽茶业】{TEA}", at=NOON + 86_400)
    assert [desk.judge(message).code for _ in range(21)] == [0] * 20 + [305]
