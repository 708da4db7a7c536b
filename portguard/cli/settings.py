"""What several commands share: the -c option, sound settings or the end of the command, text and times as people write
them, and stdin.

Nouns: a *moment* is an ISO 8601 time on the command line or in a row; without a zone it is in `node.timezone`.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar, cast
from zoneinfo import ZoneInfo

import click

from portguard.settings.load import SettingsError, load
from portguard.settings.schema import Settings

F = TypeVar("F", bound=Callable[..., object])

EXPECTED_TIME = "a time like 2026-11-11T09:30:00 or 2026-11-11T01:30:00Z"


def config_option(function: F) -> F:
    """The option -c/--config: the path of the settings, `config` to the command."""
    return click.option(
        "-c", "--config", type=click.Path(dir_okay=False, path_type=Path), default="portguard.toml", show_default=True,
        envvar="PORTGUARD_CONFIG", show_envvar=True, help="The settings.",
    )(function)


def load_settings(config: Path) -> Settings:
    """The settings; when there is an error, prints every one on stderr and ends with exit code 1."""
    try:
        return load(config)
    except SettingsError as error:
        for line in error.errors:
            click.echo(line, err=True)
        raise click.exceptions.Exit(1) from None


def standard_input() -> BinaryIO:
    """stdin, as octets; the command ends where it is closed."""
    if cast(object, sys.stdin) is None:
        raise click.ClickException("stdin: is closed")
    return cast(BinaryIO, sys.stdin.buffer)


def in_unicode(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A callback for text that is looked up or kept: octets of argv that are no UTF-8 are wrong usage."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f"{value!r} is not in UTF-8") from None
    return value


def moment(text: str, zone: ZoneInfo) -> float:
    """Epoch seconds of an ISO 8601 time. Raises ValueError, whose text says what was expected."""
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not {EXPECTED_TIME}") from None


def at_option(text: str | None, settings: Settings, now: float) -> float:
    """Epoch seconds of the option --at, `now` when it was not given; wrong usage when it is no time."""
    if text is None:
        return now
    try:
        return moment(text, ZoneInfo(settings.node.timezone))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None
