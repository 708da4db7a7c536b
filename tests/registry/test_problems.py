"""Problems as lines: file:row: field: message, in order, bounded, and never anything that a terminal would act on."""

from portguard.registry.problems import Problems, nearest, shown


def test_lines_by_file_and_row() -> None:
    problems = Problems()
    problems.add("b.csv", 2, "port", "two")
    problems.add("a.csv", 0, "", "whole file")
    problems.add("b.csv", 1, "", "whole row")
    assert problems.lines() == ["a.csv: whole file", "b.csv:1: whole row", "b.csv:2: port: two"]


def test_more_of_a_file_than_are_kept_are_counted() -> None:
    problems = Problems(kept=2)
    for row in range(5):
        problems.add("a.csv", row + 1, "", "x")
    problems.add("b.csv", 1, "", "y")
    assert problems.lines() == ["a.csv:1: x", "a.csv:2: x", "a.csv: ... and 3 more", "b.csv:1: y"]
    assert problems.hint("a.csv", "hodler", ["holder"]) == ""
    assert problems.hint("b.csv", "hodler", ["holder"]) == "; did you mean holder?"


def test_names_from_outside_are_quoted_where_they_must_be() -> None:
    problems = Problems()
    problems.add("\x1b[2J.csv", 1, "po\nrt", "x")
    assert problems.lines() == ["'\\x1b[2J.csv':1: 'po\\nrt': x"]


def test_values_are_shown_on_one_short_line() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert shown("x" * 1000) == "'" + "x" * 60 + "... (1,000 characters)'"
    assert shown(["a", "b"]) == "'a|b'"


def test_a_near_name_is_offered_only_where_it_is_cheap() -> None:
    assert nearest("hodler", ["port", "holder"]) == "; did you mean holder?"
    assert nearest("xyz", ["port", "holder"]) == ""
    assert nearest("e000", [f"e{n:03}" for n in range(1000)]) == ""
