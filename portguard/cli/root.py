"""`portguard` itself: the list of commands, imported on use, and how a process ends.

Nouns: an *entry* is where a command lives and the line that `--help` shows for it, so that listing the commands imports
none of them.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

INTERRUPTED: Final = 130


class Entry(NamedTuple):
    """A command: the module, the click object in it, and one line of help."""

    module: str
    name: str
    summary: str


COMMANDS: Final[dict[str, Entry]] = {
    "run": Entry("portguard.cli.run", "run", "Run the proxy."),
    "check": Entry("portguard.cli.check", "check", "Check settings and registry; name every error."),
    "explain": Entry("portguard.cli.explain", "explain", "Judge one message and say why, rule by rule."),
    "inspect": Entry("portguard.cli.inspect", "inspect", "Judge a file of messages."),
    "top": Entry("portguard.cli.top", "top", "What the running proxy does at this moment, on a live screen."),
    "reload": Entry("portguard.cli.reload", "reload", "Have the running proxy take up the registry again."),
    "diff": Entry("portguard.cli.diff", "diff", "Show which rows lead from one revision to another."),
    "rollback": Entry("portguard.cli.rollback", "rollback", "Bring a revision that was kept back into service."),
    "admin": Entry("portguard.cli.admin", "admin", "Who may call the admin API: tokens."),
    "consent": Entry("portguard.cli.consent", "consent", "Opt-ins and opt-outs: import, export, look up, revoke."),
    "report": Entry("portguard.cli.report", "report", "A period's traffic, violations and complaints, as a page."),
    "evidence": Entry("portguard.cli.evidence", "evidence", "The journal of violations: show, verify, export."),
    "complaints": Entry("portguard.cli.complaints", "complaints", "Complaints of 12321: import, list, overrule."),
    "sim": Entry("portguard.cli.sim", "sim", "Simulate either end of the wire: an SMSC or an ESME."),
    "demo": Entry("portguard.cli.demo", "demo", "Show everything at work on this machine, in a minute."),
    "completion": Entry("portguard.cli.completion", "completion", "Print a shell's completion script."),
    "version": Entry("portguard.cli.version", "version", "Print the version and what it runs on."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of that name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Completion of command names and of the options of `portguard` itself, without importing anything."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(n, help=e.summary) for n, e in COMMANDS.items() if n.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def portguard() -> None:
    """An SMPP proxy that holds every message against what a mobile operator has on file.

    Each command has its own --help. For completion in your shell: portguard completion --help.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Never a traceback for what a user can do."""
    colour = False if os.environ.get("NO_COLOR") else None
    _have_streams()
    try:
        code = portguard.main(arguments, prog_name="portguard", standalone_mode=False, color=colour)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        _let_go()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output (head, less) has enough.
        _let_go()
        return 1
    except OSError as error:
        click.echo(f"Error: {error.filename or 'output'}: {(error.strerror or str(error)).lower()}", err=True)
        _let_go()
        return 1


def _have_streams() -> None:
    """Who closed an output wants nothing of it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open to the end)


def _let_go() -> None:
    """What stdout does not take is forgotten; the interpreter must not try to flush it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
