"""How a node came to what serves, and that it is remembered."""

from pathlib import Path

from portguard.daemon.history import LONGEST_LINE, History, Rollback


def back(revision: str, before: str) -> Rollback:
    return Rollback(revision, before, "content", 5.0, "alice")


def test_going_back_twice_goes_back_two(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    assert history.previous() == ""
    for at, revision in enumerate("abc"):
        history.took(revision, float(at))
    history.took("c", 3.0)
    assert (history.line, history.previous()) == (["a", "b", "c"], "b")
    history.took("b", 4.0, back("b", "c"))
    assert (history.line, history.previous(), history.rollback) == (["a", "b"], "a", back("b", "c"))
    history.took("a", 5.0, back("a", "b"))
    assert (history.line, history.previous()) == (["a"], "")
    history.took("c", 6.0)
    assert (history.line, history.previous(), history.rollback) == (["a", "c"], "a", None)


def test_a_revision_that_never_served_here_may_be_gone_back_to(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.took("a", 1.0)
    history.took("x", 2.0, back("x", "a"))
    assert history.line == ["a", "x"]
    history.end_rollback()
    assert history.rollback is None


def test_it_outlasts_a_restart_and_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.took("a", 1.0)
    history.took("b", 2.0)
    history.took("a", 3.0, back("a", "b"))
    again = History(tmp_path / "h")
    assert (again.line, again.served, again.rollback) == (["a"], {"a": 3.0, "b": 2.0}, back("a", "b"))
    (tmp_path / "h").write_text("{")
    assert History(tmp_path / "h").line == []


def test_it_does_not_grow(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    for number in range(LONGEST_LINE * 2):
        history.took(str(number), float(number))
    assert len(history.line) == len(history.served) == LONGEST_LINE
    assert history.line[-1] == str(LONGEST_LINE * 2 - 1)
