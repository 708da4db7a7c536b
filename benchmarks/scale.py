"""The part of the benchmark about a big registry: what it costs a message, in memory, on the disk and at the start."""

import time

from cpu import private_octets
from parts import Part, compared
from proxies import Proxy, Setting
from stage import Contender, Stage

SMALL = 1000
SCOPES = 5  # of a signature
WARM, WARM_SECONDS = 2_000_000, 120.0


def registry(stage: Stage) -> Part:
    """A small registry and a big one, the traffic drawn from all of it: by Zipf's law, and evenly."""
    began = time.monotonic()
    at = {rows: stage.proxy(f"{rows} rows", Setting(rows=rows, scopes=SCOPES)) for rows in (SMALL, stage.big)}
    built = time.monotonic() - began
    stage.say(f"registry  of {stage.big} signatures is built")
    cases = [
        Contender(f"{rows} rows, {how}", at[rows], {"kind": "wide", "about": f"{rows} {how}", "window": 10})
        for rows, how in ((SMALL, "zipf"), (stage.big, "even"), (stage.big, "zipf"))
    ]
    before = warmed(stage, [case for case in cases if case.proxy is at[stage.big]])
    rows, lines, further = compared(stage, {"W=10": cases})
    private = {rows: sum(map(private_octets, proxy.pids["message"])) for rows, proxy in at.items()}
    on_file = stage.big * (2 + SCOPES)
    octets = image_octets(at[stage.big])
    started = stage.again(f"{stage.big} rows").start_seconds
    facts = {
        "signatures": stage.big, "on_file": on_file, "octets_a_row": octets / on_file, "start_seconds": started,
        "messages_before": before, "private_more": private[stage.big] - private[SMALL], "private": private[stage.big],
    }
    size = f"{stage.big} signatures, {stage.big} ports, {SCOPES * stage.big} scopes"
    lines += [
        "", f"| {size} | |", "|---|---|",
        f"| messages that had passed the big one before | {before:,} |",
        f"| private memory of a worker more than with {SMALL} | {facts['private_more'] / 1e6:.1f} MB |",
        f"| the shared file, a row | {facts['octets_a_row']:.1f} octets |",
        f"| start from the prepared revision, until ready | {started:.2f} s |",
        f"| both registries written, built and served in | {built:.0f} s |",
    ]
    return rows, lines, {**further, **facts}


def warmed(stage: Stage, cases: list[Contender]) -> int:
    """Traffic of each case, until a third of the part's time is gone or WARM messages have passed, so that what is
    measured is a daemon that has run for a while; returns how many messages."""
    began, sent = time.monotonic(), 0
    end = began + min((stage.until - began) / 3, WARM_SECONDS)
    for place, case in enumerate(cases):
        until, of_case = time.monotonic() + (end - time.monotonic()) / (len(cases) - place), 0
        while of_case < WARM and (not of_case or time.monotonic() < until):
            run = stage.run(case.proxy, seconds=2 * stage.seconds, **{**case.traffic, "window": 100})
            of_case += run["sent"]
            stage.say(f"registry  {case.name} warms up: {of_case / 1e6:.2f} million messages")
        sent += of_case
    return sent


def image_octets(proxy: Proxy) -> int:
    """What the revisions in service take on the disk."""
    folder = proxy.folder / "state" / "revisions" / proxy.revision
    return sum(path.stat().st_size for path in folder.iterdir())
