"""Edits of one row in the bytes of a file: what is written, and that nothing else is touched."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from portguard.registry import formats
from portguard.registry.edit import Edit, Edited, EditError, apply
from portguard.registry.model import TABLES
from portguard.registry.problems import Problems


def made(file: str, before: str, edit: Edit) -> str:
    """The file's text after the edit."""
    return apply(before.encode(), file, edit).content.decode()


def refused(file: str, before: str, edit: Edit) -> EditError:
    """The reason why there is no edit."""
    with pytest.raises(EditError) as caught:
        apply(before.encode(), file, edit)
    return caught.value


def change(table: str, where: dict[str, Any], line: int = 0, **row: Any) -> Edit:
    return Edit("change", table, where, row, line)


def add(table: str, **row: Any) -> Edit:
    return Edit("add", table, row=row)


def remove(table: str, line: int = 0, **where: Any) -> Edit:
    return Edit("remove", table, where, line=line)


class TestCsv:
    """Rows of csv."""

    PORTS = "port,holder,categories,status\n1069,hub,,active\n\n 10690 , hub ,\"verification|notification\",\n"

    def test_a_changed_row_keeps_the_others_to_the_byte(self) -> None:
        found = made("ports.csv", self.PORTS, change("ports", {"port": "1069"}, status="suspended"))
        assert found == self.PORTS.replace("1069,hub,,active", "1069,hub,,suspended")

    def test_lists_and_quotes(self) -> None:
        edit = change("ports", {"port": "10690", "holder": "hub"}, categories=["verification", "marketing/retail"])
        found = made("ports.csv", self.PORTS, edit)
        assert found == self.PORTS.replace('"verification|notification"', "verification|marketing/retail")

    def test_added_behind_the_last_row(self) -> None:
        found = made("ports.csv", self.PORTS + "\n\n", add("ports", holder="hub", port="1065", status="active"))
        assert found == self.PORTS + "1065,hub,,active\n\n\n"

    def test_added_where_the_last_line_has_no_end(self) -> None:
        before = "id,name\r\na,甲\r\nb,乙"
        assert made("enterprises.csv", before, add("enterprises", id="c", name="x,\"y")) == (
            before + '\r\nc,"x,""y"\r\n'
        )

    def test_removed(self) -> None:
        before = "﻿id,name\na,甲\nb,乙\n"
        assert made("enterprises.csv", before, remove("enterprises", id="a")) == "﻿id,name\nb,乙\n"
        assert made("enterprises.csv", before, remove("enterprises", id="b")) == "﻿id,name\na,甲\n"

    def test_a_missing_column_is_added_to_every_row(self) -> None:
        before = 'id,name\r\na,甲\r\n\r\nb,"乙"\r\nc,丙'
        found = made("enterprises.csv", before, change("enterprises", {"id": "b"}, status="revoked"))
        assert found == "id,name,status\r\na,甲,\r\n\r\nb,乙,revoked\r\nc,丙,"

    def test_a_missing_column_that_stays_blank_is_not(self) -> None:
        before = "signature,enterprise,valid_until\n甲乙,a,2026-01-01\n"
        edit = change("signatures", {"enterprise": "a"}, valid_until=None, valid_from="")
        found = made("signatures.csv", before, edit)
        assert found == "signature,enterprise,valid_until\n甲乙,a,\n"

    def test_a_row_of_several_lines(self) -> None:
        before = 'id,signature,enterprise,category,text\n1,甲乙,a,notification,"x\ny"\n2,甲乙,a,notification,z\n'
        found = made("templates.csv", before, change("templates", {"id": "1"}, text="u\nv"))
        assert found == before.replace("x\ny", "u\nv")
        assert made("templates.csv", before, remove("templates", id="1")) == (
            "id,signature,enterprise,category,text\n2,甲乙,a,notification,z\n"
        )

    def test_an_empty_file_gets_a_header(self) -> None:
        found = made("signatures.csv", "", add("signatures", signature="甲乙", enterprise="a"))
        assert found == "signature,enterprise,valid_from,valid_until,status\n甲乙,a,,,\n"


class TestJsonl:
    """Rows of jsonl."""

    BEFORE = (
        '{"port":"1069","holder":"hub","extension_digits":4}\n\n'
        '{"holder": "bank", "port": 10690, "categories": "a"}\n'
    )

    def test_changed(self) -> None:
        edit = change("ports", {"port": "1069"}, extension_digits=None, status="suspended")
        found = made("ports.jsonl", self.BEFORE, edit)
        assert found == self.BEFORE.replace('"extension_digits":4', '"status":"suspended"')

    def test_types_and_order_stay(self) -> None:
        edit = change("ports", {"port": 10690}, categories=["b"], signature_required=True)
        found = made("ports.jsonl", self.BEFORE, edit)
        assert found.splitlines()[2] == (
            '{"holder": "bank", "port": 10690, "categories": ["b"], "signature_required": true}'
        )
        assert found.splitlines()[:2] == self.BEFORE.splitlines()[:2]

    def test_added_and_removed(self) -> None:
        one = made("ports.jsonl", self.BEFORE.strip(), add("ports", port="1065", holder="星"))
        assert one == self.BEFORE + '{"port": "1065", "holder": "星"}\n'
        assert made("ports.jsonl", one, remove("ports", port="1065", holder="星")) == self.BEFORE
        assert made("ports.jsonl", "", add("ports", port="1065", holder="a")) == '{"port": "1065", "holder": "a"}\n'


YAML = """\
# ports of the operator - all of them
- port: "1069"   # the first
  holder: hub
  categories:
  - verification # codes
  - notification

  status: active

# the bank's
-   {port: "10690", holder: bank}
-
    port: '106900'
    holder: hub
    extension_digits:
    regions: [北京, "上海"]   # both
# the end
"""


class TestYaml:
    """Rows of yaml."""

    def test_scalars(self) -> None:
        edit = change("ports", {"port": "1069"}, holder="bank", status="suspended", categories=[])
        found = made("ports.yaml", YAML, edit)
        blank = '  categories: ""\n\n  status: suspended'
        assert found == YAML.replace("  holder: hub\n  categories", "  holder: bank\n  categories").replace(
            YAML[YAML.index("  categories") : YAML.index("\n\n# the bank")], blank
        )

    def test_a_list_of_lines_becomes_one_in_brackets(self) -> None:
        found = made("ports.yaml", YAML, change("ports", {"port": "1069"}, categories=["notification", "marketing/x"]))
        assert "  categories: [notification, marketing/x]\n\n  status: active\n" in found
        assert found.count("#") == YAML.count("#") - 1

    def test_new_fields(self) -> None:
        found = made("ports.yaml", YAML, change("ports", {"port": "1069"}, extension_digits=4))
        assert found == YAML.replace("  status: active\n", "  status: active\n  extension_digits: 4\n")
        found = made("ports.yaml", YAML, change("ports", {"holder": "bank"}, valid_until="2026-12-31", regions=["a b"]))
        assert found == YAML.replace("holder: bank}", 'holder: bank, regions: ["a b"], valid_until: 2026-12-31}')

    def test_a_blank_value_and_a_list_in_brackets(self) -> None:
        found = made("ports.yaml", YAML, change("ports", {"port": "106900"}, extension_digits=2, regions="上海|1"))
        assert found == YAML.replace("digits:\n", "digits: 2\n").replace('[北京, "上海"]', '[上海, "1"]')

    def test_removed(self) -> None:
        first = YAML.index("- port"), YAML.index("\n# the bank") + 0
        assert made("ports.yaml", YAML, remove("ports", port="1069")) == YAML[: first[0]] + YAML[first[1] :]
        assert made("ports.yaml", YAML, remove("ports", port="10690")) == YAML.replace(
            '-   {port: "10690", holder: bank}\n', ""
        )
        last = YAML.index("-\n"), YAML.index("# the end")
        assert made("ports.yaml", YAML, remove("ports", port="106900")) == YAML[: last[0]] + YAML[last[1] :]

    def test_added(self) -> None:
        found = made("ports.yaml", YAML, add("ports", port="1065", holder="no", regions=["北京"]))
        assert found == YAML.replace("# the end", '- port: "1065"\n  holder: "no"\n  regions: [北京]\n# the end')

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("", '- id: c\n  name: "1"\n'),
            ("# none yet", '# none yet\n- id: c\n  name: "1"\n'),
            ("[]\n", '[{id: c, name: "1"}]\n'),
            ("[{id: a}, {id: b}]", '[{id: a}, {id: b},\n {id: c, name: "1"}]'),
            ("---\n  - id: a\n...\n", '---\n  - id: a\n  - id: c\n    name: "1"\n...\n'),
            ("- id: a\r\n  name: |\r\n    x\r\n\r\n",
             '- id: a\r\n  name: |\r\n    x\r\n- id: c\r\n  name: "1"\r\n\r\n'),
            ("﻿- id: a", '﻿- id: a\n- id: c\n  name: "1"'),
        ],
    )
    def test_added_to_all_kinds_of_lists(self, before: str, after: str) -> None:
        assert made("enterprises.yaml", before, add("enterprises", id="c", name="1")) == after

    @pytest.mark.parametrize(
        ("id", "after"), [("a", "[{id: b}, {id: c}]"), ("b", "[{id: a}, {id: c}]"), ("c", "[{id: a}, {id: b}]")]
    )
    def test_removed_from_a_list_in_brackets(self, id: str, after: str) -> None:
        assert made("enterprises.yaml", "[{id: a}, {id: b}, {id: c}]", remove("enterprises", id=id)) == after

    def test_the_only_row_goes(self) -> None:
        assert made("enterprises.yaml", "# all\n- id: a\n# end\n", remove("enterprises", id="a")) == "# all\n# end\n"
        assert made("enterprises.yaml", "[ {id: a} ]", remove("enterprises", id="a")) == "[  ]"

    def test_block_scalars(self) -> None:
        before = "- id: a\n  name: >\n    x\n    y\n\n- id: b\n"
        assert made("enterprises.yaml", before, change("enterprises", {"id": "a"}, name="z")) == (
            "- id: a\n  name: z\n\n- id: b\n"
        )
        assert made("enterprises.yaml", before, change("enterprises", {"id": "a"}, status="revoked")) == (
            "- id: a\n  name: >\n    x\n    y\n  status: revoked\n\n- id: b\n"
        )


class TestRefusals:
    """Every edit that is not made says why."""

    BEFORE = "signature,enterprise,port,hours\n甲乙,a,1069,\n甲乙,a,1069,08:00-10:00\n丙丁,b,,\n"

    def test_several_rows(self) -> None:
        error = refused("scopes.csv", self.BEFORE, change("scopes", {"signature": "甲乙"}, port=""))
        assert (error.kind, error.field) == ("ambiguous", "where")
        assert [row["line"] for row in error.rows] == [2, 3]
        assert error.rows[1]["hours"] == ["08:00-10:00"]
        for more in ({"hours": None}, {"hours": ""}):
            found = made("scopes.csv", self.BEFORE, change("scopes", {"signature": "甲乙", **more}, port="1"))
            assert found == self.BEFORE.replace("1069,\n", "1,\n")
        found = made("scopes.csv", self.BEFORE, change("scopes", {"signature": "甲乙", "hours": "08:00-10:00"}, port=1))
        assert found == self.BEFORE.replace("1069,08", "1,08")
        assert made("scopes.csv", self.BEFORE, remove("scopes", 3, signature="甲乙")) == self.BEFORE.replace(
            "甲乙,a,1069,08:00-10:00\n", ""
        )

    @pytest.mark.parametrize(
        ("edit", "kind", "field", "message"),
        [
            (remove("scopes", signature="没有"), "absent", "where", "has no row with signature '没有'"),
            (remove("scopes", 4, signature="甲乙"), "absent", "where", "in row 4"),
            (remove("scopes", port="abc"), "absent", "where.port", "'abc' is no port that a row can have"),
            (remove("scopes"), "invalid", "where", "name the row"),
            (remove("scopes", sig="x"), "invalid", "where.sig", "is no field of scopes; it has signature"),
            (remove("scope", signature="x"), "invalid", "table", "did you mean scopes?"),
            (change("scopes", {"signature": "丙丁"}), "invalid", "row", "says nothing to change"),
            (change("scopes", {"signature": "丙丁"}, port=""), "unchanged", "", "says all of that already"),
            (change("scopes", {"signature": "丙丁"}, signature=None), "invalid", "row.signature", "is blank"),
            (change("scopes", {"signature": "丙丁"}, daily_cap=0), "invalid", "row.daily_cap", "a whole number from 1"),
            (change("scopes", {"signature": "丙丁"}, port=["1", "2"]), "invalid", "row.port", "a list is not taken"),
            (change("scopes", {"signature": "丙丁"}, port="1\n2"), "invalid", "row.port", "line break"),
            (change("scopes", {"signature": "丙丁"}, nothing=1), "invalid", "row.nothing", "is no field of scopes"),
            (add("scopes", signature="丙丁"), "invalid", "row.enterprise", "is blank"),
            (Edit("add", "scopes", {"signature": "a"}, {"signature": "a"}), "invalid", "where", "is nowhere yet"),
            (Edit("remove", "scopes", {"signature": "a"}, {"signature": "a"}), "absent", "where", "has no row"),
        ],
    )
    def test_reasons(self, edit: Edit, kind: str, field: str, message: str) -> None:
        error = refused("scopes.csv", self.BEFORE, edit)
        assert (error.kind, error.field) == (kind, field)
        assert message in str(error)

    def test_a_file_with_errors_is_not_edited(self) -> None:
        error = refused("scopes.csv", self.BEFORE + "a,b\n", remove("scopes", signature="丙丁"))
        assert (error.kind, str(error).startswith("scopes.csv:5: has 2 fields")) == ("unreadable", True)
        error = refused("scopes.yaml", "- *x\n", add("scopes", signature="丙丁", enterprise="a"))
        assert error.kind == "unreadable"

    def test_an_odd_layout_is_not_edited(self) -> None:
        assert refused("enterprises.yaml", "---\n...\n", add("enterprises", id="b")).kind == "layout"
        before = "--- [{id: a}]\n"
        assert made("enterprises.yaml", before, add("enterprises", id="b")) == "--- [{id: a},\n {id: b}]\n"


# ---- any table, any edit

_texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=0, max_size=12)
_rows = st.lists(
    st.fixed_dictionaries({
        "id": st.uuids().map(lambda id: f"e{id.hex[:8]}"),
        "name": _texts.map(str.strip),
        "status": st.sampled_from(["", "active", "suspended"]),
    }),
    min_size=1, max_size=6, unique_by=lambda row: row["id"],
)


def _csv(rows: list[dict[str, str]]) -> str:
    import csv

    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "name", "status"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _jsonl(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _yaml(rows: list[dict[str, str]]) -> str:
    return yaml.safe_dump(rows, allow_unicode=True, width=20)


WRITERS = {"enterprises.csv": _csv, "enterprises.jsonl": _jsonl, "enterprises.yaml": _yaml}


def _read(file: str, content: bytes) -> list[dict[str, Any]]:
    problems, stream = Problems(), io.BytesIO(content)
    if file.endswith("csv"):
        names = list(TABLES["enterprises"].__struct_fields__)
        rows = list(formats.read_csv(stream, file, problems, formats.Columns(names, ["id"])))
    elif file.endswith("jsonl"):
        rows = list(formats.read_jsonl(stream, file, problems))
    else:
        rows = list(formats.read_yaml(stream, file, problems))
    assert not problems.count
    return [row for _, row in rows]


@pytest.mark.parametrize("file", list(WRITERS))
@given(rows=_rows, name=_texts.map(str.strip), data=st.data())
def test_any_edit_of_any_table(file: str, rows: list[dict[str, str]], name: str, data: st.DataObject) -> None:
    content = WRITERS[file](rows).encode()
    picked = data.draw(st.integers(0, len(rows) - 1))
    wanted = [{field: value for field, value in row.items() if value} for row in rows]
    id = rows[picked]["id"]
    action = data.draw(st.sampled_from(["add", "change", "remove"]))
    if action == "add":
        edit = add("enterprises", id="new", name=name)
        wanted.append({"id": "new", "name": name} if name else {"id": "new"})
    elif action == "change":
        edit = change("enterprises", {"id": id}, name=name, status="revoked")
        wanted[picked] = {"id": id, "status": "revoked", **({"name": name} if name else {})}
    else:
        edit = remove("enterprises", id=id)
        del wanted[picked]
    found: Edited = apply(content, file, edit)
    assert _read(file, found.content) == wanted
    if action != "add":
        again = apply(found.content, file, add("enterprises", id="new"))
        assert _read(file, again.content) == [*wanted, {"id": "new"}]
