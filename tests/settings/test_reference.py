"""config/REFERENCE.md: every setting is on it, as the code has it."""

import re
from pathlib import Path

import msgspec
from msgspec import inspect

from portguard.settings.reference import reference
from portguard.settings.schema import Settings

PAGE = Path(__file__).parents[2] / "config" / "REFERENCE.md"


def test_the_page_is_up_to_date() -> None:
    """If not: python -m portguard.settings.reference > config/REFERENCE.md"""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_key_has_its_line_and_words() -> None:
    """A key is named in the words of its section, or of one that it is like."""
    page = reference()
    seen: set[type] = set()

    def look(kind: inspect.Type) -> None:
        match kind:
            case inspect.StructType() if kind.cls not in seen:
                seen.add(kind.cls)
                words = "".join(base.__doc__ or "" for base in kind.cls.__mro__ if base not in (msgspec.Struct, object))
                for field in kind.fields:
                    assert re.search(rf"[`.\[]{field.encode_name}[`.\]]|{field.encode_name} = ", page), field
                    # What is a section has words of its own; those of all signs stand with [complaints.signs].
                    told = isinstance(field.type, inspect.StructType) or field.encode_name in ("on", "cool_down_hours")
                    if kind.cls is not Settings and not told:
                        assert field.encode_name in words, (kind.cls, field.encode_name)
                    look(field.type)
            case inspect.UnionType():
                for one in kind.types:
                    look(one)
            case inspect.ListType():
                look(kind.item_type)
            case inspect.DictType():
                look(kind.value_type)

    look(inspect.type_info(Settings))
    assert len(seen) > 25
