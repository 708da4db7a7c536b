"""`portguard admin`: who may call the admin API. A token is printed once; only its hash is kept."""

import json
from datetime import datetime
from pathlib import Path
from typing import cast

import click

from portguard.admin.tokens import Role, Token, Tokens, TokensError
from portguard.cli.settings import config_option, load_settings


@click.group()
def admin() -> None:
    """Tokens of the admin API."""


@admin.group()
def token() -> None:
    """Add, list and remove tokens. What is done here counts at once; the proxy need not be told."""


@token.command()
@config_option
@click.option(
    "--role", type=click.Choice(["reader", "admin"]), default="reader", show_default=True,
    help="A reader looks, an admin changes things.",
)
@click.argument("name")
def add(config: Path, role: str, name: str) -> None:
    """Make a token for NAME, and print it: this once, and never again."""
    try:
        made = _tokens(config).add(name, cast(Role, role))
    except TokensError as error:
        raise click.ClickException(str(error)) from None
    click.echo(made)
    click.echo(f"{name} may call as {role} with this token; it is not shown again", err=True)


@token.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_(config: Path, as_json: bool) -> None:
    """Who has a token, as which role, since when."""
    try:
        found = _tokens(config).all()
    except TokensError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([{"name": one.name, "role": one.role, "made": _made(one)} for one in found]))
        return
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        click.echo(f"{one.name:<{width}}  {one.role:<6}  {_made(one)}")


@token.command()
@config_option
@click.argument("name")
def remove(config: Path, name: str) -> None:
    """Take NAME's token away; a call under way is finished."""
    try:
        _tokens(config).remove(name)
    except TokensError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{name} may call no more")


def _tokens(config: Path) -> Tokens:
    settings = load_settings(config)
    options = settings.admin
    if options is None:
        click.echo(f"{config}: admin: is not set, so nothing listens for these tokens yet ([admin])", err=True)
    path = options.tokens if options is not None else None
    return Tokens(path or settings.node.state / "tokens.json")


def _made(one: Token) -> str:
    return datetime.fromtimestamp(one.made).astimezone().isoformat(timespec="seconds")
