"""`portguard top`: what the running proxy does at this moment, on a live screen, as a page or as JSON lines.

Everything shown comes from the daemon, by one command of its control socket; here it is asked and drawn.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console

from portguard.cli.settings import config_option, load_settings
from portguard.cli.top_live import Live
from portguard.cli.top_pace import Moment, as_json, moment
from portguard.cli.top_view import SORTS, Wishes, screen
from portguard.daemon.control import ControlError, ask
from portguard.daemon.snapshot import Snapshot

ASK_SECONDS: Final = 10.0
# Of output that goes to a file or a program.
PLAIN_WIDTH: Final = 120


@click.command()
@config_option
@click.option(
    "-n", "--interval", type=click.FloatRange(1.0, 3600.0), default=2.0, show_default=True,
    help="Seconds between two looks; rates are those between them.",
)
@click.option("--once", is_flag=True, help="Look twice, print one page and end.")
@click.option("--json", "as_lines", is_flag=True, help="Print an object a line, for scripts; with --once exactly one.")
@click.option(
    "--sort", type=click.Choice(SORTS), default=SORTS[0], show_default=True, help="What accounts are sorted by."
)
@click.option("--links", is_flag=True, help="Begin with single links in place of accounts.")
def top(config: Path, interval: float, once: bool, as_lines: bool, sort: str, links: bool) -> None:
    """Show what the running proxy does at this moment.

    Messages a second by action and rule; accounts with their messages of the last minute and the answers that SMSCs owe
    them; SMSCs, latencies (upper bounds of half, 99 in 100 and the slowest since the last look), journal, broker,
    complaints, processes; the latest alerts and violations. Subscribers' numbers are hashed or masked.

    Keys: q ends it, s sorts by something else, l shows links or accounts, p pauses. A proxy that goes away is waited
    for. Where the output is no terminal, one page is printed, as with --once. Exit code 1: no proxy answers.
    """
    settings = load_settings(config)

    def look() -> Snapshot:
        return snapshot(settings.node.state)

    wishes = Wishes(sort, links)
    console = Console(highlight=False)
    try:
        if as_lines:
            _lines(look, interval, once)
        elif once or not sys.stdout.isatty() or console.is_dumb_terminal:
            if not sys.stdout.isatty():
                console = Console(highlight=False, width=PLAIN_WIDTH, no_color=True, force_terminal=False)
            console.print(screen(_two(look, interval), wishes, console.width, None))
        else:
            Live(console, look, interval, wishes).run()
    except ControlError as error:
        raise click.ClickException(str(error)) from None


def snapshot(state: Path) -> Snapshot:
    """What the daemon with this state folder says. Raises ControlError."""
    answer = ask(state, "top", ASK_SECONDS)
    if not answer.get("ok"):
        raise ControlError(f"portguard does not say: {answer.get('error')}")
    try:
        return msgspec.convert(answer, Snapshot)
    except msgspec.ValidationError as error:
        raise ControlError(f"the proxy that runs is of another version than this command ({error})") from None


def _two(look: Callable[[], Snapshot], interval: float) -> Moment:
    """A moment with its pace. Raises ControlError."""
    before = look()
    time.sleep(interval)
    return moment(before, look())


def _lines(look: Callable[[], Snapshot], interval: float, once: bool) -> None:
    """One object, or one after the other until somebody has enough. Raises ControlError before the first."""
    before = look()
    away = ""
    while True:
        time.sleep(interval)
        try:
            now = look()
        except ControlError as error:
            if once:
                raise
            if str(error) != away:
                away = str(error)
                click.echo(f"{away}; trying again", err=True)
            continue
        away = ""
        found, before = moment(before, now), now
        if once or found.pace is not None:
            sys.stdout.write(as_json(found) + "\n")
            sys.stdout.flush()
        if once:
            return
