"""Any bytes in any table: rows or problems, and nothing else. Any rows that agree: an image that gives them back."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.registry.build import BuildFailed, build
from portguard.registry.check import check_folder
from portguard.registry.image import Image
from portguard.registry.model import TABLES
from tests.registry.folder import SOUND, write

WORDS = 'port holder hub 1069 , " | : { } [ ] &a *a !!x # null true 1e9 【 2026-01-01 \\ud800 % ? > - ---'
TOKENS = [*WORDS.split(" "), "\n", "\r\n", "\r", "\0", "\t", " ", "'", "\u200b", "\ufeff", "\n- ", "\n---\n"]
tokens = st.lists(st.sampled_from(TOKENS), max_size=40)
hostile = st.binary(max_size=200) | tokens.map(lambda parts: "".join(parts).encode())


@pytest.mark.parametrize("extension", ["csv", "jsonl", "yaml"])
@settings(max_examples=60, deadline=None)
@given(content=hostile, table=st.sampled_from(list(TABLES)))
def test_any_bytes_in_a_table(extension: str, content: bytes, table: str) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder), {name: rows for name, rows in SOUND.items() if name != table})
        (Path(folder) / f"{table}.{extension}").write_bytes(content)
        review = check_folder(folder)
        review.settle()
        # A problem is one line that a person can read, whatever was in the file.
        assert all(line.isprintable() for line in review.errors.lines())


ids = st.sampled_from(["hub", "river", "tea", "mall", "telco", "nobody", ""])
numbers = st.sampled_from(["106900001", "1069000018", "10690000155", "1069", "106900001551", "1070", ""])
signatures = st.sampled_from(["青芽茶业", "山海商城", "青芽茶業", "x"])
dates = st.sampled_from(["", "2025-01-01", "2026-06-30", "2027-01-01"])
statuses = st.sampled_from(["", "active", "suspended", "revoked"])
flags = st.sampled_from(["", "true", "false"])
changes = st.fixed_dictionaries(
    {
        "ports": st.lists(
            st.fixed_dictionaries(
                {
                    "port": numbers,
                    "holder": ids,
                    "valid_from": dates,
                    "valid_until": dates,
                    "status": statuses,
                    "signature_per_extension": flags,
                }
            ),
            max_size=3,
        ),
        "subleases": st.lists(
            st.fixed_dictionaries(
                {
                    "port": numbers,
                    "lessor": ids,
                    "lessee": ids,
                    "exclusive": flags,
                    "valid_until": dates,
                    "status": statuses,
                }
            ),
            max_size=5,
        ),
        "signatures": st.lists(
            st.fixed_dictionaries(
                {"signature": signatures, "enterprise": ids, "valid_from": dates, "valid_until": dates}
            ),
            max_size=3,
        ),
        "scopes": st.lists(
            st.fixed_dictionaries(
                {"signature": signatures, "enterprise": ids, "port": numbers, "provider": ids | st.just("*")}
            ),
            max_size=3,
        ),
    }
)


def squared(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows with the same columns in each, as csv has them."""
    columns = {name: "" for row in rows for name in row}
    return [{**columns, **row} for row in rows]


@settings(max_examples=40, deadline=None)
@given(changes)
def test_any_rows_are_refused_or_come_back(rows: dict[str, list[dict[str, str]]]) -> None:
    tables = {name: squared([*SOUND[name], *rows.get(name, [])]) for name in SOUND}
    with TemporaryDirectory() as folder:
        try:
            built = build(write(Path(folder) / "registry", tables), Path(folder) / "out")
        except BuildFailed as failure:
            assert failure.errors
            return
        image = Image(built.path)
        for port in tables["ports"]:
            assert port["holder"] in [record.holder for record in image.ports(port["port"])]
        for scope in tables["scopes"]:
            assert scope["provider"] in [record.provider for record in image.scopes(scope["signature"], scope["port"])]
        for database in ("ports", "subleases", "signatures", "scopes"):
            assert sum(len(records) for _, records in image.records(database)) == len(tables[database])
        image.close()
