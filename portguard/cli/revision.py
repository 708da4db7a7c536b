"""The registry folder as a revision, built beside: what `explain` and `inspect` judge under.

The daemon's own prepared revisions are left alone: what counts here is the folder as it is now.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import click

from portguard.cli.bar import building
from portguard.consent.ledger import Ledger
from portguard.consent.store import ConsentError
from portguard.policy.assembly import build_revision
from portguard.policy.desk import Desk
from portguard.registry.build import BuildFailed, build
from portguard.registry.image import Image, ImageError
from portguard.settings.schema import Settings


@contextmanager
def desk_of(settings: Settings) -> Iterator[Desk]:
    """A Desk under the registry as it is on disk; every error of the registry on stderr and exit code 1 otherwise."""
    try:
        with TemporaryDirectory(prefix="portguard-") as folder:
            with building() as progress:
                built = build(settings.registry.path, folder, settings.node.timezone, settings.node.country, progress)
            image = Image(built.path)
            try:
                revision = build_revision(image, settings.policy, settings.node.timezone, settings.node.country)
                tag = settings.tag
                own_tags = [tag.verdict, tag.reason, tag.revision, tag.category]
                options = settings.consent
                ledger = Ledger(options.path, options, readonly=True) if options else None
                yield Desk(revision, own_tags, ledger)
            finally:
                image.close()
    except BuildFailed as failure:
        for line in failure.errors:
            click.echo(line, err=True)
        raise click.exceptions.Exit(1) from None
    except (ImageError, ConsentError) as error:
        raise click.ClickException(str(error)) from None
