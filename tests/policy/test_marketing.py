"""Rules about marketing and its readers: templates, frequency, consent, how to refuse, hours; and dated profiles."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.desk import Desk, Message
from portguard.policy.ledger import COUNTS, MISSING, REVOKED
from portguard.policy.limits import frequency_key
from portguard.policy.options import PolicyOptions
from portguard.policy.rules import policy_errors
from portguard.smpp import encode
from portguard.smpp.fields import SmeAddress
from portguard.sms.category import MARKETING, NOTIFICATION
from portguard.sms.optout import tells_how_to_refuse
from portguard.sms.template import Template, Templates
from tests.policy import registry
from tests.policy.conftest import Office
from tests.policy.folder import OWN_TAGS, Tables, when
from tests.policy.messages import CODE, NORTH, OK, SALE, SOUTH
from tests.policy.wire import submit, ucs2

NOON = "2026-11-11T12:00:00"
HINTLESS = "双十一全场五折，满300减50，优惠券限时抢购，速来"


class Book:
    """A ledger as a dict: (enterprise, subscriber) to an answer."""

    def __init__(self, **answers: int) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, int]] = []
        self.last: dict[tuple[str, str], str] = {}

    def judge(self, enterprise: str, subscriber: str, content: int, at: float) -> int:
        self.asked.append((enterprise, subscriber, content >> 4))
        return self.answers.get(enterprise, MISSING)

    def sent(self, number: str, subscriber: str, enterprise: str) -> None:
        self.last[number, subscriber] = enterprise

    def last_sender(self, number: str, subscriber: str) -> str:
        return self.last.get((number, subscriber), "")

    def revoke(self, enterprise: str, subscriber: str, at: float, source: str) -> None:
        self.answers[enterprise] = REVOKED


def judge(desk: Desk, text: str, at: str = NOON, dest: str = NORTH, account: str = "first") -> tuple[str, int]:
    found = desk.judge(Message(account, OK, dest, text, at=when(at)))
    return found.action, found.code


# ---- consent


@pytest.mark.parametrize("regions", [["8613918", "85"], ["86", "85"]])
@pytest.mark.parametrize(
    "address", ["13918001234", "8613918001234", "013918001234", "08613918001234", "86013918001234", "+8613918001234"]
)
def test_one_person_in_one_region_whatever_the_form_of_the_number(
    office: Office, regions: list[str], address: str
) -> None:
    rows = [{"prefix": prefix, "region": name} for prefix, name in zip(regions, ["beijing", "shanghai"], strict=True)]
    book = Book(mall=COUNTS)
    desk = Desk(office.revision({**registry.TABLES, "regions": rows}), OWN_TAGS, book)
    for ton in (0, 1, 2):
        pdu = encode.submit_sm(
            1, source_addr=OK.encode(), dest_addr_ton=ton, destination_addr=address.encode(), data_coding=8,
            short_message=ucs2("【星辰商城】" + SALE),
        )  # fmt: skip
        desk.judge(Message("first", at=when(NOON), pdu=pdu))
        start = pdu.index(address.encode())
        assert desk.engine.region_of(pdu, start, start + len(address), ton) == "beijing"
    assert {subscriber for _, subscriber, _ in book.asked} == {"8613918001234"}
    assert len(book.asked) == 3


@pytest.mark.parametrize(
    ("answer", "verdict"), [(COUNTS, ("allow", 0)), (MISSING, ("reject", 400)), (REVOKED, ("reject", 401))]
)
def test_marketing_asks_the_ledger(office: Office, answer: int, verdict: tuple[str, int]) -> None:
    book = Book(mall=answer)
    assert judge(Desk(office.revision(), OWN_TAGS, book), "【星辰商城】" + SALE) == verdict
    assert book.asked == [("mall", "86" + NORTH, 3)]
    assert book.last == ({(OK, "86" + NORTH): "mall"} if answer == COUNTS else {})


def test_other_content_does_not(office: Office) -> None:
    book = Book()
    desk = Desk(office.revision(), OWN_TAGS, book)
    assert judge(desk, "【星辰商城】" + CODE) == ("allow", 0)
    assert judge(desk, "【星辰商城】今日天气晴") == ("allow", 0)
    assert book.asked == []


def test_without_a_ledger_consent_is_not_judged(office: Office) -> None:
    assert judge(office.desk(), "【星辰商城】" + SALE) == ("allow", 0)


def test_each_recipient_is_asked_about_alone(office: Office) -> None:
    class Picky(Book):
        def judge(self, enterprise: str, subscriber: str, content: int, at: float) -> int:
            return REVOKED if subscriber.endswith(SOUTH) else COUNTS

    desk = Desk(office.revision(), OWN_TAGS, Picky())
    pdu = encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰商城】" + SALE),
        dest_address=[SmeAddress(1, 1, SOUTH.encode()), SmeAddress(1, 1, NORTH.encode())],
    )
    assert desk.judge(Message("first", at=when(NOON), pdu=pdu)).action == "allow"
    assert [status for _, _, status in desk.engine.refused] == [0x45]
    assert [subscriber for _, _, subscriber in desk.engine.reached] == ["86" + NORTH]


# ---- how to refuse


@pytest.mark.parametrize(
    "hint",
    [
        "退\u200b订回T",
        "退订回T", "回T退订", "回复T退订", "退订回TD", "回TD退订", "拒收请回复R", "退订回n", "取消赠阅", "回复QX",
        "Ｔ退訂", "回Ｔ", "Reply STOP to opt out", "unsubscribe: 1069", "回T【星辰商城】", "退订回T 【星辰商城】",
        "退订请回复TD", "回N拒收", "拒收回R", "退订T", "T退订", "TD退订", "退回T", "回T退", "回复TD", "退订回0000",
        "回0000退订", "回复“T”退订", "退订，请回复T", "退订请点t.cn/x", "不需要请回T", "谢绝请回N",
        "如不想接收请回复R", "退訂回Ｔ", "退-订-回-T", "回复【T】退订", "拒绝请回复R", "拒收请回R", "回复QX取消",
        "回复TD取消订阅", "取消关注请回复N", "免打扰回T", "reply STOP", "Reply 'stop' to opt out", "退订回复T",
        "回T退订。", "退订回T【青禾】", "点击链接退订：t.cn/a 退订", "您可回复R拒收", "如需退订请回复TD",
        "短信退订请发T至10690", "退订回复0",
    ],
)  # fmt: skip
def test_phrases_that_tell_how_to_refuse(hint: str) -> None:
    assert tells_how_to_refuse((HINTLESS + hint).encode("utf-16-be"))


@pytest.mark.parametrize(
    "text",
    [
        HINTLESS,
        "周二回馈", "到店拒绝等待", "stop motion festival", "取消订单请致电", "回头客专享", "酒店免费退订",
        "本活动不支持退订", "本商品不可退订", "回T领券", "回复T领取优惠券", "回复1办理", "退订费用为50元",
        "退订政策详见官网说明之外", "无法退订", "不能拒收", "快递拒收请联系商家后台", "未退订", "您的订单已退订",
        "请勿拒收", "回N享优惠", "随时可退订", "支持退订", "不退订", "发T恤", "T恤特价", "回头客", "退订率",
        "复购送礼",
    ],
)  # fmt: skip
def test_phrases_that_do_not(text: str) -> None:
    for written in (text, f"{HINTLESS}{text}，快来抢购", f"{text}。{HINTLESS}", HINTLESS + text):
        assert not tells_how_to_refuse(written.encode("utf-16-be"))


@pytest.mark.parametrize("sign", "：（”")
def test_a_run_of_signs_behind_the_word_is_gone_through_once(sign: str) -> None:
    """Gone through again for each way to part it, one message would hold a worker up for hours."""
    assert not tells_how_to_refuse(f"{HINTLESS}，拒收{sign * 30_000}。".encode("utf-16-be"))
    assert tells_how_to_refuse(f"{HINTLESS}，拒收{sign * 30_000}T".encode("utf-16-be"))


def test_which_digit_it_is_decides_nothing(office: Office) -> None:
    """A text that is known but for its digits is not read again."""
    desk = office.desk()
    for digit in "0000055559":
        assert judge(desk, f"【星辰商城】{HINTLESS}拒收{digit}，详情见店内公告牌") == ("allow", 0)


def test_a_missing_hint_is_tagged(office: Office) -> None:
    desk = office.desk()
    assert judge(desk, "【星辰商城】" + HINTLESS) == ("tag", 402)
    assert judge(desk, "【星辰商城】" + SALE) == ("allow", 0)
    assert judge(desk, "【星辰商城】" + CODE) == ("allow", 0), "only marketing must tell"


# ---- hours


@pytest.mark.parametrize(
    ("hours", "at", "code"),
    [
        ("08:00-22:00", "2026-11-11T07:59:59", 403),
        ("08:00-22:00", "2026-11-11T08:00:00", 0),
        ("08:00-22:00", "2026-11-11T22:00:00", 403),
        ("20:00-02:00", "2026-11-11T01:59:00", 0),
        ("20:00-02:00", "2026-11-11T12:00:00", 403),
        ("09:00-11:00|14:00-18:00", "2026-11-11T12:00:00", 403),
        ("09:00-11:00|14:00-18:00", "2026-11-11T17:00:00", 0),
    ],
)
def test_marketing_hours(office: Office, hours: str, at: str, code: int) -> None:
    desk = office.desk(marketing_hours=hours)
    assert judge(desk, "【星辰商城】" + SALE, at)[1] == code
    assert judge(desk, "【星辰商城】" + CODE, at)[1] == 0, "only marketing has hours"


# ---- templates

TEMPLATED: Tables = {
    **registry.TABLES,
    "templates": [
        *registry.TABLES["templates"],
        {"id": "v1", "signature": "星辰商城", "enterprise": "mall", "category": "verification",
         "text": "您的验证码是{code}，5分钟内有效，请勿泄露给他人。"},
    ],
}  # fmt: skip


def test_a_text_that_fits_no_template_of_its_category_is_tagged(office: Office) -> None:
    desk = office.desk(TEMPLATED)
    assert judge(desk, "【星辰商城】" + CODE) == ("allow", 0)
    assert judge(desk, "【星辰商城】您的验证码是123456，请在页面输入，5分钟内有效。") == ("tag", 307)
    assert judge(desk, "【星辰商城】" + SALE) == ("allow", 0), "it has no templates for marketing"


@pytest.mark.parametrize(
    "code", ["全场五折限时抢购", "123456，双十一满300减50优惠券", "123456。低息贷款三分钟到账额度20万点击申请"]
)
def test_an_offer_in_the_variables_of_a_template_does_not_fit_it(office: Office, code: str) -> None:
    desk = office.desk(TEMPLATED, rules={"template_mismatch": {"action": "reject"}})
    assert judge(desk, f"【星辰商城】您的验证码是{code}，5分钟内有效，请勿泄露给他人。")[0] == "reject"


def test_a_template_that_speaks_of_an_offer_itself_fits(office: Office) -> None:
    text = "您购买的{item}已参加双十一满300减50优惠券全场五折活动，活动金额将原路退回。"
    row = {**TEMPLATED["templates"][-1], "category": "notification", "text": text}
    desk = office.desk({**TEMPLATED, "templates": [row]})
    assert judge(desk, "【星辰商城】" + text.format(item="羽绒服")) == ("allow", 0)
    assert desk.engine.category == NOTIFICATION


@pytest.mark.parametrize("ids", ["n", "s", "ns", "sn", "nns"])
@pytest.mark.parametrize("reader", ["张伟", "张伟\u3000", "🎉张伟"])
def test_an_offer_that_another_template_would_hold_goes_on_to_its_own(office: Office, ids: str, reader: str) -> None:
    base = {"signature": "星辰商城", "enterprise": "mall"}
    kinds = {
        "n": {**base, "category": "notification", "text": "尊敬的{name}，{content:200}"},
        "s": {**base, "category": "marketing/retail",
              "text": "尊敬的{name}，全场五折，满{a}减{b}，优惠券限时抢购，退订回T"},
    }  # fmt: skip
    rows = [{"id": f"{number}", **kinds[one]} for number, one in enumerate(ids)]
    desk = office.desk({**TEMPLATED, "templates": rows})
    message = f"【星辰商城】尊敬的{reader}，全场五折，满300减50，优惠券限时抢购，退订回T"
    assert judge(desk, message) == ("allow", 0)
    assert desk.engine.fitting == ("s" in ids)
    assert judge(desk, f"【星辰商城】尊敬的{reader}，您的包裹已到驿站") == ("allow", 0)


def templates_by_number(desk: Desk, signature: str, first: int = 10) -> list[Templates]:
    found = []
    for number in range(first, first + 20):
        desk.judge(Message("first", f"106900011{number:02}", NORTH, f"【{signature}】" + CODE, at=when(NOON)))
        assert desk.engine.grant.templates is not None
        found.append(desk.engine.grant.templates)
    return found


def test_a_signature_has_its_templates_once_on_however_many_numbers(office: Office) -> None:
    found = templates_by_number(office.desk(TEMPLATED), "星辰商城")
    assert all(templates is found[0] for templates in found)


def test_templates_are_bounded(office: Office) -> None:
    row = TEMPLATED["templates"][-1]
    rows = [
        {**row, "id": f"{signature}{number}", "signature": signature, "enterprise": enterprise}
        for signature, enterprise in (("星辰商城", "mall"), ("月光银行", "bank")) for number in range(3)
    ]  # fmt: skip
    desk = office.desk({**TEMPLATED, "templates": rows})
    shared = desk.revision.shared
    shared.most_templates = 5
    for first in (10, 40):
        for signature in ("星辰商城", "月光银行"):
            templates_by_number(desk, signature, first)
            assert [key[0] for key in shared.templates] == [signature]


# ---- frequency

LIMITS = {"verification": {"minute": 1, "hour": 3, "day": 4}}
ON = {"subscriber_frequency": {"action": "reject"}}


def test_frequency_by_natural_minute_hour_and_day(office: Office) -> None:
    desk = office.desk(frequency=LIMITS, rules=ON)
    times = [
        ("10:00:00", 0), ("10:00:59", 308), ("10:01:00", 0), ("10:02:00", 0), ("10:03:00", 308),
        ("11:00:00", 0), ("11:05:00", 308), ("23:59:00", 308),
    ]  # fmt: skip
    for time, code in times:
        assert judge(desk, "【星辰商城】" + CODE, f"2026-11-11T{time}")[1] == code, time
    assert judge(desk, "【星辰商城】" + CODE, "2026-11-12T00:00:00")[1] == 0


def test_frequency_is_by_subscriber_signature_and_category(office: Office) -> None:
    desk = office.desk(frequency=LIMITS, rules=ON)
    assert judge(desk, "【星辰商城】" + CODE)[1] == 0
    assert judge(desk, "【星辰商城】" + CODE, dest="+86" + NORTH)[1] == 308, "one person in every form"
    assert judge(desk, "【星辰商城】" + CODE, dest=SOUTH)[1] == 0
    assert judge(desk, "【星辰商城】" + SALE)[1] == 0
    assert judge(desk, "【验证专用】" + CODE)[1] == 0


def test_a_scheduled_message_counts_in_its_windows_and_leaves_the_present_ones_alone(office: Office) -> None:
    desk = office.desk(frequency=LIMITS, rules=ON)

    def scheduled(time: bytes) -> int:
        pdu = submit(OK, ucs2("【星辰商城】" + CODE), schedule=time, destination=NORTH.encode())
        return desk.judge(Message("first", OK, NORTH, "", at=when(NOON), pdu=pdu)).code

    assert judge(desk, "【星辰商城】" + CODE)[1] == 0
    assert [scheduled(b"261111130000032+") for _ in range(2)] == [0, 308]
    assert judge(desk, "【星辰商城】" + CODE)[1] == 308, "what comes at one does not make room at noon"
    assert [scheduled(b"261112120000032+") for _ in range(2)] == [0, 308]
    times = [("12:01", 0), ("12:02", 0), ("12:03", 308), ("13:01", 308)]
    assert [judge(desk, "【星辰商城】" + CODE, f"2026-11-11T{time}:00")[1] for time, _ in times] == [
        code for _, code in times
    ]


def test_one_subscriber_several_times_in_a_submit_multi(office: Office) -> None:
    desk = office.desk(frequency={"verification": {"day": 2}}, rules=ON)
    pdu = encode.submit_multi(
        1,
        source_addr=OK.encode(),
        data_coding=8,
        short_message=ucs2("【星辰商城】" + CODE),
        dest_address=[SmeAddress(1, 1, dest.encode()) for dest in (NORTH, SOUTH, NORTH, NORTH)],
    )
    assert desk.judge(Message("first", OK, NORTH, "", at=when(NOON), pdu=pdu)).code == 0
    assert len(desk.engine.refused) == 1, "the third"
    assert judge(desk, "【星辰商城】" + CODE)[1] == 308
    assert judge(desk, "【星辰商城】" + CODE, dest=SOUTH)[1] == 0


def test_what_went_through_others_counts(office: Office) -> None:
    one, other = (office.desk(frequency=LIMITS, rules=ON) for _ in range(2))
    one.engine.limits.shared = True
    for dest in (NORTH, SOUTH):
        judge(one, "【星辰商城】" + CODE, dest=dest)
    one.engine.limits.sweep()
    told = [row for most in (1, 5, 5) for row in one.engine.limits.take_reached(most)]
    assert [(row[1:], row[0][:13]) for row in told] == [
        ((int(when(NOON) + 8 * 3600) // 60, (1, 3, 4), 1), b"86" + dest.encode()) for dest in (SOUTH, NORTH)
    ]
    other.engine.limits.hear_reached(told)
    assert judge(other, "【星辰商城】" + CODE)[1] == 308
    other.engine.limits.sweep()
    assert other.engine.limits.take_reached(5) == []


def test_frequency_is_off_unless_set(office: Office) -> None:
    desk = office.desk(frequency=LIMITS)
    assert {judge(desk, "【星辰商城】" + CODE)[1] for _ in range(5)} == {0}


# ---- order


def test_neighbours(office: Office) -> None:
    """All of these are broken at once; with those before it off, each is named in its turn."""
    tables: Tables = {
        **TEMPLATED,
        "templates": [{**TEMPLATED["templates"][-1], "category": "marketing"}],
        "ports": [{**row, "categories": "verification"} for row in registry.TABLES["ports"]],
    }
    names = ["port_category", "template_mismatch", "subscriber_frequency", "consent_missing", "optout_hint_missing",
             "quiet_hours"]  # fmt: skip
    for place, code in enumerate([306, 307, 308, 400, 402, 403]):
        rules = {name: {"action": "allow" if n < place else "reject"} for n, name in enumerate(names)}
        rules["scope_category"] = {"action": "allow"}
        policy = {"rules": rules, "frequency": {"marketing": {"day": 1}}, "marketing_hours": "01:00-02:00"}
        desk = Desk(office.revision(tables, **policy), OWN_TAGS, Book())
        key = frequency_key("86" + NORTH, MARKETING, ucs2("星辰商城"))
        desk.engine.limits.reach((key, int(when(NOON) + 8 * 3600) // 60, (0, 0, 1), 1))
        assert judge(desk, "【星辰商城】" + HINTLESS) == ("reject", code)


# ---- profiles

DOUBLE_ELEVEN = {
    "name": "double eleven", "from": "2026-11-01", "until": "2026-11-11", "marketing_hours": "09:00-20:00",
    "unknown_category": "tag", "rules": {"optout_hint_missing": {"action": "reject"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-10-31T23:59:59", 0),
        ("2026-11-01T00:00:00", 403),
        ("2026-11-11T20:30:00", 403),
        ("2026-11-12T00:00:00", 0),
    ],
)
def test_a_profile_tightens_settings_between_its_dates(office: Office, at: str, code: int) -> None:
    desk = office.desk(profiles=[DOUBLE_ELEVEN])
    assert judge(desk, "【星辰商城】" + SALE, at)[1] == code


def test_a_profiles_rules_go_over_the_ordinary_ones_and_leave(office: Office) -> None:
    desk = office.desk(profiles=[DOUBLE_ELEVEN])
    for at, verdict in (
        ("2026-10-20T12:00:00", ("tag", 402)),
        ("2026-11-05T12:00:00", ("reject", 402)),
        ("2026-11-20T12:00:00", ("tag", 402)),
    ):
        assert judge(desk, "【星辰商城】" + HINTLESS, at) == verdict


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        ({"marketing_hours": "8-22"}, "policy.marketing_hours"),
        ({"frequency": {"adverts": {"day": 1}}}, "policy.frequency.adverts"),
        ({"profiles": [{**DOUBLE_ELEVEN, "until": "2026-10-01"}]}, "policy.profiles[1].until"),
        ({"profiles": [{**DOUBLE_ELEVEN, "from": "soon"}]}, "policy.profiles[1].from"),
        ({"profiles": [{**DOUBLE_ELEVEN, "rules": {"no_such": {}}}]}, "policy.profiles[1].rules.no_such"),
    ],
)
def test_what_is_wrong_is_named(policy: dict[str, object], place: str) -> None:
    (error,) = policy_errors(msgspec.convert(policy, PolicyOptions))
    assert error.startswith(place)
    assert not policy_errors(PolicyOptions())


@given(st.text(st.sampled_from("0159五分钟验证码是您的，.。a:/ t"), max_size=40), st.randoms(use_true_random=False))
def test_what_fits_does_not_depend_on_the_digits(text: str, random: Random) -> None:
    templates = Templates(
        [
            Template("a", 1, 0, "您的验证码是{code}，五分钟内有效"),
            Template("b", 2, 0, "{name:10}，a{url:link}。"),
            Template("c", 3, 0, "您的{x}"),
        ]
    )
    assert templates.digit_free and not Templates([Template("d", 1, 0, "5分钟{x}")]).digit_free
    other = "".join(random.choice("0123456789") if one in "0159" else one for one in text)
    for head in ("您的", "您的验证码是", ""):
        found, again = templates.match(head + text), templates.match(head + other)
        assert (found and found.id) == (again and again.id)
