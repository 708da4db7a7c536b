"""The upper part of `portguard top`: a line for each thing that a NOC asks first, what is wrong in red.

Each line is cut at the screen's width, so what matters most stands first.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.text import Text

from portguard.cli.printable import printable
from portguard.cli.top_pace import Moment
from portguard.cli.top_words import latency, octets, rate, short, span, spark

LABEL: Final = 10
GOOD, BAD, WARNING, DIM = "green", "bold red", "yellow", "dim"
LEVELS: Final = ("suspend", "throttle", "tag", "watch")
ACTIONS: Final = (
    ("allow", "permitted", GOOD), ("reject", "refused", "red"), ("tag", "tagged", WARNING),
    ("discard", "discarded", "magenta"), ("monitor", "watched", "cyan"),
)  # fmt: skip
LONGEST: Final = 200

Part = tuple[str, str]


def head(found: Moment, history: Sequence[float], width: int) -> list[Text]:
    """The lines for a screen of `width` columns; `history` are the last messages a second."""
    lines = [_title(found, width)]
    for label, parts in (
        ("revision", _revision), ("messages/s", lambda one: _messages(one, history, width)), ("latency", _latency),
        ("links", _links), ("smsc", _smscs), ("journal", _journal), ("broker", _broker), ("complaints", _complaints),
        ("processes", lambda one: _processes(one, width)),
    ):  # fmt: skip
        lines.append(_line(label, parts, found))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def clean(text: object) -> str:
    """What others wrote, fit for a terminal."""
    return printable(str(text)[:LONGEST])


def clock(at: float, zone: str) -> str:
    """The time of day in the node's zone."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%H:%M:%S")


def _line(label: str, parts: Callable[[Moment], list[Part]], found: Moment) -> Text:
    line = Text(f"{label:<{LABEL}} ", style=DIM, no_wrap=True)
    for text, style in parts(found):
        line.append(text, style=f"not dim {style}" if style != DIM else DIM)
    return line


def _title(found: Moment, width: int) -> Text:
    now = found.now
    line = Text(no_wrap=True)
    line.append(f"portguard {clean(now.node)}", style="bold")
    line.append(f"  {now.mode}", style=GOOD if now.mode == "enforce" else WARNING)
    line.append(f"  up {span(now.seconds)}")
    line.append(f"  {now.version} {now.flavour}", style=DIM if now.flavour == "compiled" else WARNING)
    if now.draining:
        line.append("  draining", style=BAD)
    time = clock(now.at, now.zone)
    line.append(" " * max(width - line.cell_len - len(time), 2) + time, style=DIM)
    return line


def _revision(found: Moment) -> list[Part]:
    registry = found.now.registry
    parts = [(clean(registry.revision) or "none", "bold")]
    if registry.since:
        parts.append((f"  for {span(found.now.at - registry.since)}", ""))
    if registry.rolled_back:
        parts.append(("  rolled back", BAD))
    said = [f"{count:,} {name}" for name, count in registry.reloads.items() if count]
    parts.append((f"  reloads: {', '.join(said) or 'none'}", DIM))
    if registry.latest in ("refused", "failed"):
        parts.append((f"  the last was {registry.latest}", BAD))
    return parts


def _messages(found: Moment, history: Sequence[float], width: int) -> list[Part]:
    if found.pace is None:
        return [("…", DIM)]
    messages = found.pace.messages
    parts = [(rate(sum(messages.values())), "bold")]
    for action, word, style in ACTIONS:
        if action != "monitor" or messages.get(action):
            count = messages.get(action, 0.0)
            parts.append((f"  {word} {rate(count)}", style if count else DIM))
    if found.now.decision_errors:
        parts.append((f"  {found.now.decision_errors:,} decisions failed since the start", BAD))
    taken = LABEL + 1 + sum(len(text) for text, _ in parts)
    room = min(width - taken - 2, 30)
    if room >= 8 and history:
        curve = spark(list(history)[-room:])
        parts.append((" " * (width - taken - len(curve)) + curve, "cyan"))
    return parts


def _latency(found: Moment) -> list[Part]:
    if found.pace is None:
        return [("…", DIM)]
    parts: list[Part] = []
    pace = found.pace
    for word, one in (("decision", pace.decision), ("smsc", pace.smsc), ("relay", pace.relay)):
        parts += [(f"{word} ", DIM), (f"{latency(one)}  ", "" if one.count else DIM)]
    return [*parts, ("at most, of half/99%/all", DIM)]


def _links(found: Moment) -> list[Part]:
    now = found.now
    named = {clean(state).lower().replace("_", " "): count for state, count in sorted(now.sessions.items())}
    states = [f"{short(count)} {state}" for state, count in named.items() if count]
    parts = [(short(now.links_in_all), "bold")]
    if states:
        parts.append((f"  {', '.join(states)}", ""))
    parts.append((f"  owed {short(now.owed)} answers", "" if now.owed else DIM))
    refused = [f"{short(count)} {clean(reason)}" for reason, count in sorted(now.connections_refused.items())]
    if refused:
        parts.append((f"  refused since the start: {', '.join(refused)}", WARNING))
    return parts


def _smscs(found: Moment) -> list[Part]:
    parts: list[Part] = []
    # What is away first: it must not be cut off.
    for one in sorted(found.now.smscs, key=lambda one: one.state == "up"):
        up = one.state == "up"
        parts += [(f"{clean(one.name)} ", "bold"), ("up" if up else f"away ({clean(one.state)})", GOOD if up else BAD)]
        if up or one.links:
            parts.append((f" {short(one.links)} links, {short(one.owed)} owed", "" if one.owed else DIM))
        parts.append(("  ", ""))
    return parts


def _journal(found: Moment) -> list[Part]:
    journal = found.now.journal
    ok = journal.state == "ok"
    parts = [("ok" if ok else f"{journal.state}: {clean(journal.reason)}", GOOD if ok else BAD)]
    if journal.unrecorded:
        parts.append((f"  {short(journal.unrecorded)} throttled for want of room", BAD))
    parts.append((f"  record {journal.number:,}", ""))
    waiting = journal.waiting_events + journal.waiting_records
    late = journal.queue or waiting
    parts.append((f"  waiting {short(journal.queue)} records, {octets(waiting)}", "" if late else DIM))
    if journal.restarts:
        parts.append((f"  writer restarted {journal.restarts}x", WARNING))
    parts.append((f"  {octets(journal.octets)} on disk", DIM))
    return parts


def _broker(found: Moment) -> list[Part]:
    mqtt, consent = found.now.mqtt, found.now.consent
    if mqtt is None:
        parts: list[Part] = [("none set", DIM)]
    else:
        parts = [("connected" if mqtt.connected else "away", GOOD if mqtt.connected else BAD)]
        parts.append((f"  {short(mqtt.backlog)} records to publish", "" if mqtt.backlog else DIM))
        if mqtt.missing:
            parts.append((f"  {short(mqtt.missing)} missed", BAD))
    parts.append(("  consent ", DIM))
    if consent is None:
        parts.append(("not judged", DIM))
    else:
        parts.append((f"{short(consent.optouts)} opt-outs", ""))
        if consent.uncommitted:
            parts.append((f", {short(consent.uncommitted)} not on disk yet", WARNING))
    return parts


def _complaints(found: Moment) -> list[Part]:
    now = found.now
    taken = now.complaints.get("accepted", 0)
    parts: list[Part] = [(f"{short(taken)} taken", "" if taken else DIM)]
    standing = [(level, now.standing[level]) for level in LEVELS if now.standing.get(level)]
    for level, count in standing:
        parts.append((f"  {short(count)} at {level}", BAD if level == "suspend" else WARNING))
    if not standing:
        parts.append(("  nothing held back", DIM))
    order = {level: place for place, level in enumerate(LEVELS)}
    for one in sorted(now.restraints, key=lambda one: (order.get(one.level, 9), one.until)):
        left = span(one.until - now.at)
        parts.append((f"  {one.level} {one.kind} {clean(one.name)} for {left}", WARNING))
    return parts


def _processes(found: Moment, width: int) -> list[Part]:
    now, cpu = found.now, found.pace.cpu if found.pace is not None else {}
    listed: list[Part] = []
    for one in now.processes:
        share = f" {cpu[one.name]:.0%}" if one.name in cpu else ""
        listed.append((clean(one.name), "" if one.serving else BAD))
        if one.serving:
            listed.append((f"{share} {octets(one.resident_bytes)}", "bold" if cpu.get(one.name, 0.0) > 0.8 else ""))
            listed.append((f" up {span(one.seconds)}", DIM))
        else:
            listed.append((" is not up", BAD))
        if one.restarts:
            listed.append((f" restarted {one.restarts}x", WARNING))
        listed.append(("  ", ""))
    if sum(len(text) for text, _ in listed) <= width - LABEL - 1:
        return listed
    return _in_sum(found)


def _in_sum(found: Moment) -> list[Part]:
    """Where there is no room for each."""
    now, cpu = found.now, found.pace.cpu if found.pace is not None else {}
    workers = [one for one in now.processes if one.name.startswith("worker")]
    serving = sum(one.serving for one in workers)
    busiest = max((cpu.get(one.name, 0.0) for one in workers), default=0.0)
    parts = [(f"{serving}/{len(workers)} workers", GOOD if serving == len(workers) else BAD)]
    parts.append((f" {sum(cpu.get(one.name, 0.0) for one in workers):.0%}, busiest {busiest:.0%}", ""))
    parts.append((f", {octets(sum(one.resident_bytes for one in workers))}", ""))
    if restarts := sum(one.restarts for one in workers):
        parts.append((f", restarted {restarts}x", WARNING))
    for one in now.processes:
        if one not in workers:
            share = f"{cpu[one.name]:.0%} " if one.name in cpu else ""
            text = f"  {clean(one.name)} {share}{octets(one.resident_bytes)}" if one.serving else f"  no {one.name}"
            parts.append((text, "" if one.serving else BAD))
    return parts
