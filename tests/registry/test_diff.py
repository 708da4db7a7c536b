"""What changed between two revisions: rows added, removed, changed; nothing for what is the same."""

from pathlib import Path

from portguard.registry.build import build
from portguard.registry.diff import IDENTITY, RegistryDiff, diff, summary
from portguard.registry.image import Image
from portguard.registry.model import TABLES
from portguard.registry.revisions import prune, revisions
from tests.registry.folder import Tables, sound, write


def lines(tmp_path: Path, old: Tables, new: Tables) -> list[str]:
    images = [
        Image(build(write(tmp_path / name, tables), tmp_path / "out").path)
        for name, tables in (("old", old), ("new", new))
    ]
    found = [change.line("Asia/Shanghai") for change in diff(*images)]
    for image in images:
        image.close()
    return found


def test_the_same_content(tmp_path: Path) -> None:
    assert lines(tmp_path, sound(), sound()) == []


def test_every_table_has_an_identity() -> None:
    assert list(IDENTITY) == list(TABLES)
    for table, names in IDENTITY.items():
        assert set(names) <= set(TABLES[table].__struct_fields__)


def test_changes_of_every_kind(tmp_path: Path) -> None:
    new = sound()
    new["ports"][0].update(valid_from="2025-01-01", valid_until="")
    new["ports"].append({"port": "106900002", "holder": "telco", "valid_from": "", "valid_until": ""})
    new["signatures"].append({"signature": "山海商城", "enterprise": "hub", "valid_from": "", "valid_until": ""})
    new["scopes"][0].update(hours="09:00-22:00", categories="")
    new["scopes"].append({**new["scopes"][1], "provider": "*"})
    del new["templates"][0]
    new["templates"].append(
        {
            "id": "t2",
            "signature": "青芽茶业",
            "enterprise": "tea",
            "category": "notification",
            "text": "您的茶{name}已发货",
        }
    )
    new["regions"][0]["region"] = "深圳"
    new["scopes"][0]["regions"] = "深圳"
    new["words"][0]["weight"] = "5"
    assert lines(tmp_path, sound(), new) == [
        "ports: changed 106900001 hub: valid_from 2024-01-01 -> 2025-01-01, valid_until 2026-12-31 -> open",
        "ports: added 106900002 telco",
        "signatures: added 山海商城 hub",
        "scopes: added 山海商城 mall *",
        "scopes: changed 青芽茶业 tea 10690000155: categories marketing/food -> (blank), regions 广东 -> 深圳, "
        "hours 08:00-22:00|23:00-01:00 -> 09:00-22:00",
        "templates: removed t1",
        "templates: added t2",
        "regions: changed 861380755: region 广东 -> 深圳",
        "words: changed 秋茶 marketing/food: weight 3 -> 5",
    ]


def many_scopes(tables: Tables, count: int) -> Tables:
    """One signature with so many scopes that they stand apart from it."""
    first = tables["scopes"][0]
    tables["scopes"] += [{**first, "port": f"10690000155{n:04}", "hours": "08:00-22:00"} for n in range(count)]
    return tables


def test_changes_among_very_many_scopes_of_one_signature(tmp_path: Path) -> None:
    old, new = many_scopes(sound(), 500), many_scopes(sound(), 500)
    assert lines(tmp_path / "same", old, many_scopes(sound(), 500)) == []
    new["scopes"][100]["daily_cap"] = "11"
    del new["scopes"][200]
    new["scopes"].append({**new["scopes"][0], "port": "106900001559"})
    expected = [
        "scopes: changed 青芽茶业 tea 106900001550098: daily_cap 10 -> 11",
        "scopes: removed 青芽茶业 tea 106900001550198",
        "scopes: added 青芽茶业 tea 106900001559",
    ]
    assert lines(tmp_path / "changed", old, new) == expected
    few = sound()
    found = lines(tmp_path / "few", few, old)
    assert len(found) == 500
    assert all(line.startswith("scopes: added 青芽茶业 tea 10690000155") for line in found)


def test_the_way_back_is_the_reverse(tmp_path: Path) -> None:
    new = sound()
    del new["words"], new["accounts"][0]
    assert lines(tmp_path / "1", sound(), new) == ["accounts: removed hub01", "words: removed 秋茶 marketing/food"]
    assert lines(tmp_path / "2", new, sound()) == ["accounts: added hub01", "words: added 秋茶 marketing/food"]


def summed(tmp_path: Path, old: Tables, new: Tables, most: int) -> RegistryDiff:
    built = [build(write(tmp_path / name, tables), tmp_path / "out") for name, tables in (("a", old), ("b", new))]
    before, after = Image(built[0].path), Image(built[1].path)
    found = summary(before, after, most)
    before.close()
    after.close()
    return found


def test_a_summary_counts_everything_and_shows_the_first(tmp_path: Path) -> None:
    new = sound()
    new["ports"][0].update(valid_until="", signature_required="true")
    new["scopes"][0].update(hours="09:00-22:00", daily_cap="")
    del new["templates"]
    found = summed(tmp_path, sound(), new, 2)
    assert found.counts == {
        "ports": {"added": 0, "removed": 0, "changed": 1},
        "scopes": {"added": 0, "removed": 0, "changed": 1},
        "templates": {"added": 0, "removed": 1, "changed": 0},
    }
    assert (len(found.changes), found.left_out, found.old != found.new) == (2, 1, True)
    port, scope = found.changes
    assert port.old == {
        "port": "106900001", "holder": "hub", "valid_from": "2024-01-01", "valid_until": "2026-12-31",
        "status": "active",
    }
    assert port.new == {
        "port": "106900001", "holder": "hub", "signature_required": True, "valid_from": "2024-01-01",
        "status": "active",
    }
    assert port.line == (
        "ports: changed 106900001 hub: signature_required (blank) -> true, valid_until 2026-12-31 -> open"
    )
    assert (scope.old["hours"], scope.new["hours"]) == (["08:00-22:00", "23:00-01:00"], ["09:00-22:00"])
    assert (scope.old["daily_cap"], "daily_cap" in scope.new) == (10, False)
    assert summed(tmp_path / "same", new, new, 2).changes == []


def test_revisions_are_kept_newest_first_and_pruned(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert revisions(out) == []
    names = []
    for number in range(5):
        tables = sound()
        tables["accounts"][0]["tps"] = str(number + 1)
        names.append(build(write(tmp_path / str(number), tables), out).revision)
    assert [path.name for path in revisions(out)] == names[::-1]
    build(tmp_path / "0", out)
    assert revisions(out)[0].name == names[0]
    assert sorted(prune(out, {names[1]}, newest=2)) == sorted([names[2], names[3]])
    assert {path.name for path in revisions(out)} == {names[0], names[1], names[4]}
