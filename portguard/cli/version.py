"""`portguard version`: what is installed here, for scripts and for reports of faults."""

import json
import platform

import click

from portguard import __version__


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def version(as_json: bool) -> None:
    """Print the version, whether its engine runs compiled or interpreted, and whether it was laid out by traffic
    (make trained)."""
    from portguard.flavour import flavour, is_trained

    python = platform.python_version()
    if as_json:
        facts = {"version": __version__, "flavour": flavour(), "trained": is_trained(), "python": python}
        click.echo(json.dumps(facts))
    else:
        found = [flavour(), *(["trained"] if is_trained() else []), f"Python {python}"]
        click.echo(f"portguard {__version__} ({', '.join(found)})")
