"""A revision answers as a slow model does that looks at every row, on any registry that passes the checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.policy.grant import Grant, PortGrant
from portguard.policy.reasons import CATALOGUE
from portguard.policy.revision import Revision
from portguard.policy.terms import EVERYTHING, NOTHING
from portguard.registry import pack
from portguard.registry.build import BuildFailed, build
from portguard.registry.image import Image
from tests.policy.folder import TIMEZONE, Tables, revision, when, write
from tests.policy.slow import Slow, SlowGrant, SlowPort

ENTERPRISES = ("a", "b", "c", "d")
STATUS = st.sampled_from(["", "", "", "suspended", "revoked"])
FROM = st.sampled_from(["", "", "2026-03-01", "2026-06-01"])
UNTIL = st.sampled_from(["", "", "2026-05-31", "2026-09-30"])
TIMES = [when(f"{day}T12:00") for day in ("2026-01-15", "2026-03-01", "2026-05-31", "2026-07-15", "2026-10-01")]
# Few digits, so that numbers cover each other in every way.
NUMBERS = ["1", "10", "101", "1011", "10111", "1012", "102", "11", "2"]
CALLED = [*NUMBERS, "3", "1010", "101111", "10129", "", "1" * 21, "1a", "1²"]
NAMES = ["云端商城", "云端商诚", "Shop云", "shop云", "月光"]
WRITTEN = [
    *NAMES, "ＳＨＯＰ云", "云·端商城", "雲端商城", "\u202e城商端云\u202c", "无", "没有这个", "云端商城云端商城云端商城",
]  # fmt: skip
CATEGORIES = st.sampled_from(["", "", "verification", "marketing/retail|notification", "marketing"])


def row(**fields: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(fields)


FLAG = st.sampled_from(["", "true"])
ENTERPRISE = st.sampled_from(ENTERPRISES)
NUMBER = st.sampled_from(NUMBERS)
NAME = st.sampled_from(NAMES)
REGIONS = st.sampled_from(["", "", "beijing", "beijing|shanghai"])
TABLES = {
    "ports": row(
        port=NUMBER, holder=ENTERPRISE, categories=CATEGORIES, regions=REGIONS, status=STATUS,
        extension_digits=st.sampled_from(["", "0", "2"]), signature_required=FLAG, signature_per_extension=FLAG,
        valid_from=FROM, valid_until=UNTIL,
    ),
    "subleases": row(
        port=NUMBER, lessor=ENTERPRISE, lessee=ENTERPRISE, exclusive=st.sampled_from(["", "", "", "true"]),
        categories=CATEGORIES, valid_from=FROM, valid_until=UNTIL, status=STATUS,
    ),
    "signatures": row(signature=NAME, enterprise=ENTERPRISE, valid_from=FROM, valid_until=UNTIL, status=STATUS),
    "scopes": row(
        signature=NAME, enterprise=ENTERPRISE, port=st.sampled_from(["", *NUMBERS]), categories=CATEGORIES,
        regions=REGIONS, hours=st.sampled_from(["", "", "08:00-22:00", "22:00-06:00|12:00-13:00"]),
        daily_cap=st.sampled_from(["", "", "5"]), provider=st.sampled_from(["", "", "*", *ENTERPRISES]),
        valid_from=FROM, valid_until=UNTIL, status=STATUS,
    ),
}  # fmt: skip
SIZES = {"ports": 5, "subleases": 7, "signatures": 5, "scopes": 8}


@st.composite
def registries(draw: st.DrawFn) -> Tables:
    """Tables that may contradict themselves."""
    tables: dict[str, list[dict[str, str]]] = {
        "enterprises": [{"id": id, "status": draw(STATUS)} for id in ENTERPRISES],
        "accounts": [{"system_id": "a", "enterprise": "a"}],
        "regions": [{"prefix": "1391", "region": "beijing"}, {"prefix": "1392", "region": "shanghai"}],
    }
    for name, rows in TABLES.items():
        if name in ("ports", "subleases") or draw(st.integers(0, 9)):
            tables[name] = draw(st.lists(rows, min_size=1, max_size=SIZES[name]))
        else:
            break
    tables["templates"] = [
        {"id": f"t{n}", "signature": r["signature"], "enterprise": r["enterprise"], "category": "notification",
         "text": "a{b}"}
        for n, r in enumerate(tables.get("signatures", [])[:1])
    ]  # fmt: skip
    return tables


@contextmanager
def built(tables: Tables) -> Iterator[tuple[Tables, Image]]:
    """The tables without the rows that the checks refuse, and their image."""
    left = {name: list(rows) for name, rows in tables.items()}
    with TemporaryDirectory() as place:
        while True:
            folder = Path(place) / "registry"
            write(folder, {name: rows for name, rows in left.items() if rows or name in ("ports", "scopes")})
            for name in left:
                if not left[name]:
                    (folder / f"{name}.csv").unlink(missing_ok=True)
            if not left["ports"]:
                (folder / "ports.csv").write_text("port,holder\n")
            try:
                image = Image(build(folder, Path(place) / "revisions", TIMEZONE, "86").path)
                break
            except BuildFailed as failure:
                refused = {(m[1], int(m[2])) for m in (re.match(r"(\w+)\.csv:(\d+):", e) for e in failure.errors) if m}
                if not refused:
                    left["scopes"] = []
                for name, rows in left.items():
                    left[name] = [r for number, r in enumerate(rows) if (name, number + 2) not in refused]
        try:
            yield {name: rows for name, rows in left.items() if rows}, image
        finally:
            image.close()


def codes(hits: int) -> set[int]:
    return {rule.code for place, rule in enumerate(CATALOGUE) if hits >> place & 1}


def same_port(port: PortGrant, slow: SlowPort) -> None:
    assert codes(int(port.hits)) == slow.hits
    assert (port.number, port.port, port.holder) == (slow.number, slow.port, slow.holder)
    assert (port.permits, set(port.regions), port.signature_required) == (slow.permits, slow.regions, slow.required)
    assert codes(int(port.unsigned().hits)) == ({200} if slow.required else set())
    assert (port.unsigned().plain, port.unsigned().registered) == (EVERYTHING, False)


def same_grant(grant: Grant, slow: SlowGrant, scoped: bool) -> None:
    assert codes(int(grant.hits)) == slow.hits
    assert (grant.signature, grant.registered, grant.own_width) == (slow.name, slow.registered, slow.own_width)
    assert set(grant.enterprises) == slow.enterprises
    kept = slow.scopes
    if {s.enterprise for s in kept} == {grant.owner()} and grant.plain == EVERYTHING:
        # What limits nothing is enough then.
        kept = [s for s in kept if not (s.regions or s.hours or s.cap)]
    assert [(grant.enterprises[s.owner], s.permits, set(s.regions), s.hours, int(s.cap)) for s in grant.scopes] == [
        (s.enterprise, s.permits, s.regions, s.hours, s.cap) for s in kept
    ]
    assert grant.limited == any(s.regions for s in kept)
    plain = NOTHING
    for scope in slow.scopes:
        if not (scope.regions or scope.hours or scope.cap):
            plain = bytes(a | b for a, b in zip(plain, scope.permits, strict=True))
    if slow.registered and scoped:
        assert grant.plain == plain
    assert (grant.templates is not None) == bool(slow.templates)


def compared(on_file: Revision, slow: Slow, enterprise: str, number: str, at: float, scoped: bool) -> None:
    port, expected = on_file.port(enterprise, number.encode("latin-1"), at), slow.port(enterprise, number, at)
    same_port(port, expected)
    for later in TIMES:
        # As long as a grant is kept, it must be right.
        if port.since <= later < port.until:
            same_port(port, slow.port(enterprise, number, later))
    for written in WRITTEN:
        for bracketed in (True, False):
            grant = on_file.signature(port, enterprise, written, at, bracketed=bracketed)
            answer = slow.signature(expected, enterprise, written, at, bracketed=bracketed)
            if answer.unsigned:
                assert grant is port.unsigned()
                continue
            same_grant(grant, answer, scoped)
            for later in TIMES:
                if grant.since <= later < grant.until:
                    now = slow.port(enterprise, number, later)
                    same_grant(grant, slow.signature(now, enterprise, written, later, bracketed=bracketed), scoped)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    registries(), st.sampled_from(TIMES), st.lists(st.sampled_from(CALLED), min_size=3, max_size=3, unique=True),
    st.sampled_from(["fold", "exact"]), st.integers(0, 2), st.sampled_from([pack.MOST_OCTETS, 0]),
)  # fmt: skip
def test_a_revision_answers_as_the_slow_model_does(
    tables: Tables, at: float, numbers: list[str], case: str, depth: int, most_octets: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # The scopes of a signature stand with it, or apart.
        patch.setattr(pack, "MOST_OCTETS", most_octets)
        compared_on_file(tables, at, numbers, case, depth)


def compared_on_file(tables: Tables, at: float, numbers: list[str], case: str, depth: int) -> None:
    with built(tables) as (left, image):
        on_file = revision(image, {"signature_case": case, "sublease_depth": depth})
        slow = Slow(left, depth, case)
        for number in numbers:
            for enterprise in (*ENTERPRISES, ""):
                compared(on_file, slow, enterprise, number, at, "scopes" in left)
