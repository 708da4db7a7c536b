"""`portguard completion`: the script that makes a shell complete portguard's commands, options and file names.

click makes it; the script calls portguard back with _PORTGUARD_COMPLETE set.
"""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a shell's completion script.

    \b
    bash:  portguard completion bash > ~/.local/share/bash-completion/completions/portguard
    zsh:   portguard completion zsh  > ~/.zfunc/_portguard     (a folder of $fpath, before compinit)
    fish:  portguard completion fish > ~/.config/fish/completions/portguard.fish

    For this session only: eval "$(portguard completion bash)".
    """
    from portguard.cli.root import portguard

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"click has no completion for {shell}")
    click.echo(kind(portguard, {}, "portguard", "_PORTGUARD_COMPLETE").source())
