"""The builder as the process it is: what it prints, its exit codes, and what is left on the disk."""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from portguard.registry.build import build
from portguard.registry.image import FILE, AccountRecord, EnterpriseRecord, Image, TemplateRecord
from portguard.registry.on_file import readable
from portguard.registry.progress import Progress
from portguard.registry.records import NO_LIMIT
from portguard.sms.category import packed
from tests.registry.folder import sound, write
from tests.registry.generate import generate, port_number, signature_text

SAMPLE = Path(__file__).parents[2] / "config" / "registry"


def run(*arguments: object, before: Callable[[], None] | None = None) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON it printed, and stderr."""
    process = subprocess.run(
        [sys.executable, "-m", "portguard.registry.build", *map(str, arguments)],
        cwd=SAMPLE.parents[1],
        capture_output=True,
        timeout=120,
        preexec_fn=before,
        check=False,
    )
    return process.returncode, json.loads(process.stdout), process.stderr.decode()


def midnight(date: str) -> int:
    return int(datetime.fromisoformat(f"{date}T00:00:00+08:00").timestamp())


def test_a_sound_registry(tmp_path: Path) -> None:
    code, result, errors = run(write(tmp_path / "registry", sound()), tmp_path / "out")
    assert (code, errors) == (0, "")
    assert result["warnings"] == []
    assert result["counts"]["ports"] == 2
    assert result["path"] == str(tmp_path / "out" / result["revision"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", result["revision"]]
    assert [path.name for path in Path(result["path"]).iterdir()] == [FILE]


def test_a_wrong_registry(tmp_path: Path) -> None:
    tables = sound()
    tables["ports"][1]["holder"] = "nobody"
    tables["accounts"][0]["tps"] = "fast"
    code, result, _ = run(write(tmp_path / "registry", tables), tmp_path / "out")
    assert code == 1
    assert result["errors"] == [
        "accounts.csv:2: tps: 'fast' is not a whole number from 1, or blank for no limit",
        "ports.csv:3: holder: 'nobody' is no id in enterprises",
    ]
    assert not (tmp_path / "out").exists()


def test_everything_on_file_is_in_the_image(tmp_path: Path) -> None:
    tables = sound()
    for row in tables["ports"]:
        row["signature_per_extension"] = "true"
    image = Image(build(write(tmp_path / "registry", tables), tmp_path / "out").path)
    assert image.account("hub01") == AccountRecord(
        "hub01", "hub", ["10.0.0.0/8", "::1/128"], "", 0, 100, "gsm7", False, "active"
    )
    assert [account.system_id for account in image.accounts()] == ["hub01", "tea01"]
    assert image.enterprise("tea") == EnterpriseRecord("tea", "Tea", "merchant", "mall", "active")
    assert [readable(row) for row in image.ports("106900001")] == [
        {
            "port": "106900001",
            "holder": "hub",
            "categories": [],
            "regions": [],
            "extension_digits": -1,
            "signature_required": False,
            "signature_per_extension": True,
            "valid_from": midnight("2024-01-01"),
            "valid_until": midnight("2027-01-01"),
            "status": "active",
        }
    ]
    assert [readable(row) for row in image.subleases("10690000155")] == [
        {
            "port": "10690000155",
            "lessor": "river",
            "lessee": "tea",
            "exclusive": False,
            "categories": [],
            "filing": "",
            "valid_from": 0,
            "valid_until": NO_LIMIT,
            "status": "active",
        }
    ]
    assert [readable(row) for row in image.signatures("青芽茶业")] == [
        {
            "signature": "青芽茶业",
            "enterprise": "tea",
            "valid_from": 0,
            "valid_until": NO_LIMIT,
            "status": "active",
        }
    ]
    assert [readable(row) for row in image.scopes("青芽茶业", "10690000155")] == [
        {
            "signature": "青芽茶业",
            "enterprise": "tea",
            "port": "10690000155",
            "categories": ["marketing/food"],
            "regions": ["广东"],
            "hours": [(480, 1320), (1380, 60)],
            "daily_cap": 10,
            "provider": "",
            "valid_from": 0,
            "valid_until": NO_LIMIT,
            "status": "active",
        }
    ]
    assert [scope.provider for scope in image.scopes("山海商城", "")] == ["mall"]
    assert image.templates("青芽茶业", "tea") == [TemplateRecord("t1", "notification", "您的茶{name}已发货")]
    assert image.canonical("青芽茶业") == ["青芽茶业"]
    assert image.first_signature("10690000155") == "青芽茶业"
    assert (image.region("8613807551234"), image.region("8613800101234"), image.region("8613900000000")) == (
        "广东",
        "北京",
        "",
    )
    assert image.words() == [("秋茶", "marketing/food", 3)]
    meta = image.meta
    assert (meta.port_lengths, meta.sublease_lengths, meta.region_lengths) == ([9, 10], [9, 11], [9])
    assert (meta.has_signatures, meta.has_scopes, meta.timezone, meta.country) == (True, True, "Asia/Shanghai", "86")
    assert meta.counts == {name: len(rows) for name, rows in tables.items()}
    image.close()


def test_the_revision_is_of_the_content_and_not_of_its_form(tmp_path: Path) -> None:
    names = set()
    for extension in ("csv", "jsonl", "yaml"):
        names.add(build(write(tmp_path / extension, sound(), extension), tmp_path / "out").revision)
    assert len(names) == 1
    tables = sound()
    tables["accounts"].reverse()
    names.add(build(write(tmp_path / "reversed", tables), tmp_path / "out").revision)
    assert len(names) == 1
    tables["accounts"][0]["tps"] = "101"
    names.add(build(write(tmp_path / "changed", tables), tmp_path / "out").revision)
    names.add(build(tmp_path / "csv", tmp_path / "out", timezone="UTC").revision)
    names.add(build(tmp_path / "csv", tmp_path / "out", country="65").revision)
    del tables["scopes"], tables["templates"]
    names.add(build(write(tmp_path / "fewer", tables), tmp_path / "out").revision)
    assert len(names) == 5


def test_the_same_revision_again_is_not_written_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "registry", sound())
    first = Path(build(folder, tmp_path / "out").path)
    before = (first / FILE).stat()
    serving = Image(first)
    assert Path(build(folder, tmp_path / "out").path) == first
    assert (first / FILE).stat().st_ino == before.st_ino
    serving.close()
    (first / FILE).write_bytes(b"rubbish")
    assert Path(build(folder, tmp_path / "out").path) == first
    Image(first).close()


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "out" / ".building").mkdir(parents=True)
    (tmp_path / "out" / ".building" / FILE).write_bytes(b"half")
    built = build(write(tmp_path / "registry", sound()), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", built.revision]


def test_two_builds_at_once_both_come_out_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "registry", sound())
    command = [sys.executable, "-m", "portguard.registry.build", str(folder), str(tmp_path / "out")]
    processes = [subprocess.Popen(command, cwd=SAMPLE.parents[1], stdout=subprocess.PIPE) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert results[0]["path"] == results[1]["path"]
    Image(results[0]["path"]).close()


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, 256 << 10))


def test_a_full_disk_is_said_plainly_and_leaves_nothing(tmp_path: Path) -> None:
    folder = generate(tmp_path / "registry", 5000, 500)
    code, result, errors = run(folder, tmp_path / "out", before=limit_file_size)
    assert (code, errors) == (1, "")
    assert len(result["errors"]) == 1
    assert result["errors"][0].startswith(f"{tmp_path / 'out'}: the revision cannot be written: ")
    assert "is the disk full?" in result["errors"][0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_an_output_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    code, result, _ = run(write(tmp_path / "registry", sound()), tmp_path / "out")
    assert code == 1
    assert result["errors"] == [f"{tmp_path / 'out'}: the revision cannot be written: File exists"]


def test_a_time_zone_that_is_none(tmp_path: Path) -> None:
    code, result, _ = run(write(tmp_path / "registry", sound()), tmp_path / "out", "--timezone", "Mars/Olympus")
    assert code == 1
    assert result["errors"] == ["node.timezone: 'Mars/Olympus' is no time zone on this machine (like Asia/Shanghai)"]


def test_20_000_ports_and_500_signatures(tmp_path: Path) -> None:
    built = build(generate(tmp_path / "registry", 20_000, 500), tmp_path / "out")
    assert built.warnings == []
    image = Image(built.path)
    assert image.ports(port_number(19_999))[0].extension_digits == 8
    assert image.scopes(signature_text(499), port_number(499))[0].categories == packed(["verification", "notification"])
    assert image.meta.counts["ports"] == 20_000
    image.close()


def test_very_many_scopes_of_one_signature_are_all_there(tmp_path: Path) -> None:
    tables = sound()
    first = tables["scopes"][0]
    tables["scopes"] += [{**first, "port": f"10690000155{n:04}", "hours": ""} for n in range(500)]
    tables["scopes"].append({**first, "port": "106900001550007", "hours": "", "daily_cap": "9"})
    image = Image(build(write(tmp_path / "registry", tables), tmp_path / "out").path)
    assert sum(len(rows) for _, rows in image.records("scopes")) == len(tables["scopes"])
    assert [row.port for row in image.covering_scopes("青芽茶业", "1069000015500079")] == [
        "106900001550007",
        "106900001550007",
        "10690000155",
    ]
    assert [row.daily_cap for row in image.scopes("青芽茶业", "106900001550007")] == [10, 9]
    image.close()


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    progress = Progress(lambda share, what: told.append((share, what)), seconds=0.0)
    build(generate(tmp_path / "registry", 5000, 2500), tmp_path / "out", progress=progress)
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < 0.2
    assert 0.9 < shares[-1] <= 1.0
    steps = list(dict.fromkeys(what for _, what in told))
    assert {"reading ports.csv", "reading scopes.csv", "writing ports", "writing signatures"} <= set(steps)
    code, _, errors = run("--progress", tmp_path / "registry", tmp_path / "again")
    assert code == 0
    assert all(re.fullmatch(r"\d+% (reading|writing) \S+", line) for line in errors.splitlines())


def test_the_sample_registry_has_neither_errors_nor_warnings(tmp_path: Path) -> None:
    built = build(SAMPLE, tmp_path)
    assert built.warnings == []
    assert built.counts["enterprises"] >= 8
