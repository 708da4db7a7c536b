"""A clock that jumps is not followed for an hour; one that drifts is."""

from portguard.daemon.clock import Clock


class Times:
    def __init__(self) -> None:
        self.wall = 1_790_000_000.0
        self.steady = 1000.0
        self.jumps: list[float] = []
        self.clock = Clock(self.jumps.append, lambda: self.wall, lambda: self.steady)

    def go(self, seconds: float, drift: float = 0.0) -> float:
        self.wall += seconds + drift
        self.steady += seconds
        return self.clock.now()


def test_it_follows_a_clock_that_drifts() -> None:
    times = Times()
    for _ in range(100):
        assert times.go(600, drift=20) == times.wall
    assert times.jumps == []


def test_a_jump_is_not_followed_until_it_has_stayed_for_an_hour() -> None:
    for jump in (365 * 86400.0, -7200.0):
        times = Times()
        before = times.clock.now()
        times.wall += jump
        assert times.go(10) == before + 10
        assert times.clock.off() == jump
        assert times.go(3580) == before + 3590
        assert times.go(20) == times.wall
        assert times.clock.off() == 0
        assert times.jumps == [jump]


def test_a_clock_that_comes_back_was_never_followed() -> None:
    times = Times()
    before = times.clock.now()
    times.wall += 86400
    times.go(1800)
    times.wall -= 86400
    assert times.go(10) == times.wall == before + 1810
    # And another jump has an hour of its own.
    times.wall += 86400
    times.go(1800)
    times.wall += 86400
    times.go(1800)
    assert times.clock.off() == 2 * 86400
    assert times.jumps == [86400, 86400, 2 * 86400]


def test_the_system_s_clock() -> None:
    clock = Clock()
    assert clock.off() == 0
    assert clock.now() <= clock.now()
