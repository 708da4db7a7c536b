"""What a snapshot is made of: counts over all processes, accounts, and numbers that nobody may read."""

from portguard.daemon.orders import Session
from portguard.daemon.showing import Counted, _accounts, _alert, _smscs, _violation
from portguard.daemon.snapshot import AccountView, SmscView, Times, Verdicts
from portguard.telemetry.sources import Reading

PHONE = "13912345678"


def link(account: str, owed: int, smsc: str = "a") -> Session:
    return Session(f"1-{owed}", account, "127.0.0.1", "BOUND_TRX", 0.0, smsc, owed)


def test_counts_by_their_names() -> None:
    counted = Counted([
        Reading("portguard_messages", "", "counter", "sum", ("action", "rule", "category"), [
            (("reject", "scope_category", "marketing"), 2.0), (("reject", "scope_category", "notification"), 3.0),
            (("allow", "", "verification"), 4.0),
        ]),
        Reading("portguard_decision_seconds", "", "histogram", "sum", (), [], ([0.1], [3, 1], 0.5)),
        Reading("portguard_connections_refused", "", "counter", "sum", ("reason",), [
            (("full",), 2.0), (("tls",), 0.0),
        ]),
    ])  # fmt: skip
    assert counted.verdicts() == [Verdicts("allow", "", 4), Verdicts("reject", "scope_category", 5)]
    assert counted.times("decision_seconds") == Times([0.1], [3, 1], 0.5)
    assert counted.times("relay_seconds") == Times()
    assert counted.keyed("connections_refused") == {"full": 2}
    assert (counted.sum("messages"), counted.sum("mqtt_connected"), counted.has("mqtt_connected")) == (9, 0, False)


def test_accounts_are_those_that_are_bound_or_have_sent() -> None:
    sessions = [link("a", 3), link("a", 4), link("b", 0), link("", 0, "")]
    found = _accounts(sessions, {"b": [10, 1, 2, 7, 0], "gone": [10, 0, 0, 10, 1]})
    assert found == [
        AccountView("b", 1, 0, 10, 1, 2, 7, 0), AccountView("gone", 0, 0, 10, 0, 0, 10, 1), AccountView("a", 2, 7),
    ]  # fmt: skip
    assert _smscs({"a": "up", "b": "refused"}, sessions) == [SmscView("a", "up", 3, 7), SmscView("b", "refused", 0, 0)]


def test_numbers_of_subscribers_are_masked() -> None:
    plain = _violation({"at": 1.0, "account": "a", "number": PHONE, "subscriber": "86" + PHONE, "digest": "x"})
    assert PHONE not in str(plain)
    assert "digest" not in plain
    hashed = {"subscriber": "ab12cd", "number": "1066000031"}
    assert _violation(hashed) == hashed
    assert PHONE not in str(_alert({"alert": "x", "summary": f"many to {PHONE}", "evidence": {"sample": PHONE}}))
