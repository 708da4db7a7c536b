"""The catalogue's identities are frozen: codes, names and vendor positions never change or come again."""

from portguard.policy import grant
from portguard.policy.reasons import CATALOGUE, ORDINAL, RULE_BY_CODE, RULE_BY_NAME, rules_of

# name: (code, position). A line may be added; none may change or go.
FROZEN = {
    "port_unregistered": (100, 0), "port_not_assigned": (101, 1), "sublease_inactive": (102, 2),
    "sublease_depth": (103, 3), "port_inactive": (104, 4), "extension_too_long": (105, 5),
    "source_malformed": (106, 6),
    "enterprise_inactive": (107, 7), "text_undecodable": (150, 8), "body_ambiguous": (151, 9),
    "udh_malformed": (152, 10),
    "concat_orphan": (153, 11), "concat_conflict": (154, 12), "tag_spoofed": (155, 13), "signature_missing": (200, 14),
    "signature_malformed": (201, 15), "signature_multiple": (202, 16), "signature_disguised": (203, 17),
    "signature_unregistered": (204, 18), "signature_inactive": (205, 19), "scope_port": (300, 20),
    "scope_provider": (301, 21), "scope_category": (302, 22), "scope_region": (303, 23), "scope_hours": (304, 24),
    "scope_quota": (305, 25), "port_category": (306, 26), "template_mismatch": (307, 27),
    "subscriber_frequency": (308, 28), "consent_missing": (400, 29), "consent_revoked": (401, 30),
    "optout_hint_missing": (402, 31), "quiet_hours": (403, 32), "complaint_throttled": (500, 33),
    "complaint_suspended": (501, 34), "account_rate": (600, 35), "account_inactive": (601, 36),
}  # fmt: skip

# DESIGN: 600 and 601 come first of all, 106 before 100, 203 before 200; otherwise by code.
ORDER = [
    600, 601, 106, 100, 101, 102, 103, 104, 105, 107, 150, 151, 152, 153, 154, 155, 203, 200, 201, 202, 204, 205,
    300, 301, 302, 303, 304, 305, 306, 307, 308, 400, 401, 402, 403, 500, 501,
]  # fmt: skip


def test_identities_are_frozen() -> None:
    found = {rule.name: (rule.code, rule.position) for rule in CATALOGUE}
    assert {name: found.get(name) for name in FROZEN} == FROZEN


def test_codes_names_and_positions_are_unique() -> None:
    assert len(RULE_BY_CODE) == len(RULE_BY_NAME) == len({rule.position for rule in CATALOGUE}) == len(CATALOGUE)


def test_order_of_judgement() -> None:
    assert [rule.code for rule in CATALOGUE] == ORDER


def test_bits_of_the_engine_are_those_of_the_catalogue() -> None:
    bits = {int(name[4:]): value for name, value in vars(grant).items() if name.startswith("HIT_")}
    assert bits == {code: 1 << ORDINAL[code] for code in bits}
    assert {rule.code for rule in CATALOGUE} == set(bits)
    assert len(CATALOGUE) == grant.RULES


def test_rules_of_hits_come_in_the_order_of_judgement() -> None:
    hits = grant.HIT_204 | grant.HIT_203 | grant.HIT_600 | grant.HIT_106 | grant.HIT_100
    assert [rule.code for rule in rules_of(hits)] == [600, 106, 100, 203, 204]
