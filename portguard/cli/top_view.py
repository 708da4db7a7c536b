"""The screen of `portguard top` for one moment: the head, accounts or links, rules, and what was said last.

Knows the size of the screen and makes exactly that many lines; nothing of terminals, keys or the daemon.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from portguard.cli.top_head import BAD, DIM, GOOD, WARNING, clean, clock, head
from portguard.cli.top_pace import Moment
from portguard.cli.top_words import rate, short, span
from portguard.daemon.snapshot import AccountView, LinkView
from portguard.policy.reasons import RULE_BY_NAME

WIDE: Final = 120
BAR: Final = "bold reverse"
STYLES: Final = {"reject": "red", "tag": WARNING, "discard": "magenta", "monitor": "cyan"}
SEVERITIES: Final = {"critical": BAD, "warning": WARNING, "info": GOOD}
SORTS: Final = ("messages", "refused", "owed", "links", "name")

_ACCOUNTS: Final[dict[str, Callable[[AccountView], Any]]] = {
    "messages": lambda one: (-one.submitted, -one.owed, one.account), "name": lambda one: one.account,
    "refused": lambda one: (-one.refused, -one.submitted, one.account),
    "owed": lambda one: (-one.owed, -one.submitted, one.account), "links": lambda one: (-one.links, one.account),
}
# What a link has no count of is in the order of its owed answers.
_LINKS: Final[dict[str, Callable[[LinkView], Any]]] = {"name": lambda one: (one.account, one.since)}


@dataclass
class Wishes:
    """What whoever looks has chosen, and what is to be said on the last line."""

    sort: str = SORTS[0]
    links: bool = False
    paused: bool = False
    keys: bool = True
    trouble: str = ""
    history: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A table and how many lines it has, with its heading."""

    table: RenderableType
    lines: int


def screen(found: Moment, wishes: Wishes, width: int, height: int | None) -> Group:
    """The whole picture in `height` lines; as many as it takes for None, without the last line."""
    lines: list[RenderableType] = list(head(found, wishes.history, width))
    room = None if height is None else max(height - len(lines) - 1, 0)
    if height is not None and len(lines) > height - 1:
        lines = lines[: max(height - 1, 0)]
    body, taken = (_wide if width >= WIDE else _narrow)(found, wishes, width, room)
    lines += body
    if height is not None:
        lines += [Text("")] * (room - taken if room is not None else 0)
        lines.append(_foot(wishes, width))
    return Group(*lines)


def waiting(wishes: Wishes, width: int, height: int) -> Group:
    """Before there is anything to show."""
    return Group(Text("portguard top", style="bold"), *[Text("")] * max(height - 2, 0), _foot(wishes, width))


def _narrow(found: Moment, wishes: Wishes, width: int, room: int | None) -> tuple[list[RenderableType], int]:
    """One below the other; what is left over goes to accounts and the latest, half each."""
    rows = _rows(found, wishes)
    rules, latest = _rule_rows(found), _latest(found)
    if room is None:
        many, few, last = len(rows), len(rules), max(len(latest), 1)
    else:
        free = max(room - 3, 0)
        few = min(len(rules), max(free // 4, 1))
        many = min(len(rows), max((free - few + 1) // 2, 1))
        last = max(free - few - many, 0)
    parts = [_of(found, wishes, rows[:many]), _rules(rules[:few]), _last(found, last, width)]
    return _fit(parts, room)


def _wide(found: Moment, wishes: Wishes, width: int, room: int | None) -> tuple[list[RenderableType], int]:
    """Accounts and rules beside each other, the latest below."""
    rows, rules, latest = _rows(found, wishes), _rule_rows(found), _latest(found)
    most = max(len(rows), len(rules))
    if room is None:
        many, last = most, max(len(latest), 1)
    else:
        free = max(room - 2, 0)
        many = min(most, max(free * 3 // 5, free - len(latest)))
        last = free - many
    left, right = _of(found, wishes, rows[:many]), _rules(rules[:many])
    both = Table.grid(Column(ratio=3), Column(width=2), Column(ratio=2), expand=True)
    both.add_row(left.table, "", right.table)
    return _fit([_Part(both, max(left.lines, right.lines)), _last(found, last, width)], room)


def _fit(parts: Sequence[_Part], room: int | None) -> tuple[list[RenderableType], int]:
    """As many of them as there is room for."""
    found: list[RenderableType] = []
    taken = 0
    for part in parts:
        if room is not None and taken + part.lines > room:
            break
        found.append(part.table)
        taken += part.lines
    return found, taken


def _table(*columns: tuple[str, str, int | None]) -> Table:
    """Columns by heading, side and width; the first without a width takes what is left."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style=BAR, pad_edge=False)
    for heading, side, width in columns:
        justify: Any = "right" if side == "r" else "left"
        table.add_column(
            heading, justify=justify, width=width, ratio=None if width else 1, no_wrap=True, overflow="ellipsis"
        )
    return table


# ---- accounts and links


def _rows(found: Moment, wishes: Wishes) -> list[list[Text]]:
    now = found.now
    if wishes.links:
        links = sorted(now.links, key=_LINKS.get(wishes.sort, lambda one: (-one.owed, one.account, one.since)))
        rows = [_link(found, one) for one in links]
    else:
        rows = [_account(found, one) for one in sorted(now.accounts, key=_ACCOUNTS[wishes.sort])]
    return rows or [[Text("none is bound", style=DIM)]]


def _account(found: Moment, one: AccountView) -> list[Text]:
    delivered = Text(short(one.delivered), style="" if one.delivered else DIM)
    return [
        Text(clean(one.account)), _count(one.links), _owed(found, one.owed, one.links), _count(one.submitted),
        _count(one.refused, "red"), _count(one.tagged, WARNING), delivered, _count(one.failed, "red"),
    ]


def _link(found: Moment, one: LinkView) -> list[Text]:
    return [
        Text(clean(one.account) or "(not bound)", style="" if one.account else DIM), Text(clean(one.peer)),
        Text(clean(one.state).lower().replace("_", " ")), Text(clean(one.smsc) or "–"), _owed(found, one.owed, 1),
        Text(span(found.now.at - one.since)), Text(str(one.worker), style=DIM),
    ]


def _of(found: Moment, wishes: Wishes, rows: Sequence[Sequence[Text]]) -> _Part:
    """The table of accounts, or of links."""
    in_all = found.now.links_in_all if wishes.links else found.now.accounts_in_all
    more = f" ({len(rows)} of {short(in_all)})" if len(rows) < in_all else ""
    if wishes.links:
        table = _table(
            (f"LINK{more}", "l", None), ("PEER", "l", 15), ("STATE", "l", 9), ("SMSC", "l", 8), ("OWED", "r", 6),
            ("SINCE", "r", 7), ("W", "r", 2),
        )
    else:
        table = _table(
            (f"ACCOUNT{more}", "l", None), ("LINKS", "r", 5), ("OWED", "r", 6), ("MSG/MIN", "r", 7),
            ("REFUSED", "r", 7), ("TAGGED", "r", 6), ("ACCEPTED", "r", 8), ("FAILED", "r", 6),
        )
    for row in rows:
        table.add_row(*row)
    return _Part(table, len(rows) + 1)


def _count(count: int, style: str = "") -> Text:
    return Text(short(count), style=style if count else DIM)


def _owed(found: Moment, owed: int, links: int) -> Text:
    """What SMSCs owe, in yellow from half of what is let through on so many links."""
    near = owed * 2 >= found.now.owed_most * max(links, 1)
    return _count(owed, WARNING if near else "")


# ---- rules


def _rule_rows(found: Moment) -> list[list[Text]]:
    rows = []
    for one in found.pace.rules if found.pace is not None else ():
        rule = RULE_BY_NAME.get(one.rule)
        name = f"{rule.code} {one.rule}" if rule is not None else clean(one.rule)
        style = "" if one.per_second else DIM
        rows.append([
            Text(name, style=style), Text(one.action, style=STYLES.get(one.action, "") if one.per_second else DIM),
            Text(rate(one.per_second), style=style), Text(short(one.count), style=style),
        ])
    return rows


def _rules(rows: Sequence[Sequence[Text]]) -> _Part:
    table = _table(("RULE", "l", None), ("ACTION", "l", 7), ("MSG/S", "r", 7), ("IN ALL", "r", 7))
    for row in rows:
        table.add_row(*row)
    return _Part(table, len(rows) + 1)


# ---- the latest


def _latest(found: Moment) -> list[dict[str, Any]]:
    return [*found.now.alerts, *found.now.violations]


def _last(found: Moment, room: int, width: int) -> _Part:
    """Alerts, a third of it at most while there are violations as well, then violations; the newest first."""
    now = found.now
    alerts = now.alerts[: max(room // 3, 1, room - len(now.violations))] if room else []
    violations = now.violations[: max(room - len(alerts), 0)]
    lines = [_alert(one, now.zone) for one in alerts] + [_violation(one, now.zone) for one in violations]
    if not lines and room:
        lines = [Text("no violations, no alerts", style=DIM)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    bar = Text(f"{'LATEST ALERTS AND VIOLATIONS':<{width}}"[:width], style=BAR, no_wrap=True)
    return _Part(Group(bar, *lines), len(lines) + 1)


def _alert(one: dict[str, Any], zone: str) -> Text:
    line = Text(f"{clock(float(one['at']), zone)} ", style=DIM, no_wrap=True)
    style = SEVERITIES.get(str(one["severity"]), "")
    line.append(f"{clean(one['alert'])} ", style=f"not dim {style}")
    line.append(clean(one["summary"]), style="not dim")
    return line


def _violation(one: dict[str, Any], zone: str) -> Text:
    line = Text(f"{clock(float(one['at']), zone)} ", style=DIM, no_wrap=True)
    action, rule = clean(one.get("action", "")), clean(one.get("rule", ""))
    line.append(f"{action} {one.get('code', '')} {rule}", style=f"not dim {STYLES.get(action, '')}")
    line.append(f" {clean(one.get('account', ''))} from {clean(one.get('number', '')) or '(empty)'}", style="not dim")
    if one.get("signature"):
        line.append(f" 【{clean(one['signature'])}】", style="not dim")
    if one.get("subscriber"):
        subscriber = clean(one["subscriber"])
        line.append(f" to {subscriber if '*' in subscriber else subscriber[:8]}", style=DIM)
    return line


def _foot(wishes: Wishes, width: int) -> Text:
    if wishes.trouble:
        line = Text(f" {clean(wishes.trouble)}", style="bold white on red", no_wrap=True)
    else:
        other = "accounts" if wishes.links else "links"
        keys = f"q quit  s sort by {wishes.sort}  l {other}  p {'go on' if wishes.paused else 'pause'}"
        line = Text(f" {keys if wishes.keys else 'Ctrl-C ends it'}", style=DIM, no_wrap=True)
        if wishes.paused:
            line.append("  paused", style=f"not dim {WARNING}")
    line.truncate(width, overflow="ellipsis", pad=bool(wishes.trouble))
    return line
