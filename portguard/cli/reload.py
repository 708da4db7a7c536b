"""`portguard reload`: the running proxy takes up the registry folder as it is now, or says why not.

It is the daemon that builds, checks and swaps; here the answer is printed.
"""

import sys
from pathlib import Path

import click
import msgspec

from portguard.admin.comparison import Comparison
from portguard.cli.comparison import show
from portguard.cli.settings import config_option, load_settings
from portguard.daemon.control import ControlError, ask


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Change nothing: show what would change, for recent traffic too.")
@click.option(
    "--messages", type=click.IntRange(0, 1_000_000), default=100_000, show_default=True,
    help="With --dry-run, so many recent messages are judged; of fast traffic only a part is kept for it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the proxy's answer as an object.")
def reload(config: Path, dry_run: bool, messages: int, as_json: bool) -> None:
    """Have the running proxy take up the registry again.

    A registry with errors is refused whole: they are printed as file:row: field: message, the exit code is 1, and the
    proxy goes on under the revision it has. The settings are read only to find the proxy; they change at a restart.

    With --dry-run the registry is checked and built, and held beside what serves: which rows differ, and which of the
    newest messages would be judged otherwise, by verdict, account and signature.
    """
    settings = load_settings(config)
    try:
        if dry_run:
            _show_dry_run(ask(settings.node.state, "compare", messages=messages), as_json)
            return
        answer = ask(settings.node.state, "reload")
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    taken = bool(answer.get("ok")) and answer.get("result") in ("success", "unchanged")
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    else:
        _print(answer)
    if not taken:
        raise click.exceptions.Exit(1)


def _show_dry_run(answer: dict[str, object], as_json: bool) -> None:
    """A comparison, or why there is none."""
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    elif answer.get("ok"):
        show(msgspec.convert(answer, Comparison))
    else:
        for line in _lines(answer, "errors"):
            click.echo(line)
        click.echo(f"a reload would be refused: {answer.get('error')}", err=True)
    if not answer.get("ok"):
        raise click.exceptions.Exit(1)


def _print(answer: dict[str, object]) -> None:
    for line in _lines(answer, "errors"):
        click.echo(line)
    for line in _lines(answer, "warnings"):
        click.echo(f"{click.style('warning', fg='yellow')}: {line}")
    revision, result = answer.get("revision"), answer.get("result")
    if result == "success":
        click.echo(f"revision {revision} serves now (after {answer.get('seconds')} s)")
    elif result == "unchanged":
        click.echo(f"nothing changed; revision {revision} serves")
    elif result == "refused":
        click.echo(f"refused; revision {revision} goes on serving", err=True)
    else:
        click.echo(f"reload failed: {answer.get('error') or 'see above'}", err=True)


def _lines(answer: dict[str, object], name: str) -> list[str]:
    found = answer.get(name)
    return [str(line) for line in found] if isinstance(found, list) else []
