"""What accounts have sent in the last minute."""

from portguard.daemon.minute import Minute
from portguard.policy.tally import TallyRow


def row(account: str, submitted: int, refused: int = 0) -> TallyRow:
    return TallyRow(account, "", "", "", "", "", "", 0, 0, submitted, refused, 1, 2, 3)


def test_the_sweeps_of_a_minute_are_added_up() -> None:
    minute = Minute()
    for now in (0.0, 0.1, 10.0, 20.0):
        minute.hear([row("a", 5, 1), row("b", 1)], now)
    assert minute.read(20.0) == {"a": [20, 4, 4, 8, 12], "b": [4, 0, 4, 8, 12]}
    assert minute.read(60.0) == {"a": [10, 2, 2, 4, 6], "b": [2, 0, 2, 4, 6]}
    assert minute.read(80.0) == {}


def test_reading_changes_nothing() -> None:
    minute = Minute()
    minute.hear([row("a", 5)], 0.0)
    minute.hear([row("a", 5)], 5.0)
    first = minute.read(6.0)
    assert minute.read(6.0) == first
