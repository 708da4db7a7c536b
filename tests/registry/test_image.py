"""What is written is read back, exactly; and a file that is no image is said to be none."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portguard.registry.image import (
    DATABASES,
    FORMAT,
    NO_LIMIT,
    Image,
    ImageError,
    ImageWriter,
    Meta,
    PortRecord,
    image_key,
)

EMPTY = Meta("0" * 16, FORMAT, "Asia/Shanghai", "86", {}, [], [], [], [], False, False)


def written(folder: Path, meta: Meta = EMPTY, **databases: list[tuple[bytes, object]]) -> Path:
    folder.mkdir(parents=True)
    writer = ImageWriter(folder)
    for database in DATABASES:
        writer.write(database, databases.get(database, []))
    writer.finish(meta)
    return folder


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300)
records = st.lists(
    st.builds(
        PortRecord,
        port=texts,
        holder=texts,
        categories=st.lists(texts, max_size=2),
        regions=st.lists(texts, max_size=2),
        extension_digits=st.integers(-1, 20),
        signature_required=st.booleans(),
        signature_per_extension=st.booleans(),
        valid_from=st.integers(-(2**40), NO_LIMIT),
        valid_until=st.integers(-(2**40), NO_LIMIT),
        status=st.sampled_from(["active", "suspended", "revoked"]),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(texts, records, max_size=8))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, content: dict[str, list[PortRecord]]) -> None:
    pairs: list[tuple[bytes, object]] = sorted((image_key(key), value) for key, value in content.items())
    image = Image(written(tmp_path_factory.mktemp("image") / "i", ports=pairs))
    assert {key: image.ports(key) for key in content} == content
    assert len(list(image.records("ports"))) == len(content)
    image.close()


def test_what_is_not_there_is_empty_whatever_was_asked_for(tmp_path: Path) -> None:
    image = Image(written(tmp_path / "i"))
    for text in ("", "x", "\0", "x" * 100_000, "\ud800"):
        assert image.account(text) is None
        assert image.enterprise(text) is None
        assert not any((image.ports(text), image.subleases(text), image.signatures(text), image.canonical(text)))
        assert not any((image.scopes(text, text), image.templates(text, text)))
        assert image.first_signature(text) is None
        assert image.region(text) == ""
    assert not list(image.accounts())
    assert not image.words()
    image.close()


def test_the_longest_region_prefix(tmp_path: Path) -> None:
    pairs: list[tuple[bytes, object]] = [(b"86", "CN"), (b"861380", "North"), (b"8613807", "South")]
    meta = Meta("0" * 16, FORMAT, "UTC", "86", {}, [], [], [], [2, 6, 7], False, False)
    image = Image(written(tmp_path / "i", meta, regions=pairs))
    found = [image.region(digits) for digits in ("8613807551234", "8613801", "8613", "86", "8", "852")]
    assert found == ["South", "North", "CN", "CN", "", ""]
    image.close()


def test_two_readers_share_one_mapping_and_outlive_each_other(tmp_path: Path) -> None:
    folder = written(tmp_path / "i", regions=[(b"86", "CN")])
    first, second = Image(folder), Image(folder)
    first.close()
    assert list(second.records("regions")) == [(b"86", "CN")]
    second.close()
    third = Image(folder)
    third.warm()
    assert third.meta == EMPTY
    third.close()


def test_keys_out_of_order_are_a_fault_of_the_writer(tmp_path: Path) -> None:
    writer = ImageWriter(tmp_path)
    with pytest.raises(ValueError, match="ascending"):
        writer.write("regions", [(b"2", "x"), (b"1", "y")])
    writer.close()


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digests = []
    for name, pairs in (("a", [(b"1", "x")]), ("b", [(b"1", "x")]), ("c", [(b"1", "y")]), ("d", [(b"1x", "")])):
        (tmp_path / name).mkdir()
        writer = ImageWriter(tmp_path / name)
        writer.write("regions", pairs)
        digests.append((writer.digest("UTC"), writer.digest("Asia/Shanghai")))
        writer.close()
    assert digests[0] == digests[1]
    assert len({digest for pair in digests for digest in pair}) == 6


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        Image(tmp_path / "none")
    cut = written(tmp_path / "cut", regions=[(b"%06d" % n, "x" * 100) for n in range(2000)])
    content = (cut / "data.mdb").read_bytes()
    (cut / "data.mdb").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="cut short"):
        Image(cut)
    (cut / "data.mdb").write_bytes(b"\0" * 100_000)
    with pytest.raises(ImageError, match="no registry image"):
        Image(cut)
    (cut / "data.mdb").write_bytes(b"")
    with pytest.raises(ImageError, match="no registry image"):
        Image(cut)
    (tmp_path / "unfinished").mkdir()
    writer = ImageWriter(tmp_path / "unfinished")
    writer.write("regions", [(b"86", "CN")])
    writer.close()
    with pytest.raises(ImageError, match="cannot be used"):
        Image(tmp_path / "unfinished")


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    meta = Meta("0" * 16, FORMAT + 1, "UTC", "86", {}, [], [], [], [], False, False)
    with pytest.raises(ImageError, match=f"its format is {FORMAT + 1}, this version reads {FORMAT}"):
        Image(written(tmp_path / "i", meta))
