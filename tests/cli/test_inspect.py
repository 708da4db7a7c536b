"""`portguard inspect`: formats, times, rows that cannot be judged, and what it writes where."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portguard.cli.inspect import Inspection
from portguard.cli.root import portguard
from portguard.cli.rows import RawRow
from tests.cli.table import node, read_jsonl, write_csv, write_jsonl
from tests.policy.messages import CODE
from tests.policy.registry import AT, TABLES
from tests.policy.wire import submit, ucs2

GOOD: dict[str, object] = {
    "account": "first", "source_addr": "106900011", "destination_addr": "13910001234", "text": "【星辰商城】" + CODE,
}
VERDICT = ["action", "rule", "code", "signature", "category", "industry", "revision"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A portguard.toml beside the tests' registry."""
    return node(tmp_path, TABLES)


def inspect(config: Path, *arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(portguard, ["inspect", "-c", str(config), *map(str, arguments)], input=stdin)


# ---- formats

def test_the_same_row_and_the_verdict_after_it(config: Path, tmp_path: Path) -> None:
    row = {"id": 7, **GOOD, "note": {"kept": [1, None]}}
    result = inspect(config, "--at", AT, write_jsonl(tmp_path / "in.jsonl", [row]))
    assert result.exit_code == 0
    (found,) = read_jsonl(result.stdout)
    assert list(found) == [*row, *VERDICT]
    assert {name: found[name] for name in row} == row
    assert (found["action"], found["rule"], found["code"]) == ("allow", "", 0)
    assert (found["signature"], found["category"], found["industry"]) == ("星辰商城", "verification", "")
    assert len(str(found["revision"])) == 16


def test_csv_in_and_out(config: Path, tmp_path: Path) -> None:
    text = '【星辰商城】您好，\n"验证码"：1234，请勿泄露'
    source = write_csv(tmp_path / "in.csv", [{"id": "a", **GOOD, "text": text}, {"id": "b", **GOOD}])
    out = tmp_path / "out.csv"
    result = inspect(config, source, "-o", out)
    assert (result.exit_code, result.output) == (0, "")
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", *GOOD, *VERDICT]
    assert [(row["id"], row["action"]) for row in rows] == [("a", "allow"), ("b", "allow")]
    assert rows[0]["text"] == text


def test_what_comes_out_can_go_in_again(config: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [GOOD])
    first, second = tmp_path / "first.jsonl", tmp_path / "second.csv"
    assert inspect(config, "--at", AT, source, "-o", first).exit_code == 0
    assert inspect(config, "--at", AT, first, "-o", second).exit_code == 0
    assert second.read_text("utf-8").splitlines()[0] == ",".join([*GOOD, *VERDICT])
    assert inspect(config, "--at", AT, second).stdout.count("allow") == 1


@pytest.mark.parametrize("beginning", ["", "\n\n", "\ufeff"])
def test_stdin_tells_its_format_by_itself(config: Path, tmp_path: Path, beginning: str) -> None:
    lines = write_jsonl(tmp_path / "in", [GOOD]).read_text("utf-8")
    assert len(read_jsonl(inspect(config, "-", stdin=beginning + lines).stdout)) == 1
    if not beginning.isspace():
        cells = write_csv(tmp_path / "in", [GOOD]).read_text("utf-8")
        assert len(read_jsonl(inspect(config, "-", stdin=beginning + cells).stdout)) == 1


def test_a_format_that_is_told_goes_before_the_name(config: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.jsonl", [GOOD])
    assert inspect(config, source).exit_code == 1
    assert inspect(config, "--format", "csv", source).exit_code == 0


def test_nothing_in_nothing_out(config: Path) -> None:
    result = inspect(config, "--format", "jsonl", "-", stdin="")
    assert (result.exit_code, result.output) == (0, "")
    result = inspect(config, "-", stdin="account,source_addr,destination_addr,text\n")
    assert (result.exit_code, result.output) == (0, "")


def test_numbers_may_be_numbers(config: Path) -> None:
    line = line_of(source_addr=106900011, destination_addr=13910001234, text="[GoodTea]Hi", data_coding="0")
    (found,) = read_jsonl(inspect(config, "-", stdin=line).stdout)
    assert (found["action"], found["signature"]) == ("allow", "GoodTea")


def test_columns_that_come_late_are_left_out_of_csv_and_said(config: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [GOOD, {**GOOD, "late": 1}])
    out = tmp_path / "out.csv"
    result = inspect(config, source, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{out}: left out, the first row has no such column: late\n"
    assert len(list(csv.reader(io.StringIO(out.read_text("utf-8"))))) == 3


def test_a_whole_pdu_stands_in_for_the_fields(config: Path, tmp_path: Path) -> None:
    pdu = submit("106900011", ucs2("【无名小店】" + CODE))
    for write in (write_jsonl, write_csv):
        source = write(tmp_path / "in", [{"account": "first", "pdu": pdu.hex()}, {**GOOD, "pdu": pdu.hex().upper()}])
        result = inspect(config, source)
        assert [row["code"] for row in read_jsonl(result.stdout)] == [204, 204], result.stderr


# ---- times

@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-11-11T09:59:59", 0), ("2026-11-11T10:00:00", 304), ("2026-11-11T01:59:59Z", 0),
        ("2026-11-11T02:00:00+00:00", 304), ("2026-11-11 09:00", 0), ("20261111T090000", 0), ("2026-11-11", 304),
    ],
)
def test_a_time_without_a_zone_is_in_the_nodes(config: Path, at: str, code: int) -> None:
    row = {**GOOD, "text": "【星辰白天】" + CODE}
    cells = write_csv(config.parent / "in.csv", [row])
    assert read_jsonl(inspect(config, "--at", at, cells).stdout)[0]["code"] == code
    lines = write_jsonl(config.parent / "in.jsonl", [{**row, "at": at}])
    assert read_jsonl(inspect(config, "--at", "2026-11-11T12:00", lines).stdout)[0]["code"] == code


def test_rates_count_for_rows_that_say_when_they_arrived(config: Path, tmp_path: Path) -> None:
    slow = {**GOOD, "account": "slow"}
    source = write_jsonl(tmp_path / "in.jsonl", [slow] * 4)
    assert [row["code"] for row in read_jsonl(inspect(config, "--at", AT, source).stdout)] == [0, 0, 0, 0]
    source = write_jsonl(tmp_path / "in.jsonl", [{**slow, "at": AT}] * 4)
    assert [row["code"] for row in read_jsonl(inspect(config, source).stdout)] == [0, 0, 600, 600]


# ---- bad rows

def line_of(**fields: object) -> str:
    """A row with these fields in place of sound ones."""
    return json.dumps({"account": "first", "source_addr": "1", "destination_addr": "1", "text": "", **fields})


BAD_LINES = [
    ("{", "is no JSON object"),
    ("[]", "is no JSON object"),
    ('"x"', "is no JSON object"),
    ("{}", "account: is missing"),
    ('{"account":"first"}', "source_addr: is missing"),
    (line_of(text=None), "text: is missing"),
    (line_of(account=""), "account: '' is not a system_id"),
    (line_of(account=1), "account: '1' is not a system_id"),
    (line_of(source_addr=[]), "source_addr: '' is not a number"),
    (line_of(text=7), "text: '7' is not text"),
    (line_of(data_coding=256), "data_coding: '256' is not a data_coding from 0 to 255"),
    (line_of(data_coding="x"), "data_coding: 'x' is not a data_coding from 0 to 255"),
    (line_of(at="noon"), "at: 'noon' is not a time like 2026-11-11T09:30:00 or 2026-11-11T01:30:00Z"),
    (line_of(at=5), "at: '5' is not a time"),
    (line_of(source_addr="1" * 21), "source_addr: longer"),
    (line_of(source_addr="１０６９"), "source_addr: '１０６９' is not ASCII"),
    (line_of(text="中", data_coding=0), "text: "),
    (line_of(text="a", data_coding=4), "text: data_coding 0x04"),
    (line_of(text="\ud83d"), ""),
    (line_of(pdu="zz"), "pdu: is no hex"),
    (line_of(pdu=""), "pdu: is empty"),
    (line_of(pdu="00000010000000150000000000000001"), "pdu: expected one whole PDU"),
    (line_of(pdu="0000001000000004000000000000000100"), "pdu: "),
    (line_of(pdu="00000010000000040000000000000001"), "pdu: "),
    (line_of(pdu=submit("1", b"", schedule=b"x").hex()), "pdu: schedule_delivery_time"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_a_bad_row_is_named_and_the_others_go_on(config: Path, tmp_path: Path, line: str, message: str) -> None:
    good = write_jsonl(tmp_path / "good.jsonl", [GOOD]).read_text("utf-8")
    source = tmp_path / "in.jsonl"
    source.write_text(line + "\n" + good, encoding="utf-8")
    result = inspect(config, source)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{source}:1: {message}"), result.stderr
    assert len(read_jsonl(result.stdout)) == 1


def test_every_fault_of_a_row_is_named(config: Path) -> None:
    result = inspect(config, "-", stdin='{"source_addr":[],"data_coding":-1,"at":{}}')
    fields = [line.split(":")[2].strip() for line in result.stderr.splitlines()]
    assert fields == ["account", "source_addr", "data_coding", "at"]


def test_bad_csv_rows_are_named_by_the_line_on_which_they_begin(config: Path, tmp_path: Path) -> None:
    good = f"first,106900011,13910001234,【星辰商城】{CODE}\n".encode()
    source = tmp_path / "in.csv"
    source.write_bytes(
        b"account,source_addr,destination_addr,text\n" + good + b"first,1\n" + good
        + b'first,106900011,1,"two\nlines' + b"\xff" + b'"\n' + good + b"first,106900011,1,\xb2\xe2\n\n" + good
        + b",106900011,1,x\n"
    )
    result = inspect(config, source)
    assert result.exit_code == 1
    assert len(read_jsonl(result.stdout)) == 4
    said = [line.removeprefix(f"{source}:") for line in result.stderr.splitlines()]
    assert [line.partition(":")[0] for line in said] == ["3", "5", "8", "11"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "1: the header has no account, source_addr, destination_addr, text;"),
        ("account,source_addr,text\n", "1: the header has no destination_addr;"),
        ("source_addr,pdu\n", "1: the header has no account;"),
        ("account,pdu,pdu\n", "1: the header has pdu twice"),
        ("\x00\n", "1: the header has no"),
    ],
)
def test_a_header_that_will_not_do(config: Path, tmp_path: Path, header: str, message: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(header, encoding="utf-8")
    result = inspect(config, source)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{source}:{message}")


def test_a_header_that_is_not_utf8(config: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("账号,account".encode("gbk") + b"\n")
    result = inspect(config, source)
    assert (result.exit_code, "not UTF-8" in result.stderr) == (1, True)


def test_a_line_without_end_is_bounded(config: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n" + b" " * (3 << 20))
    result = inspect(config, source)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{source}:2: the line is longer than 1 MiB")


# ---- files

def test_no_such_file(config: Path, tmp_path: Path) -> None:
    result = inspect(config, tmp_path / "none.jsonl")
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path / 'none.jsonl'}: No such file or directory\n")


def test_the_input_is_never_overwritten(config: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [GOOD])
    result = inspect(config, source, "-o", source)
    assert result.exit_code == 2
    assert len(read_jsonl(source.read_text("utf-8"))) == 1


def test_a_folder_that_is_not_there(config: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [GOOD])
    result = inspect(config, source, "-o", tmp_path / "none" / "out.jsonl")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "No such file or directory" in result.stderr


def test_a_full_disk_is_said_plainly(config: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    source = write_jsonl(tmp_path / "in.jsonl", [GOOD] * 200)
    result = inspect(config, source, "-o", "/dev/full")
    assert (result.exit_code, result.stderr) == (1, "Error: /dev/full: No space left on device\n")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
@pytest.mark.parametrize("before", [None, "from before"])
def test_an_interrupt_leaves_no_half_of_a_file(
    config: Path, tmp_path: Path, name: str, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, seen = Inspection.judged, []

    def judged(self: Inspection, number: int, raw: RawRow, from_csv: bool) -> RawRow | None:
        seen.append(number)
        if len(seen) > 2:
            raise KeyboardInterrupt
        return judge(self, number, raw, from_csv)

    monkeypatch.setattr(Inspection, "judged", judged)
    source, folder = write_jsonl(tmp_path / "in.jsonl", [GOOD] * 9), tmp_path / "out"
    folder.mkdir()
    out = folder / name
    if before is not None:
        out.write_text(before)
    result = inspect(config, source, "-o", out)
    assert result.exit_code != 0
    assert f"{source}: interrupted after 2 rows; nothing is written to {out}\n" in result.stderr
    assert [path.read_text() for path in folder.iterdir()] == ([] if before is None else [before])
    monkeypatch.undo()
    out.unlink(missing_ok=True)
    out.touch(mode=0o640)
    assert inspect(config, source, "-o", out).exit_code == 0
    assert [(path, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()] == [(out, 0o640)]


def test_a_broken_registry_is_told_as_check_tells_it(config: Path, tmp_path: Path) -> None:
    (tmp_path / "registry" / "ports.csv").write_text("port,holder\nx,nobody\n", encoding="utf-8")
    result = inspect(config, write_jsonl(tmp_path / "in.jsonl", [GOOD]))
    assert result.exit_code == 1
    assert "ports.csv:2: port: " in result.stderr


@pytest.mark.parametrize("arguments", [["--at", "noon", "-"], ["--format", "xml", "-"], [], ["a", "b"], ["--no"]])
def test_wrong_usage(config: Path, arguments: list[str]) -> None:
    result = inspect(config, *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
