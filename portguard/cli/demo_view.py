"""What the demo shows: a live picture on a terminal, plain lines anywhere else, and the tables at the end.

Noun: a *happening* is one message, who sent it and what became of it.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from portguard.cli.demo_stage import Samples
from portguard.policy.reasons import CATALOGUE, RULE_BY_NAME

COLOURS: Final = {"allow": "green", "tag": "yellow", "discard": "magenta", "reject": "red", "lost": "bold red"}
SHOWN: Final = 16
WIDE: Final = 110  # columns of a terminal that has room for the numbers as well


@dataclass(frozen=True, slots=True)
class Happening:
    """One message and its fate. `designed` is what should have become of it, as "action rule"."""

    client: str
    account: str
    source_addr: str
    destination_addr: str
    text: str
    action: str
    rule: str
    status: str
    designed_action: str
    designed_rule: str
    as_designed: bool

    @property
    def fate(self) -> str:
        """Action and rule, for people."""
        if not self.rule:
            return self.action if self.action != "reject" else f"reject {self.status}"
        return f"{self.action} {RULE_BY_NAME[self.rule].code} {self.rule}"

    @property
    def complaint(self) -> str:
        """What to say when it is not as designed."""
        return (
            f"{self.account} {self.source_addr} -> {self.destination_addr} {self.text!r}: designed"
            f" {self.designed_action} {self.designed_rule}".rstrip() + f", became {self.fate} ({self.status})"
        )


class Tally:
    """Counts by rule: sent, and what became of them. The rule is the observed one, "" for what was let through."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, int]] = {}

    def add(self, happening: Happening) -> None:
        """Count one."""
        row = self.rows.setdefault(happening.rule or happening.designed_rule * (happening.action != "allow"), {})
        for column in ("sent", happening.action):
            row[column] = row.get(column, 0) + 1

    def by_action(self) -> dict[str, int]:
        """Counts over all rules."""
        found: dict[str, int] = {}
        for row in self.rows.values():
            for action in COLOURS:
                if action in row:
                    found[action] = found.get(action, 0) + row[action]
        return found

    def table(self, title: str) -> Table:
        """As a table in the order of the codes, what passed untouched first."""
        table = Table(title=title, title_justify="left", header_style="bold")
        table.add_column("rule")
        for heading in ("sent", "refused", "discarded", "tagged", "delivered"):
            table.add_column(heading, justify="right")
        for name in ["", *(rule.name for rule in sorted(CATALOGUE, key=lambda rule: rule.code))]:
            row = self.rows.get(name)
            if row is None:
                continue
            delivered = row.get("allow", 0) + row.get("tag", 0)
            cells = [row["sent"], row.get("reject", 0), row.get("discard", 0), row.get("tag", 0), delivered]
            label = f"{RULE_BY_NAME[name].code} {name}" if name else "(no rule: as it should be)"
            table.add_row(label, *(str(cell) if cell else "·" for cell in cells))
        return table


class View(Protocol):
    """Where the demo tells what happens."""

    def stage(self, text: str) -> None:
        """A new part of the story begins."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def happened(self, happening: Happening) -> None:
        """A message met its fate."""

    def close(self) -> None:
        """Nothing more comes live."""


class PlainView:
    """One line a message, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def stage(self, text: str) -> None:
        self._console.print(f"\n== {text}", markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self._console.print(f"   {text}", markup=False, highlight=False, soft_wrap=True)

    def happened(self, happening: Happening) -> None:
        mark = " " if happening.as_designed else "!"
        line = (
            f" {mark} {happening.client:<8} {happening.account:<12} {happening.source_addr:<16}"
            f" {masked(happening.destination_addr):<13} {happening.fate:<34} {happening.text}"
        )
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        pass


class LiveView:
    """The newest messages and a tally, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._newest: deque[Happening] = deque(maxlen=SHOWN)
        self._notes: deque[str] = deque(maxlen=4)
        self._stage = ""
        self._tally = Tally()
        self._wide = console.width >= WIDE
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._picture, transient=True)
        self._live.start()

    def stage(self, text: str) -> None:
        self._stage = text
        self._notes.clear()
        self._live.console.print(Text(text, style="bold"))

    def note(self, text: str) -> None:
        self._notes.append(text)
        self._live.console.print(Text(f"  {text}", style="dim"))

    def happened(self, happening: Happening) -> None:
        self._newest.append(happening)
        self._tally.add(happening)

    def close(self) -> None:
        self._live.stop()

    def _picture(self) -> RenderableType:
        table = Table(expand=True, box=None, header_style="bold")
        numbers = [("from", 15), ("to", 11)] if self._wide else []
        for heading, width in (("client", 7), ("account", 8), *numbers, ("what became of it", 33)):
            table.add_column(heading, width=width, no_wrap=True)
        table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
        for one in self._newest:
            colour = COLOURS.get(one.action, "red") if one.as_designed else "bold white on red"
            addresses = [one.source_addr, masked(one.destination_addr)] if self._wide else []
            table.add_row(one.client, one.account, *addresses, Text(one.fate, style=colour), Text(one.text))
        line = Text("  ".join(f"{action} {count}" for action, count in self._tally.by_action().items()))
        return Group(Text(""), Text(self._stage, style="bold cyan"), table, line)


def metric_lines(samples: Samples) -> list[str]:
    """A few of the daemon's own numbers, one a line."""
    revisions = [dict(labels).get("revision", "") for labels in samples.get("portguard_registry_info", {})]
    builds = [dict(labels) for labels in samples.get("portguard_build_info", {})]
    lines = [f"portguard_build_info: {', '.join(f'{key} {value}' for build in builds for key, value in build.items())}"]
    lines.append(f"portguard_registry_info: revision {', '.join(revisions)}")
    for name, label in (
        ("portguard_messages_total", "action"),
        ("portguard_pdus_total", "leg"),
        ("portguard_registry_reloads_total", "result"),
    ):
        counts = sorted(sums(samples, name, label).items())
        lines.append(f"{name}: " + ", ".join(f"{key} {count:.0f}" for key, count in counts if count))
    count = sum(samples.get("portguard_decision_seconds_count", {}).values())
    if count:
        mean = sum(samples.get("portguard_decision_seconds_sum", {}).values()) / count
        lines.append(f"portguard_decision_seconds: {count:.0f} of {mean * 1e6:.0f} µs, most the first of their kind")
    return lines


def sums(samples: Samples, name: str, label: str) -> dict[str, float]:
    """A metric's values, added up by one of its labels."""
    found: dict[str, float] = {}
    for labels, value in samples.get(name, {}).items():
        key = dict(labels).get(label, "")
        found[key] = found.get(key, 0.0) + value
    return found


def masked(number: str) -> str:
    """A subscriber's number as it may be shown."""
    return f"{number[:-8]}****{number[-4:]}" if len(number) >= 11 else number


def open_view(console: Console) -> View:
    """The view that fits where the output goes."""
    return LiveView(console) if console.is_terminal else PlainView(console)
