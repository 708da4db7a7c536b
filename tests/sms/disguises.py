"""Signatures made by rule: every family of disguise over invented brands, and innocents that look much like them.

`judge` stands for the registry and the rules 203 and 204: the raw text first, the canonical form only where the raw
text finds nothing.
"""

from collections.abc import Callable
from typing import Final

from portguard.sms.canonical import canonical_signature
from portguard.sms.text import Text


def _words(listed: str) -> list[str]:
    return listed.split()


HANZI: Final = _words(
    "青禾商城 远山银行 云帆物流 启明学堂 百稼乐园 顺捷快递 海棠支付 清源通信 康宁医院 幸福物业 星河游戏 龙门证券 "
    "万联超市 东风汽车 微诺科技 时代书店 长丰车险 金穗贷款 华宝乐器 广汇电讯"
)
LATIN: Final = _words("Acme SEPHORA Contoso TopShop Mixpay Hope YoYo CampX")
BRANDS: Final = [*HANZI, *LATIN]
BY_CANONICAL: Final = {canonical_signature(brand): brand for brand in BRANDS}

_TRADITIONAL: Final = dict(
    zip(
        "云远银启学乐顺递构诺时书长车险贷华宝广汇电讯业龙门证联东风医游戏",
        "雲遠銀啟學樂順遞構諾時書長車險貸華寶廣匯電訊業龍門證聯東風醫遊戲",
        strict=True,
    )
)
_CYRILLIC: Final = dict(zip("AcemSEPHORTopyxaiXCMYs", "АсеmЅЕРНОRТоруxаіХСМУѕ", strict=True)) | {"x": "х"}
_GREEK: Final = dict(zip("AEHIMNOPTXYZKBov", "ΑΕΗΙΜΝΟΡΤΧΥΖΚΒον", strict=True))
_CHEROKEE: Final = dict(zip("ACEHMPSTRW", "ᎪᏟᎬᎻᎷᏢᏚᎢᎡᎳ", strict=True))
_RADICALS: Final = dict(zip("支风长龙门车金医青", "⽀⻛⻓⻰⻔⻋⾦医⻘", strict=True))
_ACCENTS: Final = dict(zip("AEOaeoiu", "ÁÈÖâéõîü", strict=True))
_LOOKS: Final = {"微": "徽", "口": "ロ"}


def _replaced(table: dict[str, str]) -> Callable[[str], str]:
    return lambda brand: "".join(table.get(one, one) for one in brand)


def _one_replaced(table: dict[str, str]) -> Callable[[str], str]:
    def replace(brand: str) -> str:
        for one in brand:
            if one in table:
                return brand.replace(one, table[one], 1)
        return brand

    return replace


def _shifted(upper: int, lower: int) -> Callable[[str], str]:
    """ASCII letters moved to another alphabet, given its A and its a."""
    letters = {chr(65 + at): chr(upper + at) for at in range(26)} | {chr(97 + at): chr(lower + at) for at in range(26)}
    return _replaced(letters)


def _joined(mark: str) -> Callable[[str], str]:
    return lambda brand: mark.join(brand)


def _inserted(mark: str) -> Callable[[str], str]:
    return lambda brand: brand[:1] + mark + brand[1:]


FAMILIES: Final[dict[str, Callable[[str], str]]] = {
    "zero-width space": _inserted("\u200b"),
    "word joiner": _inserted("\u2060"),
    "byte order mark": _joined("\ufeff"),
    "soft hyphen": _inserted("\u00ad"),
    "variation selector": _inserted("\ufe0f"),
    "tag character": _inserted("\U000e0041"),
    "Hangul filler": _inserted("\u3164"),
    "bidi override": lambda brand: f"\u202d{brand}\u202c",
    "combining mark": _joined("\u0336"),
    "full stop": _inserted("."),
    "one dot leader": _joined("\u2024"),
    "middle dot": _joined("·"),
    "hyphen": _inserted("-"),
    "star": _inserted("★"),
    "space": _joined(" "),
    "ideographic space": _inserted("\u3000"),
    "emoji": _inserted("🎉"),
    "full-width": _shifted(0xFF21, 0xFF41),
    "circled letters": _shifted(0x24B6, 0x24D0),
    "mathematical bold": _shifted(0x1D400, 0x1D41A),
    "mathematical sans": _shifted(0x1D5A0, 0x1D5BA),
    "Cyrillic": _replaced(_CYRILLIC),
    "one Cyrillic letter": _one_replaced(_CYRILLIC),
    "Greek": _replaced(_GREEK),
    "Cherokee": _replaced(_CHEROKEE),
    "accents": _one_replaced(_ACCENTS),
    "traditional": _replaced(_TRADITIONAL),
    "one traditional character": _one_replaced(_TRADITIONAL),
    "Japanese form": _replaced({"乐": "楽"}),
    "radicals": _replaced(_RADICALS),
    "look-alike hanzi": _replaced(_LOOKS),
    "traditional and dots": lambda brand: ".".join(_replaced(_TRADITIONAL)(brand)),
}
PAIRS: Final = ["［］", "〖〗", "〔〕", "[]", "「」", "『』", "︻︼", "﹝﹞", "〘〙", "⟦⟧", "【]", "[】", "\u200b【】"]

_NEIGHBOURS: Final = dict(
    zip(
        "青禾商城远山银行云帆物流启明学堂百稼顺捷海棠支清源康宁幸福星龙万东时长金华广未账",
        "清和尚诚元三根衍芸凡勿琉起鸣雪棠白家川杰侮堂之青原糠柠辛富里尤方冻寺张全桦庆末帐",
        strict=True,
    )
)
_OTHERS: Final = _words(
    "鼎泰豐 臺北銀行 誠品書店 國泰航空 華碩電腦 萬寧 屈臣氏 大學眼科 百樂門 東方紅 遠東百貨 樂天 雲南白藥 龍鳳樓 "
    "Nestlé Lancôme Citroën Hermès L'Oréal Häagen Café Kiehl Müller Señor Zoë Mañana Åre Škoda "
    "かもめ ユニクロ 카카오 네이버 7天酒店 1号店 58到家 360借条 361度 51信用卡 A站 B站 QQ音乐 K歌 京A 3M T3出行 "
    "账房先生 帐篷之家 乾隆 干货铺 着装 著名 瞭望 了望 余家 餘慶 云海 雲海 后来 後來 发廊 髮廊 里弄 裏子 面馆 麵館"
)


def disguised() -> list[tuple[str, str, str]]:
    """(family, brand, message) of every brand in every disguise that changes it."""
    found = [
        (family, brand, f"【{disguise(brand)}】您的订单已发货，请留意查收")
        for family, disguise in FAMILIES.items()
        for brand in BRANDS
        if disguise(brand) != brand
    ]
    for pair in PAIRS:
        for number, brand in enumerate(BRANDS[::2]):
            signature = pair[:-1] + brand + pair[-1]
            body = "您的订单已发货，请留意查收"
            at_the_tail = number % 3 == 0 and len(pair) == 2
            found.append((f"brackets {pair!a}", brand, body + signature if at_the_tail else signature + body))
    return found


def innocents() -> list[tuple[str, str]]:
    """(kind, message) that carry no disguise of any brand, however near some of them come."""
    written: list[tuple[str, str]] = [("brands with marks of their own", one) for one in _OTHERS]
    for brand in BRANDS:
        written += [
            ("brand and more", brand + "优选"),
            ("more and brand", "新" + brand),
            ("part of a brand", brand[:-1]),
            ("end of a brand", brand[1:]),
            ("order reversed", brand[::-1]),
            ("two brands", brand + BRANDS[(BRANDS.index(brand) + 3) % len(BRANDS)]),
        ]
        for place, one in enumerate(brand):
            if one in _NEIGHBOURS:
                written.append(("neighbour", brand[:place] + _NEIGHBOURS[one] + brand[place + 1 :]))
    places, trades = (
        _words("江宁 云州 海东 南屏 广陵 临川 石门 宝山"),
        _words("银行 快递 学堂 医院 书店 超市 物业 商城 通信"),
    )
    written += [("place and trade", place + trade) for place in places for trade in trades]
    messages = [(kind, f"【{one}】您的订单已发货，请留意查收") for kind, one in written if one not in BRANDS]
    for brand in BRANDS:
        messages += [
            ("brand in the body", f"请到［{brand}］领取您的订单，谢谢"),
            ("other bracket", f"［{brand}优选］您好"),
        ]
    return messages


def judge(message: str) -> str:
    """What the signature of a message is: registered or disguised, with the brand, or unknown, or none."""
    text = Text()
    text.load(message.encode("utf-16-be"), False, False)
    for has, raw in ((text.has_head, text.head), (text.has_tail, text.tail)):
        if has:
            return _of(raw.decode("utf-16-be"))
    for written in (text.disguised_head, text.disguised_tail):
        if canonical_signature(written) in BY_CANONICAL:
            return f"disguised {BY_CANONICAL[canonical_signature(written)]}"
    return "none"


def _of(written: str) -> str:
    if written in BRANDS:
        return f"registered {written}"
    brand = BY_CANONICAL.get(canonical_signature(written))
    return "unknown" if brand is None else f"disguised {brand}"
