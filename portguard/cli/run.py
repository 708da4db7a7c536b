"""`portguard run`: the proxy itself, in the foreground."""

from pathlib import Path

import click

from portguard.cli.settings import config_option


@click.command()
@config_option
def run(config: Path) -> None:
    """Run the proxy until SIGTERM or Ctrl-C.

    It then takes no more binds, waits for the answers that are owed, and exits 0; a second signal ends it at once.
    SIGHUP, `portguard reload` and a change in the registry folder make it take up the registry again. It exits 1, and
    says why, when it cannot start, or cannot write its last evidence.
    """
    from portguard.daemon.run import run as serve

    code = serve(config)
    if code:
        raise click.exceptions.Exit(code)
