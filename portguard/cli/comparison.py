"""How a comparison is shown: rows that differ, and what would become of recent traffic. For `diff` and `reload`."""

from collections.abc import Sequence
from typing import Final

import click

from portguard.admin.comparison import Comparison, Moved, ShadowDiff, Verdict
from portguard.registry.diff import RegistryDiff

SHOWN: Final = 10

_SIGNS: Final = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def show(found: Comparison) -> None:
    """Both, for people."""
    show_registry(found.registry)
    if found.traffic is None:
        click.echo("no recent traffic to judge")
    else:
        click.echo("")
        show_traffic(found.traffic)


def show_registry(found: RegistryDiff) -> None:
    """A line for each row that differs, under a line with the sums."""
    if not found.counts:
        click.echo(f"{found.old} and {found.new} have the same rows")
        return
    click.echo(click.style(f"{found.old} -> {found.new}: {_sums(found)}", bold=True))
    table = ""
    for change in found.changes:
        if change.table != table:
            table = change.table
            of_table = ", ".join(f"{count:,} {kind}" for kind, count in found.counts[table].items() if count)
            click.echo(f"{table}: {of_table}")
        sign, colour = _SIGNS[change.kind]
        said = change.line.removeprefix(f"{change.table}: {change.kind} ")
        click.echo(click.style(f"  {sign} {said}", fg=colour))
    if found.left_out:
        click.echo(f"  ... and {found.left_out:,} more (--limit shows more)")


def _sums(found: RegistryDiff) -> str:
    totals = {kind: sum(counts[kind] for counts in found.counts.values()) for kind in _SIGNS}
    return ", ".join(f"{count:,} {kind}" for kind, count in totals.items() if count)


def show_traffic(found: ShadowDiff) -> None:
    """What changes, by verdict with examples, by account and by signature."""
    click.echo(
        f"recent traffic: {found.messages:,} messages, {_clock(found.since)} to {_clock(found.until)}, judged under "
        f"both in {found.seconds:.1f} s"
    )
    if not found.complete:
        click.echo("there was no time for all of it", err=True)
    if not found.changed:
        click.echo(click.style("no verdict would change", fg="green"))
        return
    share = found.changed / found.messages
    click.echo(click.style(
        f"{found.changed:,} verdicts would change ({share:.2%}): {found.newly_refused:,} newly refused, "
        f"{found.newly_passed:,} newly passed", bold=True, fg="red" if found.newly_refused else "yellow",
    ))  # fmt: skip
    for transition in found.transitions[:SHOWN]:
        click.echo(f"  {transition.messages:>9,}  {_verdict(transition.old)} -> {_verdict(transition.new)}")
        for example in transition.examples:
            click.echo(click.style(
                f"             {example.account} from {example.number} to {example.subscriber}, {example.category}: "
                f"{example.text}", dim=True,
            ))  # fmt: skip
    _more(len(found.transitions))
    _moved("account", found.accounts)
    _moved("signature", found.signatures)


def _moved(what: str, rows: Sequence[Moved]) -> None:
    click.echo(f"by {what}:")
    for row in rows[:SHOWN]:
        ways = ", ".join(
            f"{count:,} {way}" for way, count in (
                ("newly refused", row.newly_refused), ("newly passed", row.newly_passed),
                ("otherwise", row.changed - row.newly_refused - row.newly_passed),
            ) if count
        )  # fmt: skip
        click.echo(f"  {row.changed:>9,}  {row.name or '(none)'}: {ways}")
    _more(len(rows))


def _more(rows: int) -> None:
    if rows > SHOWN:
        click.echo(f"             ... and {rows - SHOWN} more (--json has them)")


def _verdict(verdict: Verdict) -> str:
    return f"{verdict.action} {verdict.code} {verdict.rule}" if verdict.rule else verdict.action


def _clock(time: str) -> str:
    return time[11:19]
