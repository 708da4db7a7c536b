"""What is written is read back, exactly; and a file that is no image is said to be none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from portguard.registry import octets
from portguard.registry.image import DATABASES, FILE, FORMAT, Image, ImageError, ImageWriter, Meta, image_key
from portguard.registry.records import ACTIVE, NO_LIMIT

EMPTY = Meta("0" * 16, "Asia/Shanghai", "86", {}, [], [], [], False, False)
OPEN = octets.Dates(0, NO_LIMIT, ACTIVE)


def written(folder: Path, meta: Meta = EMPTY, **databases: Mapping[str, Any]) -> Path:
    """An image of these entries by their keys, whose parts have NUL between them."""
    folder.mkdir(parents=True)
    writer = ImageWriter(folder)
    for database in DATABASES:
        entries = ((image_key(key), entry) for key, entry in databases.get(database, {}).items())
        writer.write(database, sorted(entries, key=lambda pair: pair[0]))
    writer.finish(meta)
    return folder


def lengths(ports: list[int] = [], subleases: list[int] = [], regions: list[int] = []) -> Meta:  # noqa: B006
    return Meta("0" * 16, "UTC", "86", {}, ports, subleases, regions, True, True)


def port(holder: str) -> bytes:
    return octets.port(holder, True, False, False, None, b"", "", OPEN)


def test_what_is_not_there_is_empty_whatever_was_asked_for(tmp_path: Path) -> None:
    image = Image(written(tmp_path / "i"))
    for text in ("", "x", "\0", "x" * 100_000, "\ud800"):
        assert image.account(text) is None
        assert image.enterprise(text) is None
        assert not any((image.ports(text), image.subleases(text), image.signatures(text), image.canonical(text)))
        assert not any((image.scopes(text, "1"), image.templates(text, text)))
    assert image.longest_port("1069") is None
    assert image.first_signature("1069") is None
    assert image.region("86") == ""
    assert not list(image.accounts())
    assert not image.words()
    image.close()


def test_the_longest_port_is_found_whatever_lies_between(tmp_path: Path) -> None:
    numbers = ["1", "106", "1069", "10690", "106955", "1069555", "2", "21"]
    meta = lengths(ports=[1, 2, 3, 4, 5, 6, 7])
    ports = {number: octets.port_entry(False, False, [port(f"of {number}")]) for number in numbers}
    image = Image(written(tmp_path / "i", meta, ports=ports))
    for number in ("1", "10", "106", "1069", "10691", "106900", "1069551", "1069556", "106955512345678901234", "219"):
        entry = image.longest_port(number)
        assert entry is not None
        expected = max((known for known in numbers if number.startswith(known)), key=len)
        assert [(row.port, row.holder) for row in entry.rows] == [(expected, f"of {expected}")]
    assert image.longest_port("3") is None
    image.close()


def test_the_longest_region_prefix(tmp_path: Path) -> None:
    regions = {"86": b"CN", "861380": b"North", "8613807": b"South"}
    image = Image(written(tmp_path / "i", lengths(regions=[2, 6, 7]), regions=regions))
    found = [image.region(digits) for digits in ("8613807551234", "8613801", "8613", "86", "8", "852")]
    assert found == ["South", "North", "CN", "CN", "", ""]
    image.close()


def test_two_readers_of_one_image_outlive_each_other(tmp_path: Path) -> None:
    folder = written(tmp_path / "i", regions={"86": b"CN"})
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
        writer.write("regions", [(b"2", b"x"), (b"1", b"y")])
    writer.close()


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digests = []
    for name, pairs in (("a", [(b"1", b"x")]), ("b", [(b"1", b"x")]), ("c", [(b"1", b"y")]), ("d", [(b"1x", b"")])):
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
    cut = written(tmp_path / "cut", regions={f"{n:06}": b"x" * 100 for n in range(2000)})
    content = (cut / FILE).read_bytes()
    (cut / FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="cut short"):
        Image(cut)
    (cut / FILE).write_bytes(content[:-20] + b"\0" * 20)
    with pytest.raises(ImageError, match="directory is damaged"):
        Image(cut)
    for rubbish in (b"rubbish" * 1000, b"", b"x"):
        (cut / FILE).write_bytes(rubbish)
        with pytest.raises(ImageError, match="no registry image"):
            Image(cut)
    (tmp_path / "unfinished").mkdir()
    writer = ImageWriter(tmp_path / "unfinished")
    writer.write("regions", [(b"86", b"CN")])
    writer.close()
    with pytest.raises(ImageError, match="never finished"):
        Image(tmp_path / "unfinished")


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    folder = written(tmp_path / "i")
    content = bytearray((folder / FILE).read_bytes())
    content[20] = FORMAT + 1
    (folder / FILE).write_bytes(content)
    with pytest.raises(ImageError, match=f"its format is {FORMAT + 1}, this version reads {FORMAT}"):
        Image(folder)
