"""`portguard explain`: one message, its verdict, and why each rule did or did not fire.

The engine itself judges; what is printed is what it noted while doing so.
"""

import sys
import time
from pathlib import Path

import click
import msgspec

from portguard.cli.revision import desk_of
from portguard.cli.settings import at_option, config_option, load_settings
from portguard.policy.desk import Message, MessageError, Outcome
from portguard.policy.explanation import Explanation, as_object, examine


@click.command()
@config_option
@click.option("--account", required=True, help="The system_id that submits.")
@click.option("--source", default="", help="source_addr: the SMS port number it comes from.")
@click.option("--dest", default="", help="destination_addr: the subscriber's number.")
@click.option("--data-coding", type=click.IntRange(0, 255), default=8, show_default=True, help="data_coding.")
@click.option("--at", "at_text", metavar="ISO-TIME", help="When it is submitted; now by default.")
@click.option("--text", help="The text, signature included.")
@click.option("--pdu", metavar="HEX", help="A whole PDU in place of source, dest, data-coding and text.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def explain(
    config: Path, account: str, source: str, dest: str, data_coding: int, at_text: str | None, text: str | None,
    pdu: str | None, as_json: bool,
) -> None:
    """Judge one message and say why, rule by rule.

    Rates and daily caps are taken as unused. Exits 0 whatever the verdict is.
    """
    if (text is None) == (pdu is None):
        raise click.UsageError("Give the message as --text, or as --pdu.")
    settings = load_settings(config)
    at = at_option(at_text, settings, time.time())
    try:
        octets = bytes.fromhex(pdu or "")
    except ValueError as error:
        raise click.BadParameter(f"is no hex: {error}", param_hint="--pdu") from None
    message = Message(account, source, dest, text or "", data_coding, at, pdu=octets)
    with desk_of(settings) as desk:
        try:
            found = examine(desk, message)
        except MessageError as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(as_object(found)) + b"\n")
    else:
        _print(found)


def _print(found: Explanation) -> None:
    outcome = found.outcome
    verdict = " ".join(part for part in (outcome.action, _rule(outcome), outcome.status) if part)
    click.echo("verdict    " + click.style(verdict, fg=_COLOURS[outcome.action], bold=True))
    click.echo(f"signature  【{outcome.signature}】" if outcome.signature else "signature  none")
    click.echo(f"category   {_category(found)}")
    click.echo(f"judged     for {found.at}, mode {found.mode}, revision {outcome.revision}\n")
    for line in found.trace:
        state = line.effect if line.state == "fired" else line.state
        row = f"{line.code:<4} {line.rule:<23} {state:<12} {line.why}"
        click.echo(click.style(row, fg=_COLOURS.get(state), dim=line.state in ("off", "not reached")))


_COLOURS = {"allow": "green", "monitor": "cyan", "tag": "yellow", "discard": "magenta", "reject": "red"}


def _rule(outcome: Outcome) -> str:
    return f"{outcome.code} {outcome.rule}" if outcome.rule else ""


def _category(found: Explanation) -> str:
    outcome = found.outcome
    name = f"{outcome.category}/{outcome.industry}" if outcome.industry else outcome.category
    if found.template:
        return f"{name}, by template {found.template}"
    words = ", ".join(
        f"{word.word} {word.weight:+d} {word.category}" + ("" if word.counted else " (in a longer word)")
        for word in found.words
    )
    return f"{name}, by {words}" if words else f"{name}, no word of the lexicon"
