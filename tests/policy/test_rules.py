"""Rule settings: what is wrong with them, and what they come to for one account."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from portguard.policy.grant import Account
from portguard.policy.options import AccountOptions, PolicyOptions, TagOptions
from portguard.policy.reasons import ACTION_BY_NAME, CATALOGUE, ORDINAL, RULE_BY_NAME
from portguard.policy.rules import RuleSettings, policy_errors, status_number
from portguard.policy.terms import Bucket


def options(**policy: Any) -> PolicyOptions:
    """`[policy]` as the settings give it."""
    return msgspec.convert(policy, PolicyOptions)


def account(policy: PolicyOptions, system_id: str = "a", on_file: str = "") -> Account:
    """An account with its masks."""
    found = Account(system_id, Bucket())
    RuleSettings(policy).apply(found, on_file)
    return found


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"rules": {"no_such_rule": {}}}, "policy.rules.no_such_rule: unknown rule; the rules are account_inactive"),
        ({"rules": {"scope_port": {"status": "ESME_NO"}}}, "policy.rules.scope_port.status: unknown command_status"),
        ({"rules": {"scope_port": {"status": 0}}}, "policy.rules.scope_port.status: a refusal's command_status"),
        ({"rules": {"scope_port": {"status": 1 << 32}}}, "policy.rules.scope_port.status: a refusal's command_status"),
        ({"rules": {"scope_port": {"status": "ESME_ROK"}}}, "policy.rules.scope_port.status: a refusal's"),
        ({"accounts": {"a": {"rules": {"no": {}}}}}, "policy.accounts.a.rules.no: unknown rule"),
        ({"signature_min": 9, "signature_max": 8}, "policy.signature_min: is larger than policy.signature_max"),
        ({"source_ton_npi": [[1, 1], [256, 1]]}, "policy.source_ton_npi[1]: expected [ton, npi], each 0 to 255"),
    ],
)
def test_errors(policy: dict[str, Any], said: str) -> None:
    (found,) = policy_errors(options(**policy))
    assert found.startswith(said)
    with pytest.raises(ValueError, match="policy"):
        RuleSettings(options(**policy))


def test_every_error_at_once() -> None:
    assert len(policy_errors(options(rules={"a": {}, "b": {}}, signature_min=9, signature_max=8))) == 3


@pytest.mark.parametrize("wrong", [{"mode": "off"}, {"rules": {"scope_port": {"action": "drop"}}}, {"nonsense": 1}])
def test_what_the_types_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        options(**wrong)


@pytest.mark.parametrize("tag", [0x13FF, 0x4000])
def test_tags_stay_in_the_vendors_range(tag: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"verdict": tag}, TagOptions)


@pytest.mark.parametrize(
    ("status", "number"), [("ESME_RSUBMITFAIL", 0x45), (0x4A7, 0x4A7), (1, 1), (0xFFFFFFFF, 0xFFFFFFFF)]
)
def test_statuses(status: str | int, number: int) -> None:
    assert status_number(status) == number


def test_masks_say_of_every_rule_what_its_settings_say() -> None:
    policy = options(mode="enforce")
    settings = RuleSettings(policy)
    found = account(policy)
    for rule in CATALOGUE:
        bit, action = 1 << ORDINAL[rule.code], settings.action(rule, AccountOptions())
        assert action == rule.action
        assert bool(found.on & bit) == (action != ACTION_BY_NAME["allow"])
        assert bool(found.stop & bit) == (action >= ACTION_BY_NAME["discard"])
        assert bool(found.tag & bit) == (action == ACTION_BY_NAME["tag"])
        assert found.status[ORDINAL[rule.code]] == rule.status


def test_an_accounts_rule_goes_before_the_nodes_field_by_field() -> None:
    policy = options(
        mode="enforce", rules={"scope_port": {"action": "discard", "status": 7}},
        accounts={"a": {"rules": {"scope_port": {"action": "tag"}}}, "b": {"rules": {"scope_port": {"status": 9}}}},
    )
    ordinal = ORDINAL[RULE_BY_NAME["scope_port"].code]
    a, b = account(policy, "a"), account(policy, "b")
    assert (a.tag >> ordinal & 1, a.stop >> ordinal & 1, a.status[ordinal]) == (1, 0, 7)
    assert (b.tag >> ordinal & 1, b.discard >> ordinal & 1, b.status[ordinal]) == (0, 1, 9)


@pytest.mark.parametrize(
    ("node", "on_file", "own", "mode"),
    [
        ("monitor", "", None, "monitor"), ("monitor", "tag", None, "tag"), ("monitor", "tag", "enforce", "enforce"),
        ("enforce", "", "monitor", "monitor"), ("enforce", "monitor", "tag", "tag"),
    ],
)
def test_which_mode_counts(node: str, on_file: str, own: str | None, mode: str) -> None:
    policy = options(mode=node, accounts={"a": {"mode": own}} if own else {})
    assert RuleSettings(policy).mode("a", on_file) == mode
    found = account(policy, on_file=on_file)
    assert (bool(found.stop), bool(found.tag)) == {
        "enforce": (True, True), "tag": (False, True), "monitor": (False, False)
    }[mode]
