"""`portguard diff`: which rows lead from one revision to another. Needs no running proxy."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import mkdtemp

import click
import msgspec

from portguard.cli.comparison import show_registry
from portguard.cli.settings import config_option, load_settings
from portguard.daemon.control import ControlError, ask
from portguard.daemon.history import History
from portguard.daemon.state import StateFolder
from portguard.registry.build import BuildFailed, build
from portguard.registry.diff import summary
from portguard.registry.image import FILE, Image, ImageError
from portguard.registry.revisions import revisions
from portguard.settings.schema import Settings

CURRENT = "current"


@click.command()
@config_option
@click.option("--limit", type=click.IntRange(0), default=1000, show_default=True, help="So many rows are shown.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when there is a difference, 2 for an error.")
@click.option("--json", "as_json", is_flag=True, help="Print an object: old, new, counts, changes, left_out.")
@click.argument("old", default=CURRENT)
@click.argument("new", default="")
def diff(config: Path, limit: int, exit_code: bool, as_json: bool, old: str, new: str) -> None:
    """Show the rows that lead from OLD to NEW: added, removed, changed.

    Each is a revision that is kept (or the beginning of its name), "current" for what serves or served last, a registry
    folder, or a folder with an image. Without arguments: from what serves to the registry folder, which is what a
    reload would change.
    """
    with _told_apart() if exit_code else nullcontext():
        settings = load_settings(config)
        with ExitStack() as opened:
            before = _image(old, settings, opened)
            after = _image(new or str(settings.registry.path), settings, opened)
            found = summary(before, after, limit)
        if as_json:
            sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
            sys.stdout.buffer.flush()
        else:
            show_registry(found)
    if exit_code and found.counts:
        raise click.exceptions.Exit(1)


class _Trouble(click.ClickException):
    """An error, where 1 says that there is a difference."""

    exit_code = 2


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _Trouble(f"{error.filename or 'output'}: {(error.strerror or str(error)).lower()}") from None
    except click.ClickException as error:
        raise _Trouble(error.message) from None
    except click.exceptions.Exit:
        raise click.exceptions.Exit(_Trouble.exit_code) from None


def _image(name: str, settings: Settings, opened: ExitStack) -> Image:
    """The image that is meant; the command ends where there is none."""
    path = Path(name)
    if name != CURRENT and path.is_dir():
        if not (path / FILE).exists():
            return _built(path, settings, opened)
    else:
        path = _kept(name, settings)
    try:
        image = Image(path)
    except ImageError as error:
        raise click.ClickException(str(error)) from None
    opened.callback(image.close)
    return image


def _built(folder: Path, settings: Settings, opened: ExitStack) -> Image:
    """A registry folder as an image."""
    place = mkdtemp(prefix="portguard-")
    opened.callback(shutil.rmtree, place, ignore_errors=True)
    try:
        image = Image(build(folder, place, settings.node.timezone, settings.node.country).path)
    except BuildFailed as failure:
        for line in failure.errors:
            click.echo(f"{folder}/{line}", err=True)
        raise click.exceptions.Exit(1) from None
    opened.callback(image.close)
    return image


def _kept(name: str, settings: Settings) -> Path:
    """The folder of a revision of the state folder."""
    state = StateFolder(settings.node.state)
    try:
        kept = revisions(state.revisions)
        if name == CURRENT:
            name = _current(state)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    found = [path for path in kept if name and path.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(path.name for path in found or kept) or "none"
    problem = f"{name!r} could be several revisions" if found else f"{name!r} is no folder and no revision that is kept"
    raise click.ClickException(f"{problem}; there are {known} (in {state.revisions})")


def _current(state: StateFolder) -> str:
    """What serves, or served last."""
    try:
        return str(ask(state.path, "status", 5.0)["revision"])
    except (ControlError, KeyError):
        line = History(state.history).line
    if not line:
        raise click.ClickException(f"no revision has served with the state folder {state.path}")
    return line[-1]
