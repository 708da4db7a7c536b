"""`portguard check`: every error of the settings and of the registry, found as a reload would find them.

The report goes to stdout, an error a line and warnings after them, marked as such; nothing is changed, nobody is asked.
"""

import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec

from portguard.cli.bar import building
from portguard.cli.settings import config_option
from portguard.policy.options import PolicyOptions
from portguard.registry.build import BuildFailed, Built, build
from portguard.registry.image import Image
from portguard.settings.load import SettingsError, load
from portguard.settings.node import NodeOptions
from portguard.settings.schema import Settings


@dataclass(slots=True)
class Report:
    """What was found; `revision` and `counts` (rows by table) when the registry is sound."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    revision: str = ""
    counts: dict[str, int] = field(default_factory=dict)


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print an object: ok, errors, warnings, revision, counts.")
def check(config: Path, as_json: bool) -> None:
    """Check settings and registry.

    Prints every error as file:row: field: message, then every warning. Exits 1 when there is an error, else 0.
    """
    report = examine(config)
    if as_json:
        found = {"ok": not report.errors, **{name: getattr(report, name) for name in Report.__slots__}}
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    else:
        _print(config, report)
    if report.errors:
        raise click.exceptions.Exit(1)


def examine(config: Path) -> Report:
    """Check a portguard.toml and the registry it names."""
    report = Report()
    settings: Settings | None = None
    try:
        settings = load(config)
        node, registry = settings.node, settings.registry.path
        report.warnings += [f"{config}: {line}" for line in settings_warnings(settings)]
    except SettingsError as error:
        report.errors += error.errors
        node, found = NodeOptions(), registry_of(config)
        if found is None:
            return report
        registry = found
    with TemporaryDirectory(prefix="portguard-") as folder:
        try:
            with building() as progress:
                built = build(registry, folder, node.timezone, node.country, progress)
        except BuildFailed as failure:
            report.errors += failure.errors
            report.warnings += failure.warnings
            return report
        report.warnings += built.warnings
        report.revision, report.counts = built.revision, built.counts
        if settings is not None:
            report.warnings += [f"{config}: {line}" for line in account_warnings(settings.policy, built)]
    return report


def registry_of(config: Path) -> Path | None:
    """The registry's folder by settings that are not sound as a whole; None when they do not tell."""
    try:
        with config.open("rb") as file:
            path = tomllib.load(file)["registry"]["path"]
        return Path(config.absolute().parent, path)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def settings_warnings(settings: Settings) -> list[str]:
    """What is accepted, and is probably not what an operator wants to leave as it is."""
    found = []
    if settings.policy.mode == "monitor":
        found.append('policy.mode: is "monitor": what breaks the rules is counted, and passes')
    if settings.policy.on_error == "allow":
        found.append("policy.on_error: is \"allow\": a message whose judgement fails passes")
    if settings.consent is None:
        found.append("consent: is not set: marketing without consent passes (rules 400 and 401 are off)")
    if settings.metrics is None:
        found.append("metrics: is not set: nobody can see what the proxy does")
    return found


def account_warnings(policy: PolicyOptions, built: Built) -> list[str]:
    """Settings for accounts that are not on file."""
    image = Image(built.path)
    try:
        return [
            f"policy.accounts.{system_id}: no account of this system_id is on file; the settings have no effect"
            for system_id in policy.accounts
            if image.account(system_id) is None
        ]
    finally:
        image.close()


def _print(config: Path, report: Report) -> None:
    for line in report.errors:
        click.echo(line)
    for line in report.warnings:
        click.echo(f"{click.style('warning', fg='yellow')}: {line}")
    errors, warnings = len(report.errors), len(report.warnings)
    if report.errors:
        click.echo(f"{config}: {_number(errors, 'error')}, {_number(warnings, 'warning')}", err=True)
        return
    rows = ", ".join(f"{count:,} {table}" for table, count in report.counts.items())
    click.echo(f"{config}: no errors, {_number(warnings, 'warning')}; revision {report.revision} ({rows})")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
