"""`portguard reload`: the running proxy takes up the registry folder as it is now, or says why not.

It is the daemon that builds, checks and swaps; here the answer is printed.
"""

import sys
from pathlib import Path

import click
import msgspec

from portguard.cli.settings import config_option, load_settings
from portguard.daemon.control import ControlError, ask


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the proxy's answer as an object.")
def reload(config: Path, as_json: bool) -> None:
    """Have the running proxy take up the registry again.

    A registry with errors is refused whole: they are printed as file:row: field: message, the exit code is 1, and the
    proxy goes on under the revision it has. The settings are read only to find the proxy; they change at a restart.
    """
    settings = load_settings(config)
    try:
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
