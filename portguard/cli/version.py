"""`portguard version`: what is installed here, for scripts and for reports of faults."""

import json
import platform

import click

from portguard import __version__


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def version(as_json: bool) -> None:
    """Print the version, and whether its engine runs compiled or interpreted."""
    from portguard.flavour import flavour

    facts = {"version": __version__, "flavour": flavour(), "python": platform.python_version()}
    if as_json:
        click.echo(json.dumps(facts))
    else:
        click.echo(f"portguard {facts['version']} ({facts['flavour']}, Python {facts['python']})")
