"""The revision that was served last, asked whether a name that somebody typed is on file."""

from collections.abc import Callable, Iterable
from typing import Final

import click

from portguard.registry.image import Image, ImageError
from portguard.registry.revisions import revisions
from portguard.settings.schema import Settings

MOST_SAID: Final = 10

_ON_FILE: Final[dict[str, Callable[[Image, str], object]]] = {
    "enterprise": lambda image, name: image.enterprise(name),
    "port": lambda image, name: image.ports(name) or image.subleases(name),
    "signature": lambda image, name: image.signatures(name),
}


def warn_of_unknown(settings: Settings, kind: str, names: Iterable[str]) -> None:
    """Names of a kind ("enterprise", "port", "signature") that are not on file, on stderr; nothing where no revision
    can be asked."""
    try:
        image = Image(revisions(settings.node.state / "revisions")[0])
    except (OSError, IndexError, ImageError):
        return
    try:
        unknown = [name for name in names if not _ON_FILE[kind](image, name)]
    finally:
        image.close()
    for name in unknown[:MOST_SAID]:
        click.echo(f"warning: the registry has no {kind} {name!r}; is it spelt so?", err=True)
    if len(unknown) > MOST_SAID:
        click.echo(f"warning: and {len(unknown) - MOST_SAID:,} more that the registry does not have", err=True)
