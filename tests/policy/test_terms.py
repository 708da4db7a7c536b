"""What signatures have in common is asked once: whoever is like another gets what would be found for it alone."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from portguard.policy.grant import Grant
from portguard.policy.revision import Revision
from portguard.policy.terms import Shared
from tests.policy.conftest import Office
from tests.policy.folder import Tables, when

ENTERPRISES = ("first", "second", "mall")
# The first has the ports; the second leases one of them, and mall has taken what begins with a longer one, but for what
# is longer still.
NUMBERS = (
    b"10690001", b"106900012", b"1069000123", b"10690002", b"106900021", b"10690003", b"106900031", b"1069000311",
)  # fmt: skip
LATER = [when(at) for at in ("2026-11-10T10:00", "2026-11-11T10:00", "2026-11-12T10:00")]

# Each differs from the others in one thing.
OWN: list[dict[str, object]] = [
    {}, {}, {"enterprise": "second"}, {"enterprise": "frozen"}, {"status": "suspended"}, {"status": "revoked"},
    {"valid_until": "2026-11-11"}, {"valid_from": "2026-11-11"}, {"valid_until": "2026-11-10"},
]  # fmt: skip
SCOPES: list[list[dict[str, object]]] = [
    [{"provider": "*"}],
    [{"port": "10690002"}],
    [{"provider": "second"}],
    [{"port": "10690001"}],
    [{"port": "106900012"}],
    [{"port": "106900031"}],
    [{"port": "106900012", "provider": "*"}],
    [{"port": "1069", "provider": "*"}],
    [{"port": "10690001", "provider": "*"}, {"port": "106900012"}],
    [{"provider": "*", "categories": "verification"}],
    [{"provider": "*", "hours": "08:00-20:00"}, {"provider": "*", "categories": "verification"}],
    [{"provider": "*", "regions": "beijing"}],
    [{"provider": "*", "daily_cap": 2}, {"provider": "*", "daily_cap": 3, "port": "1069"}],
    [{"provider": "*", "valid_until": "2026-11-11"}],
    [{"provider": "*", "status": "suspended"}],
    [{"port": "10690001", "valid_from": "2026-11-12"}],
    [],
]


def tables() -> Tables:
    """A signature for each way to be registered with each of some scopes, for every port and for some."""
    enterprises: list[dict[str, object]] = [{"id": id} for id in ENTERPRISES]
    made: dict[str, list[dict[str, object]]] = {
        "enterprises": [*enterprises, {"id": "frozen", "status": "suspended"}],
        "accounts": [{"system_id": id, "enterprise": id} for id in ENTERPRISES],
        "ports": [
            {"port": "10690001", "holder": "first"},
            {"port": "1069000123", "holder": "first"},
            {"port": "10690003", "holder": "first"},
            {"port": "10690002", "holder": "first", "signature_per_extension": "true", "extension_digits": 4},
        ],
        "subleases": [
            {"port": "10690001", "lessor": "first", "lessee": "second", "valid_until": "2026-11-11"},
            {"port": "106900012", "lessor": "first", "lessee": "mall", "exclusive": "true"},
        ],
        "regions": [{"prefix": "1391", "region": "beijing"}],
        "signatures": [],
        "scopes": [{"signature": "先到者", "enterprise": "mall", "port": "106900021", "provider": "*"}],
        "templates": [],
    }
    made["signatures"].append({"signature": "先到者", "enterprise": "mall"})
    for number, (own, scopes) in enumerate(product(OWN, SCOPES)):
        registered = {"signature": f"品牌{number}", "enterprise": "mall", **own}
        made["signatures"].append(registered)
        always = {**registered, "valid_from": "", "valid_until": "", "status": ""}
        made["scopes"] += [{**always, **scope} for scope in scopes]
    # Signatures of two enterprises, one of which may not be active, and one with a template.
    for signature, other in (("两家", "second"), ("一家", "frozen")):
        made["signatures"] += [{"signature": signature, "enterprise": id} for id in ("mall", other)]
        made["scopes"].append({"signature": signature, "enterprise": other, "provider": "*"})
    made["signatures"].append({"signature": "同样", "enterprise": "mall"})
    made["scopes"].append({"signature": "同样", "enterprise": "mall", "provider": "*"})
    made["templates"].append(
        {"id": "t", "signature": "同样", "enterprise": "mall", "category": "verification", "text": "{code}是验证码"}
    )
    return made


def found(revision: Revision, enterprise: str, number: bytes, signature: str, at: float) -> list[object]:
    """All that a grant says."""
    port = revision.port(enterprise, number, at)
    grant: Grant = revision.signature(port, enterprise, signature, at, bracketed=True)
    return [
        grant.hits, grant.enterprises, grant.owner(), grant.plain, grant.limited, grant.since, grant.until,
        grant.templated,
        [(s.owner, s.permits, s.regions, s.hours, s.cap, s.digits, s.categories, s.provider) for s in grant.scopes],
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_alike_gets_what_is_found_alone(office: Office, seed: int) -> None:
    on_file = tables()
    shared, alone = office.revision(on_file), office.revision(on_file)
    names = [f"品牌{number}" for number in range(len(OWN) * len(SCOPES))] + ["同样", "先到者", "两家", "一家"]
    asked = list(product(ENTERPRISES, NUMBERS, names, LATER))
    Random(seed).shuffle(asked)
    for question in asked[:5000]:
        alone.shared = Shared()
        assert found(shared, *question) == found(alone, *question), question


def test_a_signature_that_hundreds_have_registered(office: Office) -> None:
    ids = [f"shop{number}" for number in range(300)]
    made: dict[str, list[dict[str, object]]] = {
        "enterprises": [{"id": id} for id in ["first", *ids]],
        "accounts": [{"system_id": "first", "enterprise": "first"}],
        "ports": [{"port": "10690001", "holder": "first"}],
        "signatures": [{"signature": "重名", "enterprise": id, "valid_from": "2026-11-01"} for id in ids],
        "scopes": [{"signature": "重名", "enterprise": ids[-1], "provider": "*"}],
    }
    revision = office.revision(made)
    grant = revision.signature(revision.port("first", b"10690001", LATER[1]), "first", "重名", LATER[1], bracketed=True)
    assert (grant.hits, set(grant.enterprises), grant.owner()) == (0, set(ids), ids[-1])


def test_of_signatures_alike_one_is_asked(office: Office) -> None:
    revision = office.revision(tables())
    for number in (0, 1):
        for own in (1, 2):  # another enterprise has the second
            found(revision, "mall", NUMBERS[number], f"品牌{own * len(SCOPES) + 8}", LATER[1])
    assert sorted(map(len, revision.shared.alike.values())) == [2]
