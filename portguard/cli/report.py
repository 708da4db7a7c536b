"""`portguard report`: what was sent, refused and complained about in a period, as a page that can be handed on."""

from __future__ import annotations

import io
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

import portguard as package
from portguard.cli.settings import config_option, in_unicode, load_settings
from portguard.cli.whole import whole
from portguard.settings.schema import Settings

if TYPE_CHECKING:
    from portguard.evidence.report import Report
    from portguard.registry.image import Image

_MOMENT = "a date like 2026-11-11, or a time like 2026-11-11T08:00"
_LACKING = "the page needs matplotlib and Jinja2: pip install 'portguard[report]' (a .csv needs neither)"


@click.command()
@config_option
@click.option("--from", "since", metavar="DATE", help="The first day or moment; by default 30 days ago.")
@click.option("--to", "until", metavar="DATE", help="The last day, inclusive, or a moment; by default now.")
@click.option(
    "--enterprise", default="", metavar="ID", callback=in_unicode, help="Only what this enterprise's accounts sent."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, multiple=True, metavar="FILE",
    help="FILE.html or FILE.csv; may be given twice.",
)
def report(config: Path, since: str | None, until: str | None, enterprise: str, output: tuple[Path, ...]) -> None:
    """Messages and violations by rule, enterprise, port, signature and kind of content over time, with complaints,
    escalations and changes of the registry beside them.

    It reads the journal and the traffic counts; the proxy may serve meanwhile, or not.
    """
    for path in output:
        if path.suffix.lower() not in (".html", ".htm", ".csv"):
            raise click.BadParameter(f"{path}: the name ends with .html or .csv", param_hint="-o")
    settings = load_settings(config)
    zone = ZoneInfo(settings.node.timezone)
    first, last = _period(since, until, zone)
    try:
        made = _gathered(settings, first, last, enterprise, zone)
        for path in output:
            _write(made, path)
    except ImportError as error:
        raise click.ClickException(_LACKING) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or ''}: {(error.strerror or str(error)).lower()}") from None


def _period(since: str | None, until: str | None, zone: ZoneInfo) -> tuple[float, float]:
    from portguard.evidence.report import midnight

    now = time.time()
    try:
        last = midnight(until, zone, after=True) if until else now
    except ValueError:
        raise click.BadParameter(f"{until!r} is not {_MOMENT}", param_hint="--to") from None
    default = (datetime.fromtimestamp(last, zone) - timedelta(days=30)).date().isoformat()
    try:
        first = midnight(since or default, zone)
    except ValueError:
        raise click.BadParameter(f"{since!r} is not {_MOMENT}", param_hint="--from") from None
    if first >= last:
        raise click.BadParameter("is after --to", param_hint="--from")
    return first, last


def _gathered(settings: Settings, since: float, until: float, enterprise: str, zone: ZoneInfo) -> Report:
    from portguard.evidence.reader import Reader
    from portguard.evidence.report import Report, gather, slot_length
    from portguard.evidence.traffic import Traffic
    from portguard.evidence.traffic_file import TrafficError

    image = _image(settings)
    made = Report(
        settings.node.id, since, until, zone, enterprise, time.time(), package.__version__,
        image.meta.digest if image is not None else "", slot_length(since, until),
    )
    path = settings.node.state / "traffic.sqlite"
    traffic = None
    reader = Reader(settings.evidence.path)
    try:
        if path.exists():
            traffic = Traffic(path, readonly=True)

        def named(enterprise: str) -> str:
            record = image.enterprise(enterprise) if image is not None else None
            return record.name if record is not None else ""

        return gather(made, reader, traffic, {"enterprise": named})
    except TrafficError as error:
        raise click.ClickException(str(error)) from None
    finally:
        reader.close()
        if traffic is not None:
            traffic.close()
        if image is not None:
            image.close()


def _image(settings: Settings) -> Image | None:
    """The revision that was served last, for names; None when there is none that can be read."""
    from portguard.registry.image import Image, ImageError

    try:
        folders = [path for path in (settings.node.state / "revisions").iterdir() if not path.name.startswith(".")]
        return Image(max(folders, key=lambda path: path.stat().st_mtime)) if folders else None
    except (OSError, ImageError):
        return None


def _write(made: Report, path: Path) -> None:
    """Whole or not at all."""
    try:
        with whole(path) as stream:
            if path.suffix.lower() == ".csv":
                from portguard.evidence.report_sheet import write

                file = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
                write(made, file)
                file.detach()
            else:
                from portguard.evidence.report_page import render

                stream.write(render(made).encode())
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {(error.strerror or str(error)).lower()}") from None
    total = made.total
    click.echo(f"{path}: {total.submitted:,} messages, {total.hits:,} hits, {total.complaints:,} complaints")
