"""`portguard rollback`: a revision that was kept is brought back into service, by the running proxy."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from portguard.cli.settings import config_option, load_settings
from portguard.daemon.control import ControlError, ask


@click.command()
@config_option
@click.option("--list", "as_list", is_flag=True, help="Only list the revisions that are kept.")
@click.option("--why", default="", help="The reason, for the record.")
@click.option("--json", "as_json", is_flag=True, help="Print the proxy's answer as an object.")
@click.argument("revision", default="")
def rollback(config: Path, as_list: bool, why: str, as_json: bool, revision: str) -> None:
    """Bring the revision before the present one back into service, or the one that REVISION begins.

    It takes no build and is done at once. The registry folder is left as it is, and is not served until its files
    change or `portguard reload` asks for it; that outlasts a restart. Going back twice goes back two.
    """
    state = load_settings(config).node.state
    try:
        before = ask(state, "registry")
        answer = before if as_list else ask(state, "rollback", revision=revision, why=why)
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    elif not answer.get("ok"):
        click.echo(f"not rolled back: {answer.get('error')}", err=True)
        _list(before)
    elif as_list:
        _list(before)
    elif answer.get("result") == "unchanged":
        click.echo(f"revision {answer['revision']} serves already")
    else:
        click.echo(f"revision {answer['revision']} serves now, in place of {before.get('revision')}")
        click.echo("the registry folder is not what serves, until its files change or: portguard reload", err=True)
    if not answer.get("ok"):
        raise click.exceptions.Exit(1)


def _list(registry: dict[str, Any]) -> None:
    held = registry.get("rollback")
    for one in registry.get("kept", []):
        marks = [
            mark
            for mark, holds in (
                ("serves", one["serves"]), ("previous", one["revision"] == registry.get("previous")),
                ("rolled back from", held is not None and one["revision"] == held["before"]),
            )
            if holds
        ]
        served = f"served {one['served']}" if one["served"] else "never served"
        rows = sum(one["counts"].values())
        click.echo(f"{one['revision']}  built {one['built']}  {served}  {rows:,} rows  {', '.join(marks)}".rstrip())
