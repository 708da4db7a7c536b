"""Files into rows: the three formats, and everything that can be wrong with a file."""

import os
from pathlib import Path

import pytest

from portguard.registry import model
from portguard.registry.load import Registry, load
from tests.registry.folder import sound, write

ROWS = "id,name,kind,platform\nhub,Hub,sp,\n"


def lines(folder: Path) -> list[str]:
    registry, problems = load(folder)
    rows_of(registry)
    return problems.lines()


def with_ports(tmp_path: Path, text: str | bytes, name: str = "ports.csv") -> Path:
    """A sound registry whose ports are this file."""
    tables = sound()
    del tables["ports"]
    folder = write(tmp_path / "registry", tables)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def rows_of(registry: Registry) -> dict[str, list[object]]:
    return {table.name: [row for _, row in table.numbered()] for table in registry.tables()}


def test_three_formats_give_the_same_rows(tmp_path: Path) -> None:
    loaded = []
    for extension in ("csv", "jsonl", "yaml"):
        registry, problems = load(write(tmp_path / extension, sound(), extension))
        assert problems.lines() == []
        loaded.append(rows_of(registry))
    assert loaded[0] == loaded[1] == loaded[2]
    assert loaded[0]["scopes"][0] == model.ScopeRow(
        signature="青芽茶业",
        enterprise="tea",
        port="10690000155",
        categories=("marketing/food",),
        regions=("广东",),
        hours=("08:00-22:00", "23:00-01:00"),
        daily_cap=10,
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "ports.csv",
            "port,holder,categories,extension_digits,signature_required\n106912345678,hub,notification|personal,8,true\n",
        ),
        (
            "ports.jsonl",
            '{"port": 106912345678, "holder": "hub", "categories": ["notification", "personal"], '
            '"extension_digits": 8, "signature_required": true, "regions": null}\n',
        ),
        (
            "ports.yaml",
            "- port: 106912345678\n  holder: hub\n  categories: [notification, personal]\n"
            "  extension_digits: 8\n  signature_required: true\n  regions:\n",
        ),
    ],
)
def test_types_as_each_format_writes_them(tmp_path: Path, name: str, text: str) -> None:
    registry, problems = load(with_ports(tmp_path, text, name))
    assert problems.lines() == []
    assert registry.ports.rows == [
        model.PortRow("106912345678", "hub", ("notification", "personal"), (), 8, True),
    ]


def test_a_number_of_20_digits_keeps_them_in_every_format(tmp_path: Path) -> None:
    number = "10691234567890123457"
    for name, text in (
        ("ports.csv", f"port,holder\n{number},hub\n"),
        ("ports.jsonl", f'{{"port": {number}, "holder": "hub"}}\n'),
        ("ports.yaml", f"- {{port: {number}, holder: hub}}\n"),
    ):
        registry, problems = load(with_ports(tmp_path / name, text, name))
        assert problems.lines() == []
        assert registry.ports.rows[0].port == number


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbfport , holder,status\r\n"106900001", hub ,\r\n\r\n,,\r\n1069000018,mall,suspended\r\n'
    registry, problems = load(with_ports(tmp_path, text))
    assert problems.lines() == []
    assert [(row.port, row.holder, row.status) for row in registry.ports.rows] == [
        ("106900001", "hub", "active"),
        ("1069000018", "mall", "suspended"),
    ]
    assert list(registry.ports.lines) == [2, 5]


def test_every_error_at_once(tmp_path: Path) -> None:
    tables = sound()
    tables["ports"] += [
        {"port": "1069x", "holder": "a b", "valid_from": "2026/01/01", "valid_until": "2026-02-30"},
        {"port": "", "holder": "hub", "valid_from": "", "valid_until": ""},
    ]
    tables["accounts"].append({"system_id": "sixteen-octets-x", "enterprise": "hub", "networks": "", "tps": "0"})
    tables["enterprises"].append({"id": "x", "name": "X", "kind": "bank", "platform": ""})
    assert lines(write(tmp_path, tables)) == [
        "accounts.csv:4: system_id: 'sixteen-octets-x' is not a system_id of 1 to 15 printable ASCII characters "
        "without spaces (SMPP 3.4 §5.2.1)",
        "accounts.csv:4: tps: '0' is not a whole number from 1, or blank for no limit",
        "enterprises.csv:7: kind: 'bank' is not one of operator, sp, platform, merchant",
        "ports.csv:4: port: '1069x' is not a number of 1 to 20 digits",
        "ports.csv:4: holder: 'a b' is not an id of 1 to 64 letters, digits or _ . : @ - (beginning with a letter, a "
        "digit or _)",
        "ports.csv:4: valid_from: '2026/01/01' is not a date like 2026-12-31, or blank",
        "ports.csv:4: valid_until: '2026-02-30' is not a date like 2026-12-31, or blank",
        "ports.csv:5: port: is blank; a number of 1 to 20 digits is expected",
    ]


HEADERS = [
    (
        "port,holder,hodler\n1,hub,x\n",
        "ports.csv:1: hodler: is no column of this table; it has port, holder, categories",
    ),
    ("port,holder,port\n1,hub,2\n", "ports.csv:1: port: the column is there twice"),
    ("port,status\n1,active\n", "ports.csv:1: holder: the column is missing"),
    ("port;holder\n1;hub\n", "ports.csv:1: port;holder: is no column of this table"),
    ("", "ports.csv: is empty: a header row is expected (port,holder,"),
    ("\n\n\n", "ports.csv: is empty: a header row is expected"),
    ("port,holder\n1,hub,3\n", "ports.csv:2: has 3 fields, the header has 2 (quote a field that has a comma)"),
    ('port,holder\n1,"hub\n2,hub\n', "ports.csv:2: a quote is opened here and not closed on its line"),
    ('port,holder\n1,"hub"x\n', "ports.csv:2: is not sound csv: "),
    ("port,holder\r1,hub\r", "ports.csv:1: a carriage return stands inside the line"),
    ("port,holder\n1,hu\0b\n", "ports.csv:2: holder: holds a control character, U+0000"),
    ("port,holder\n1,h\u200bub\n", "ports.csv:2: holder: holds an invisible character, U+200B ZERO WIDTH SPACE"),
    ('port,holder\n1,"h\nub"\n', "ports.csv:2: holder: holds a line break (is a quote left open?)"),
    (f"port,holder\n{'9' * 200_000},hub\n", "ports.csv:2: is not sound csv: field larger than field limit (131072)"),
    (
        f"port,holder\n{'9' * 100_000},hub\n",
        "ports.csv:2: port: '" + "9" * 60 + "... (100,000 characters)' is not a number",
    ),
    ("x" * (2 << 20), "ports.csv:1: the line is longer than 1 MiB; is this really a text file?"),
    ("port,holder,categories\n1,hub,a||b\n", "ports.csv:2: categories: '' is not a category"),
    ("port,holder,signature_required\n1,hub,maybe\n", "ports.csv:2: signature_required: 'maybe' is not true or false"),
]


@pytest.mark.parametrize(("text", "expected"), HEADERS)
def test_csv_that_is_wrong(tmp_path: Path, text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in lines(with_ports(tmp_path, text)))


def test_rows_after_a_bad_one_are_still_read(tmp_path: Path) -> None:
    text = b'port,holder\n1,hub\n\xb2\xe2,hub\n2,"hub"x\n3\n4,hub\n'
    registry, problems = load(with_ports(tmp_path, text))
    assert [row.port for row in registry.ports.rows] == ["1", "4"]
    assert list(registry.ports.lines) == [2, 6]
    assert problems.lines()[0] == (
        "ports.csv:3: byte 0xB2 at octet 1 is not UTF-8 (a file in GBK has to be saved as UTF-8)"
    )
    assert [problem.row for problem in problems.kept] == [3, 4, 5]
    assert not registry.ports.complete


def test_utf_16_is_named(tmp_path: Path) -> None:
    assert lines(with_ports(tmp_path, "port,holder\n1,hub\n".encode("utf-16"))) == [
        "ports.csv: is in UTF-16; save it as UTF-8"
    ]


JSON = [
    ("[1]", "ports.jsonl:1: a JSON object is expected on each line"),
    ("{port: 1}", "ports.jsonl:1: is not JSON: Expecting property name enclosed in double quotes at column 2"),
    ('{"port": "1", "port": "2", "holder": "hub"}', "ports.jsonl:1: port: the field is there twice"),
    ('{"port": {"a": 1}, "holder": "hub"}', "ports.jsonl:1: port: an object or a list of lists is not taken here"),
    (
        '{"port": ["1", "2"], "holder": "hub"}',
        "ports.jsonl:1: port: a list is not taken here; a number of 1 to 20 digits",
    ),
    ('{"port": 1.5, "holder": "hub"}', "ports.jsonl:1: port: '1.5' is not a number of 1 to 20 digits"),
    ('{"port": NaN, "holder": "hub"}', "ports.jsonl:1: port: 'NaN' is not a number of 1 to 20 digits"),
    ('{"port": "1", "hodler": "hub"}', "ports.jsonl:1: hodler: is no field of this table; did you mean holder?"),
    ('{"port": "1", "holder": "\\ud800"}', "ports.jsonl:1: holder: holds half of a surrogate pair"),
    ('{"port": "1", "holder": ' + "[" * 100_000, "ports.jsonl:1: is nested too deeply"),
]


@pytest.mark.parametrize(("text", "expected"), JSON)
def test_jsonl_that_is_wrong(tmp_path: Path, text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in lines(with_ports(tmp_path, text + "\n", "ports.jsonl")))


BOMB = "a: &a [x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(20))

YAML = [
    (BOMB, "ports.yaml:1: a list of rows is expected (- id: ...)"),
    ("- &a {port: 1, holder: hub}\n- *a\n", "ports.yaml:1: anchors and aliases (& and *) are not taken in a table"),
    ("- {port: *x, holder: hub}\n", "ports.yaml:1: anchors and aliases"),
    (
        "- {port: !!python/object/apply:os.getpid [], holder: hub}\n",
        "ports.yaml:1: tags (here 'tag:yaml.org,2002:python",
    ),
    ("- {port: 1, port: 2, holder: hub}\n", "ports.yaml:1: port: the field is there twice"),
    ("- {port: {a: b}, holder: hub}\n", "ports.yaml:1: port: a mapping or a list of lists is not taken here"),
    ("- {port: " + "[" * 5, "ports.yaml:1: port: a mapping or a list of lists is not taken here"),
    ("- {port: " + "[" * 5000, "ports.yaml:1: "),  # the yaml library may have a limit of its own
    ("- 1\n", "ports.yaml:1: a row with its fields is expected (- id: ...)"),
    ("port: 1\n", "ports.yaml:1: a list of rows is expected (- id: ...)"),
    ("- {port: 1, holder: hub}\n---\n- {port: 2, holder: hub}\n", "ports.yaml:2: a second document begins"),
    ("- port: 1\n   holder: hub\n", "ports.yaml:2: is not sound yaml: mapping values are not allowed in this context"),
    ("- port: 1\n\tholder: hub\n", "ports.yaml:2: is not sound yaml: "),
    ("- [port]\n", "ports.yaml:1: a row with its fields is expected"),
    ("- {[a]: b}\n", "ports.yaml:1: a field's name is expected"),
    ("- {port: 1, holder: hub, colour: red}\n", "ports.yaml:1: colour: is no field of this table"),
    ("- {port: 1}\n- {port: 2, holder: hub}\n- {holder: hub}\n", "ports.yaml:3: port: is blank"),
    ('- {port: "\\u0007", holder: hub}\n', "ports.yaml:1: port: holds a control character, U+0007"),
    ("- {port: \x07, holder: hub}\n", "ports.yaml: is not sound yaml: "),
]


@pytest.mark.parametrize(("text", "expected"), YAML)
def test_yaml_that_is_wrong(tmp_path: Path, text: str, expected: str) -> None:
    found = lines(with_ports(tmp_path, text, "ports.yaml"))
    assert any(line.startswith(expected) for line in found), found


def test_yaml_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    found = lines(with_ports(tmp_path, b"- {port: 1, holder: hub}\n- {port: 2, holder: \xc4\xe3}\n", "ports.yaml"))
    assert found[0].startswith("ports.yaml:2: byte 0xC4")


def test_empty_jsonl_and_yaml_are_tables_without_rows(tmp_path: Path) -> None:
    for name, text in (("ports.jsonl", ""), ("ports.yaml", ""), ("ports.yaml", "# none yet\n"), ("ports.yaml", "[]\n")):
        registry, problems = load(with_ports(tmp_path / name / str(len(text)), text, name))
        assert problems.lines() == []
        assert registry.ports and registry.ports.rows == []


def test_texts_may_hold_what_names_may_not(tmp_path: Path) -> None:
    tables = sound()
    tables["templates"][0]["text"] = "第一行\n👨\u200d👩\u3000{name}"
    assert lines(write(tmp_path, tables)) == []


def test_signatures_are_written_without_brackets_and_spaces(tmp_path: Path) -> None:
    tables = sound()
    tables["signatures"] += [
        {"signature": text, "enterprise": "tea", "valid_from": "", "valid_until": ""}
        for text in ("【青芽】", "[tea]", "青 芽", "x" * 65, "青\u200b芽")
    ]
    found = lines(write(tmp_path, tables))
    assert len(found) == 5
    assert (
        "'【青芽】' is not a signature of 1 to 64 characters without brackets or spaces (write it without 【】)"
        in found[0]
    )


def test_missing_tables_are_named(tmp_path: Path) -> None:
    assert lines(tmp_path) == [
        f"{name}.csv: there is no such file, nor {name}.jsonl or {name}.yaml; it is needed"
        for name in ("accounts", "enterprises", "ports")
    ]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert lines(tmp_path / "none") == [f"{tmp_path / 'none'}: the registry cannot be read: No such file or directory"]
    (tmp_path / "file").write_text("x")
    assert lines(tmp_path / "file") == [f"{tmp_path / 'file'}: is not a folder; the registry is a folder of tables"]


def test_files_that_look_like_tables_are_not_passed_over(tmp_path: Path) -> None:
    folder = write(tmp_path, sound())
    for name in ("signature.csv", "ports.yml", "ports.yaml", "colours.jsonl", "README.md", ".ports.csv", "ports.csv~"):
        (folder / name).write_text("")
    assert lines(folder) == [
        "colours.jsonl: is no table of the registry; the tables are enterprises, accounts, ports, subleases, "
        "signatures, scopes, templates, regions, words",
        "ports.yaml: the table is there twice, see ports.csv; keep one of them",
        "ports.yml: is not read; a table is ports.csv, ports.jsonl or ports.yaml",
        "signature.csv: is no table of the registry; did you mean signatures?",
    ]


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    tables = sound()
    for name in ("ports", "regions", "words", "scopes"):
        del tables[name]
    folder = write(tmp_path, tables)
    (folder / "ports.csv").mkdir()
    os.mkfifo(folder / "regions.csv")
    (folder / "words.csv").symlink_to("/dev/zero")
    (folder / "scopes.csv").symlink_to("nowhere")
    assert lines(folder) == [
        "ports.csv: is a folder; a table is a file",
        "regions.csv: is no plain file; a table is a file",
        "scopes.csv: cannot be read: No such file or directory",
        "words.csv: is no plain file; a table is a file",
    ]


def test_a_symlink_to_a_table_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "registry", sound())
    (folder / "ports.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "ports.csv").symlink_to(tmp_path / "elsewhere.csv")
    registry, problems = load(folder)
    assert problems.lines() == []
    assert len(registry.ports.rows) == 2


@pytest.mark.may_skip
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path, sound())
    (folder / "ports.csv").chmod(0)
    assert lines(folder) == ["ports.csv: cannot be read: Permission denied"]


def test_a_flood_of_errors_is_bounded(tmp_path: Path) -> None:
    text = "port,holder\n" + "x,hub\n" * 5000
    _, problems = load(with_ports(tmp_path, text))
    assert problems.count == 5000
    assert len(problems.lines()) == 1001
    assert problems.lines()[-1] == "ports.csv: ... and 4,000 more"


def test_a_cell_is_read_alike_whatever_stands_before_it(tmp_path: Path) -> None:
    odd = ["hub", " hub ", "hub\t", "h ub", "", "mall", "m\u200ball", "m\u3000all", "'hub'"]
    cells = [(port, holder) for port in ("1069", " 1069", "10x", "") for holder in odd]
    text = "port,holder\n" + "".join(f"{port},{holder}\n" for port, holder in cells)
    registry, problems = load(with_ports(tmp_path / "whole", text))
    found = []
    for place, (port, holder) in enumerate(cells):
        alone, alone_problems = load(with_ports(tmp_path / str(place), f"port,holder\n{port},{holder}\n"))
        found += [(place + 2, row) for row in alone.ports.rows]
        expected = [line.replace("ports.csv:2:", f"ports.csv:{place + 2}:") for line in alone_problems.lines()]
        assert [line for line in problems.lines() if line.startswith(f"ports.csv:{place + 2}:")] == expected
    assert list(registry.ports.numbered()) == found
    assert len(found) == 2 * 4
