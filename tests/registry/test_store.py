"""A store finds what was written and nothing else, however full its buckets are."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.registry.store import StoreFile, StoreWriter

pairs = st.dictionaries(st.binary(max_size=40), st.binary(max_size=400), max_size=60)


@settings(max_examples=60, deadline=None)
@given(pairs, pairs, st.lists(st.binary(max_size=40)))
def test_two_databases_give_back_what_was_put_in(
    one: dict[bytes, bytes], two: dict[bytes, bytes], others: list[bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        with StoreWriter(path) as writer:
            for name, content in (("one", one), ("two", two)):
                assert writer.write(name, sorted(content.items())) == len(content)
            writer.finish(7, {"meta": [1]})
        file = StoreFile(path)
        assert (file.format, bytes(file.meta)) == (7, b'{"meta":[1]}')
        for name, content in (("one", one), ("two", two)):
            store = file.store(name)
            for key in {*one, *two, *others}:
                assert store.get(key) == content.get(key)
            assert list(file.records(name)) == sorted(content.items())
        assert file.store("three").get(b"") is None
        assert list(file.records("three")) == []
        file.close()


def test_many_keys_and_a_large_value(tmp_path: Path) -> None:
    content = {b"%06d" % n: b"x" * (n % 300) for n in range(20_000)}
    content[b"large"] = b"y" * 5_000_000
    with StoreWriter(tmp_path / "s") as writer:
        writer.write("all", sorted(content.items()))
        writer.finish(1, None)
    file = StoreFile(tmp_path / "s")
    store = file.store("all")
    assert all(store.get(key) == value for key, value in content.items())
    assert not any(store.get(b"%06d" % n) for n in range(20_000, 40_000))
    assert dict(file.records("all")) == content
    file.close()


def test_a_hash_table_of_several_pieces(tmp_path: Path) -> None:
    keys = [b"%06d" % n for n in range(150_000)]
    with StoreWriter(tmp_path / "s") as writer:
        writer.write("all", ((key, key) for key in keys))
        writer.write("next", [(b"key", b"value")])
        writer.finish(1, None)
    file = StoreFile(tmp_path / "s")
    assert all(file.store("all").get(key) == key for key in keys)
    assert file.store("next").get(b"key") == b"value"
    file.close()
