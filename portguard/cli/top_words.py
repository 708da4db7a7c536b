"""Numbers and times as `portguard top` says them, in few characters."""

from typing import Final

from portguard.cli.top_pace import Latency

_UNITS: Final = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
_BARS: Final = "▁▂▃▄▅▆▇█"


def rate(per_second: float) -> str:
    """Messages a second: 0, 0.3, 12, 1,234."""
    if per_second == 0:
        return "0"
    return f"{per_second:.1f}" if per_second < 9.95 else f"{per_second:,.0f}"


def short(count: float) -> str:
    """A count in at most six characters: 99,999, 123k, 4.5M."""
    for least, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e5, "k")):
        if count >= least:
            of = count / (1e3 if unit == "k" else least)
            return f"{of:.1f}{unit}" if of < 100 and unit != "k" else f"{of:.0f}{unit}"
    return f"{count:,.0f}"


def octets(count: float) -> str:
    """Sizes: 0 B, 12 kB, 3.4 MB."""
    for least, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= least:
            return f"{count / least:.1f} {unit}" if count < 10 * least else f"{count / least:.0f} {unit}"
    return f"{count:.0f} B"


def span(seconds: float) -> str:
    """How long: 12s, 3m 5s, 4h 10m, 3d 2h."""
    whole = max(int(seconds), 0)
    for least, unit, part, of in _UNITS:
        if whole >= least:
            return f"{whole // least}{unit} {whole % least // part}{of}"
    return f"{whole}s"


def latency(found: Latency) -> str:
    """Half, 99 in 100, and the worst: 2µs/5µs/1ms; what is above all that is told apart as >10ms."""
    if not found.count:
        return "–"
    return "/".join(
        f">{_time(found.above)}" if one is None else _time(one) for one in (found.p50, found.p99, found.worst)
    )


def _time(seconds: float) -> str:
    for unit, of in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return f"{seconds / unit:g}{of}"
    return f"{seconds / 1e-6:g}µs"


def spark(history: list[float]) -> str:
    """A little curve, a character for each number, against the highest of them."""
    most = max(history, default=0.0)
    if not most:
        return _BARS[0] * len(history)
    return "".join(_BARS[min(int(one / most * (len(_BARS) - 1) + 0.5), len(_BARS) - 1)] for one in history)
