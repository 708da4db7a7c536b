"""Every cross-check, both ways: the sound registry passes, and the same with one thing wrong is refused for that."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.folder import Row, Tables, review, sound

Change = Callable[[Tables], None]


def row(table: str, index: int, **fields: str) -> Change:
    """A change of one row; a field the others lack is a column that is blank there."""

    def apply(tables: Tables) -> None:
        for name in fields:
            for other in tables[table]:
                other.setdefault(name, "")
        tables[table][index].update(fields)

    return apply


def more(table: str, **fields: str) -> Change:
    """One more row; fields not given are blank."""

    def apply(tables: Tables) -> None:
        names = dict.fromkeys([*tables[table][0], *fields], "")
        tables[table] = [{**names, **other} for other in tables[table]]
        tables[table].append({**names, **fields})

    return apply


def without(table: str) -> Change:
    def apply(tables: Tables) -> None:
        del tables[table]

    return apply


def errors(tmp_path: Path, *changes: Change) -> list[str]:
    return checked(tmp_path, *changes)[0]


def warnings(tmp_path: Path, *changes: Change) -> list[str]:
    found, warned = checked(tmp_path, *changes)
    assert found == []
    return warned


def checked(tmp_path: Path, *changes: Change) -> tuple[list[str], list[str]]:
    tables = sound()
    for change in changes:
        change(tables)
    result = review(tmp_path, tables)
    return result.errors.lines(), result.warnings.lines()


def test_the_sound_registry_has_neither_errors_nor_warnings(tmp_path: Path) -> None:
    assert checked(tmp_path) == ([], [])


REFUSED: list[tuple[Change, str]] = [
    # enterprises and accounts
    (more("enterprises", id="hub", name="X", kind="sp"), "enterprises.csv:7: id: 'hub' is the id of row 3 already"),
    (row("enterprises", 4, platform=""), "enterprises.csv:6: platform: is blank; a merchant names its platform"),
    (row("enterprises", 4, platform="hub"), "enterprises.csv:6: platform: the kind of 'hub' is sp, not platform"),
    (
        row("enterprises", 4, platform="mal"),
        "enterprises.csv:6: platform: 'mal' is no id in enterprises; did you mean mall?",
    ),
    (
        row("enterprises", 2, platform="mall"),
        "enterprises.csv:4: platform: only a merchant names a platform; this one's kind is sp",
    ),
    (
        more("accounts", system_id="hub01", enterprise="hub"),
        "accounts.csv:4: system_id: 'hub01' is the system_id of row 2 already",
    ),
    (row("accounts", 1, enterprise="nobody"), "accounts.csv:3: enterprise: 'nobody' is no id in enterprises"),
    (
        row("accounts", 1, networks="10.0.0.0/33|localhost"),
        "accounts.csv:3: networks: '10.0.0.0/33' is no network like 10.1.0.0/16 and no address",
    ),
    # ports
    (row("ports", 1, holder="nobody"), "ports.csv:3: holder: 'nobody' is no id in enterprises"),
    (
        row("ports", 1, valid_from="2026-02-01", valid_until="2026-01-31"),
        "ports.csv:3: valid_until: 2026-01-31 is before valid_from, 2026-02-01",
    ),
    (
        more("ports", port="106900001", holder="mall", valid_from="2026-12-31"),
        "ports.csv:4: port: 106900001 is in row 2 already, held by 'hub' on some of the same days; "
        "end that row with valid_until, or revoke it",
    ),
    (
        row("ports", 1, categories="advertising"),
        "ports.csv:3: categories: expected one of verification, notification, marketing, personal, got 'advertising'",
    ),
    (
        row("ports", 1, categories="marketing/fishing"),
        "ports.csv:3: categories: expected an industry of retail, finance",
    ),
    (row("ports", 1, regions="广西"), "ports.csv:3: regions: '广西' is no region in regions"),
    # subleases
    (row("subleases", 0, lessor="nobody"), "subleases.csv:2: lessor: 'nobody' is no id in enterprises"),
    (row("subleases", 1, lessee="nobody"), "subleases.csv:3: lessee: 'nobody' is no id in enterprises"),
    (
        row("subleases", 1, lessee="river"),
        "subleases.csv:3: lessee: 'river' is also the lessor; nobody leases to himself",
    ),
    (
        more("subleases", port="1068", lessor="hub", lessee="river"),
        "subleases.csv:4: port: no registered port covers 1068; a sublease is of a port on file or a longer one",
    ),
    (
        more("subleases", port="106900001", lessor="tea", lessee="mall"),
        "subleases.csv:4: lessor: 'tea' neither holds 106900001 nor leases it (port 106900001 is held by hub)",
    ),
    (
        # The carve-out is the mall's, whatever hub leases around it.
        more("subleases", port="10690000181", lessor="river", lessee="tea"),
        "subleases.csv:4: lessor: 'river' neither holds 10690000181 nor leases it (port 1069000018 is held by mall)",
    ),
    (
        more("subleases", port="10690000155", lessor="tea", lessee="river"),
        "subleases.csv:3: lessee: 'tea' gets back what it leases out itself (see row 4)",
    ),
    (
        more("subleases", port="1069000015", lessor="river", lessee="hub"),
        "subleases.csv:4: lessee: 'hub' gets back what it leases out itself (see row 2)",
    ),
    (
        more("subleases", port="106900001", lessor="hub", lessee="river"),
        "subleases.csv:4: port: the same sublease is in row 2 already, on some of the same days",
    ),
    (row("subleases", 0, categories="spam"), "subleases.csv:2: categories: expected one of verification"),
    # signatures
    (row("signatures", 0, enterprise="nobody"), "signatures.csv:2: enterprise: 'nobody' is no id in enterprises"),
    (
        more("signatures", signature="青芽茶业", enterprise="tea", valid_from="2030-01-01"),
        "signatures.csv:4: signature: '青芽茶业' is registered to 'tea' in row 2 already, on some of the same days",
    ),
    (
        row("signatures", 0, valid_from="2026-01-02", valid_until="2026-01-01"),
        "signatures.csv:2: valid_until: 2026-01-01 is before valid_from, 2026-01-02",
    ),
    # scopes
    (
        row("scopes", 0, enterprise="mall"),
        "scopes.csv:2: signature: '青芽茶业' is not registered to 'mall' in signatures",
    ),
    (row("scopes", 0, signature="青芽"), "scopes.csv:2: signature: '青芽' is not registered to 'tea' in signatures"),
    (row("scopes", 0, enterprise="nobody"), "scopes.csv:2: enterprise: 'nobody' is no id in enterprises"),
    (
        row("scopes", 1, provider=""),
        "scopes.csv:3: provider: is blank, and so is port; a scope without a port names its provider, or * for anyone",
    ),
    (row("scopes", 1, provider="nobody"), "scopes.csv:3: provider: 'nobody' is no id in enterprises"),
    (row("scopes", 0, port="1068"), "scopes.csv:2: port: no registered port covers 1068, and none begins with it"),
    (
        row("scopes", 0, port="1069"),
        "scopes.csv:2: provider: is blank, but no registered port covers 1069, so nobody may send on exactly that",
    ),
    (row("scopes", 0, categories="spam"), "scopes.csv:2: categories: expected one of verification"),
    (row("scopes", 0, regions="广西"), "scopes.csv:2: regions: '广西' is no region in regions"),
    (row("scopes", 0, hours="8-22|08:00-08:00"), "scopes.csv:2: hours: '8-22': hours like 08:00-22:00 are expected"),
    (row("scopes", 0, hours="08:00-08:00"), "scopes.csv:2: hours: '08:00-08:00': both ends are the same"),
    (
        row("scopes", 0, valid_from="2026-01-02", valid_until="2026-01-01"),
        "scopes.csv:2: valid_until: 2026-01-01 is before valid_from, 2026-01-02",
    ),
    (without("signatures"), "scopes.csv: scopes are of registered signatures, and there is no table signatures"),
    # templates, regions, words
    (
        more("templates", id="t1", signature="青芽茶业", enterprise="tea", category="personal", text="x"),
        "templates.csv:3: id: 't1' is the id of row 2 already",
    ),
    (
        row("templates", 0, enterprise="mall"),
        "templates.csv:2: signature: '青芽茶业' is not registered to 'mall' in signatures",
    ),
    (row("templates", 0, enterprise="nobody"), "templates.csv:2: enterprise: 'nobody' is no id in enterprises"),
    (row("templates", 0, category="spam"), "templates.csv:2: category: expected one of verification"),
    (
        row("templates", 0, text="您的{name已发货"),
        "templates.csv:2: text: a { or } is alone; a variable is written {name}",
    ),
    (row("templates", 0, text="您的{name:links}"), "templates.csv:2: text: {name:links} is no variable: expected"),
    (row("templates", 0, text="{a} {b}"), "templates.csv:2: text: is nothing but variables and would fit every text"),
    (
        more("regions", prefix="861380755", region="深圳"),
        "regions.csv:4: prefix: '861380755' is the prefix of row 2 already",
    ),
    (more("regions", prefix="00", region="深圳"), "regions.csv:4: prefix: '00' has no digits after its prefix"),
    (row("words", 0, category="spam"), "words.csv:2: category: expected one of verification"),
    (row("words", 0, word="茶"), "words.csv:2: word: a word needs 2 to 32 letters"),
    (
        more("words", word="秋茶", category="marketing/food", weight="1"),
        "words.csv:3: word: '秋茶' is in row 2 already",
    ),
]


@pytest.mark.parametrize(("change", "expected"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_refused(tmp_path: Path, change: Change, expected: str) -> None:
    found = errors(tmp_path, change)
    assert any(line.startswith(expected) for line in found), found


TAKEN: list[list[Change]] = [
    # one number, one holder after the other
    [more("ports", port="106900001", holder="mall", valid_from="2027-01-01")],
    # a revoked row is in nobody's way
    [more("ports", port="106900001", holder="mall", status="revoked")],
    [more("subleases", port="106900001", lessor="hub", lessee="river", status="revoked")],
    [more("subleases", port="10690000155", lessor="tea", lessee="river", status="revoked")],
    # the second sublease begins when the first is over
    [
        row("subleases", 0, valid_until="2025-12-31"),
        more("subleases", port="106900001", lessor="hub", lessee="river", valid_from="2026-01-01"),
    ],
    # no day on which both would be in force: no circle
    [
        row("subleases", 1, valid_until="2025-12-31"),
        more("subleases", port="10690000155", lessor="mall", lessee="river", valid_from="2026-01-01"),
        more("subleases", port="106900001", lessor="hub", lessee="mall"),
    ],
    # a lessee at some depth leases on what it has, and no more
    [more("subleases", port="106900001551", lessor="tea", lessee="mall")],
    # somebody whose own lease is over had something to lease: rule 102 answers, not the loader
    [row("subleases", 0, valid_until="2024-12-31")],
    # one text, two enterprises; one text again once the first registration has ended
    [
        more("signatures", signature="青芽茶业", enterprise="hub"),
        more("scopes", signature="青芽茶业", enterprise="hub", port="106900001"),
    ],
    [
        row("signatures", 0, valid_until="2025-12-31"),
        more("signatures", signature="青芽茶业", enterprise="tea", valid_from="2026-01-01"),
    ],
    # scopes above all ports of a provider, below a port, by anyone
    [row("scopes", 1, port="1069", provider="hub")],
    [row("scopes", 1, port="106900001999")],
    [row("scopes", 1, provider="*")],
    [row("scopes", 0, hours="22:00-06:00|12:00-24:00")],
    [row("words", 0, weight="-5")],
    # a weight of 0 takes a word of the shipped list out
    [row("words", 0, weight="0")],
    [without("words"), without("templates")],
]


@pytest.mark.parametrize("changes", TAKEN, ids=[str(i) for i in range(len(TAKEN))])
def test_taken(tmp_path: Path, changes: list[Change]) -> None:
    assert errors(tmp_path, *changes) == []


def test_an_exclusive_sublease_leaves_nothing_to_lease(tmp_path: Path) -> None:
    exclusive = more("subleases", port="1069000016", lessor="hub", lessee="mall", exclusive="true")
    assert errors(tmp_path / "1", exclusive) == []
    below = more("subleases", port="10690000161", lessor="hub", lessee="tea")
    expected = (
        "subleases.csv:5: lessor: 'hub' leases 1069000016 exclusively to 'mall' in row 4, "
        "and has no more to lease of it"
    )
    assert errors(tmp_path / "2", exclusive, below) == [expected]
    again = more("subleases", port="1069000016", lessor="hub", lessee="tea", exclusive="true")
    assert errors(tmp_path / "3", exclusive, again) == [expected]
    beside = more("subleases", port="1069000017", lessor="hub", lessee="tea")
    assert errors(tmp_path / "4", exclusive, beside) == []
    assert (
        errors(
            tmp_path / "5",
            exclusive,
            row("subleases", -1, valid_until="2025-01-01"),
            more("subleases", port="1069000016", lessor="hub", lessee="tea", valid_from="2025-01-02"),
        )
        == []
    )
    by_the_lessee = more("subleases", port="1069000016", lessor="mall", lessee="tea")
    assert errors(tmp_path / "6", exclusive, by_the_lessee) == []


def test_a_circle_of_three_is_reported_once(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        more("subleases", port="10690000155", lessor="tea", lessee="mall"),
        more("subleases", port="10690000155", lessor="mall", lessee="river"),
    )
    assert found == ["subleases.csv:3: lessee: 'tea' gets back what it leases out itself (see row 5, 4)"]


def test_all_errors_of_all_tables_at_once(tmp_path: Path) -> None:
    changes = [
        row("accounts", 0, enterprise="nobody", networks="x"),
        row("ports", 0, holder="nobody2", valid_until="2020-01-01"),
        row("scopes", 0, hours="25:00-26:00", regions="nowhere", categories="none", port="2"),
        row("words", 0, category="none"),
    ]
    fields = [line.split(": ")[:2] for line in errors(tmp_path, *changes)]
    for expected in (
        ["accounts.csv:2", "networks"],
        ["accounts.csv:2", "enterprise"],
        ["ports.csv:2", "holder"],
        ["ports.csv:2", "valid_until"],
        ["scopes.csv:2", "hours"],
        ["scopes.csv:2", "regions"],
        ["scopes.csv:2", "categories"],
        ["scopes.csv:2", "port"],
        ["words.csv:2", "category"],
    ):
        assert expected in fields


def test_a_table_with_errors_is_not_held_against_those_that_refer_to_it(tmp_path: Path) -> None:
    assert errors(tmp_path / "1", row("enterprises", 1, kind="hub")) == [
        "enterprises.csv:3: kind: 'hub' is not one of operator, sp, platform, merchant"
    ]
    assert errors(tmp_path / "2", row("ports", 0, extension_digits="many")) == [
        "ports.csv:2: extension_digits: 'many' is not a whole number from 0 to 20, or blank for 20 digits in all"
    ]
    assert errors(tmp_path / "3", row("signatures", 0, status="gone")) == [
        "signatures.csv:2: status: 'gone' is not one of active, suspended, revoked (blank: active)"
    ]
    assert errors(tmp_path / "4", row("regions", 0, prefix="abc"))[0].startswith("regions.csv:2: prefix: 'abc' is not")


WARNED: list[tuple[list[Change], str]] = [
    (
        [without("scopes")],
        "scopes: there is no such table: signatures may be used anywhere and for anything (rules 300",
    ),
    ([without("regions")], "scopes.csv:2: regions: there is no table regions, so '广东' limits nothing"),
    (
        [more("enterprises", id="lone", name="L", kind="sp"), more("accounts", system_id="lone01", enterprise="lone")],
        "accounts.csv:4: enterprise: 'lone' neither holds nor leases a port: this account can send nothing",
    ),
    ([more("signatures", signature="新茶", enterprise="tea")], "signatures.csv:4: signature: '新茶' has no scope"),
    (
        [
            more("signatures", signature="青 芽茶業".replace(" ", ""), enterprise="hub"),
            more("scopes", signature="青芽茶業", enterprise="hub", port="106900001"),
        ],
        "signatures.csv:4: signature: '青芽茶業' looks like '青芽茶业' of another enterprise in row 2",
    ),
    (
        [row("scopes", 0, provider="mall")],
        "scopes.csv:2: provider: 'mall' neither holds nor leases 10690000155: nobody can use this scope",
    ),
    ([more("scopes", **sound()["scopes"][0])], "scopes.csv:4: says the same as row 2"),
    (
        [
            row("ports", 0, signature_per_extension="true"),
            more("scopes", signature="山海商城", enterprise="mall", port="10690000155", provider="tea"),
        ],
        "scopes.csv:4: signature: 10690000155 keeps '青芽茶业', registered for it in row 2; '山海商城' cannot be used "
        "there until that row is revoked",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), WARNED, ids=[str(i) for i in range(len(WARNED))])
def test_warned(tmp_path: Path, changes: list[Change], expected: str) -> None:
    found = warnings(tmp_path, *changes)
    assert len(found) == 1
    assert found[0].startswith(expected), found


def test_without_signatures_and_scopes_only_ports_are_judged(tmp_path: Path) -> None:
    found = warnings(tmp_path, without("scopes"), without("signatures"), without("templates"))
    assert [line.split(":")[0] for line in found] == ["scopes", "signatures"]


def test_an_empty_table_is_warned_of(tmp_path: Path) -> None:
    def empty(tables: Tables) -> None:
        header: list[Row] = [{"system_id": "", "enterprise": ""}]
        tables["accounts"] = header

    assert warnings(tmp_path, empty) == ["accounts.csv: has no rows: every message will be refused"]


def test_one_enterprise_may_have_look_alikes_of_its_own(tmp_path: Path) -> None:
    changes = (
        more("signatures", signature="青芽茶業", enterprise="tea"),
        more("scopes", signature="青芽茶業", enterprise="tea", provider="*"),
    )
    assert warnings(tmp_path, *changes) == []


def test_a_revoked_scope_frees_its_number(tmp_path: Path) -> None:
    tables = sound()
    for change in (
        row("ports", 0, signature_per_extension="true"),
        row("scopes", 0, status="revoked"),
        more("scopes", signature="山海商城", enterprise="mall", port="10690000155", provider="tea"),
    ):
        change(tables)
    result = review(tmp_path, tables)
    assert result.warnings.lines() == []
    assert result.first_signatures == {"10690000155": "山海商城"}
