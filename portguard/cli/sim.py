"""`portguard sim smsc` and `portguard sim esme`: either end of the wire, to try a proxy or a network by hand.

Passwords come from a file or from the environment, never from the command line, where every user of the machine
could read them.
"""

import asyncio
import json
import math
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from portguard.sim.behaviour import ID_FORMATS, MODES, Behaviour
from portguard.sim.esme import BIND_COMMANDS, BindRefused, Esme, EsmeOptions, LinkLost, Outcome
from portguard.sim.message import Message
from portguard.sim.mixes import MIXES, messages_of
from portguard.sim.smsc import Smsc, json_lines
from portguard.smpp.constants import status_name

PASSWORD_ENV = "PORTGUARD_SIM_PASSWORD"
_MIX_HELP = f"What to send: {'; '.join(f'{mix.name}, {mix.about}' for mix in MIXES.values())}."


class _Finite(click.FloatRange):
    """A range without nan and inf."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        found = super().convert(value, parameter, context)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number", parameter, context)
        return found


@click.group()
def sim() -> None:
    """Simulate either end of the wire: an SMSC or an ESME."""


@sim.command()
@click.option("--address", default="127.0.0.1:2776", show_default=True, help="Where to listen; port 0 is any free.")
@click.option("--mode", type=click.Choice(MODES), default="serve", show_default=True,
              help="serve answers; hang never answers; deaf stops reading; refuse closes every connection.")
@click.option("--passwords", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="File of lines 'system_id password'; without it anyone may bind.")
@click.option("--delay", type=_Finite(min=0), default=0.0, help="Seconds before an answer.")
@click.option("--deliver-after", type=_Finite(min=0), default=0.0, help="Seconds from answer to delivery.")
@click.option("--throttle", type=_Finite(0, 1), default=0.0, help="Share of messages throttled.")
@click.option("--window", type=click.IntRange(min=0), default=0, help="Unanswered messages a link may have; 0 is any.")
@click.option("--read-rate", type=click.IntRange(min=0), default=0, help="Octets read per second and link; 0 is any.")
@click.option("--id-format", type=click.Choice(list(ID_FORMATS)), default="hex", show_default=True,
              help="How message_ids are written.")
@click.option("--print", "show", is_flag=True, help="Print each accepted message as a line of JSON.")
def smsc(address: str, passwords: Path | None, show: bool, **behaviour: Any) -> None:
    """Run an SMSC that accepts binds and messages until it is interrupted."""
    host, port = _address(address)
    chosen = Behaviour(passwords=None if passwords is None else _read_passwords(passwords), **behaviour)
    simulator = Smsc(chosen, host, port)
    if show:
        simulator.on_delivered(json_lines(sys.stdout))
    try:
        asyncio.run(_serve(simulator))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address}: {error.strerror or error}") from None
    counts = " ".join(f"{name}={count}" for name, count in simulator.stats.as_dict().items() if count)
    click.echo(f"smsc stopped: {counts or 'nothing arrived'}", err=True)


@sim.command()
@click.option("--address", default="127.0.0.1:2775", show_default=True, help="Address to bind to.")
@click.option("--system-id", help="Account to bind as; without it, every account of the mix.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help=f"File of one password, or of lines 'system_id password'; else the environment's {PASSWORD_ENV}.")
@click.option("--bind", type=click.Choice(list(BIND_COMMANDS)), default="transceiver", show_default=True)
@click.option("--mix", type=click.Choice(list(MIXES)), default="clean", show_default=True, help=_MIX_HELP)
@click.option("--rate", type=_Finite(min=0), default=0.0, help="Messages a second and account; 0 is any.")
@click.option("--window", type=click.IntRange(min=1), default=10, show_default=True, help="Unanswered messages.")
@click.option("--count", type=click.IntRange(min=1), help="Messages in all; without it, the mix once.")
@click.option("--json", "as_json", is_flag=True, help="Print each outcome, and the summary, as a line of JSON.")
def esme(
    address: str, system_id: str | None, password_file: Path | None, mix: str, rate: float, count: int | None,
    as_json: bool, **options: Any,
) -> None:
    """Bind and send a traffic mix; exit 1 when a link fails or an outcome is not what the mix designs.

    The mixes are written for the sample registry in config/ under mode "enforce".
    """
    host, port = _address(address)
    batches = messages_of(mix, count, system_id)
    if not batches:
        raise click.ClickException(f"mix {mix} has no messages of account {system_id}")
    passwords = _Passwords(password_file)
    clients = [
        EsmeOptions(host=host, port=port, system_id=account, password=passwords.of(account), **options)
        for account in batches
    ]
    report = _Report(as_json, MIXES[mix].exact)
    try:
        asyncio.run(_send(clients, batches, rate, report))
    except KeyboardInterrupt:
        report.failures.append("interrupted")
    report.show()
    if report.failures or report.unexpected:
        raise click.exceptions.Exit(1)


def _address(text: str) -> tuple[str, int]:
    """host:port, with an IPv6 host in square brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not host.isprintable():
        raise click.BadParameter(f"{text!r} is not host:port")
    return host.strip("[]") or "127.0.0.1", int(port)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(f"{path}: is not in UTF-8") from None


def _read_passwords(path: Path) -> dict[str, str]:
    pairs = (line.split(maxsplit=1) for line in _read(path).splitlines() if line.strip())
    return {pair[0]: pair[1].strip() if len(pair) == 2 else "" for pair in pairs}


class _Passwords:
    """The password of each account: from the file's line for it, the file's only word, or the environment."""

    def __init__(self, path: Path | None) -> None:
        self._only = os.environ.get(PASSWORD_ENV, "")
        self._by_account: dict[str, str] = {}
        if path is not None:
            words = _read(path).split()
            if len(words) == 1:
                self._only = words[0]
            else:
                self._by_account = _read_passwords(path)

    def of(self, account: str) -> str:
        return self._by_account.get(account, self._only)


class _Report:
    """What became of the messages, for people or as lines of JSON."""

    def __init__(self, as_json: bool, exact: bool) -> None:
        self._as_json = as_json
        self._exact = exact
        self.statuses: Counter[str] = Counter()
        self.unexpected = 0
        self.failures: list[str] = []

    def tell(self, outcome: Outcome) -> None:
        message, status = outcome.message, status_name(outcome.status)
        self.statuses[status] += 1
        as_designed = (outcome.status == 0) == (message.action != "reject")
        self.unexpected += self._exact and not as_designed
        if self._as_json:
            row = {
                "account": message.account, "source_addr": message.source_addr,
                "destination_addr": message.destination_addr, "text": message.text, "status": status,
                "message_id": outcome.message_id, "expected": message.action, "rule": message.rule,
                "seconds": round(outcome.seconds, 6),
            }
            click.echo(json.dumps(row, ensure_ascii=False))
        elif self._exact and not as_designed:
            click.echo(
                f"expected {message.action} {message.rule}, got {status}: {message.account} {message.source_addr}"
                f" -> {message.destination_addr} {message.text}"
            )

    def show(self) -> None:
        if self._as_json:
            summary = {"sent": sum(self.statuses.values()), "statuses": self.statuses,
                       "unexpected": self.unexpected, "failures": self.failures}
            click.echo(json.dumps(summary, ensure_ascii=False))
            return
        for failure in self.failures:
            click.echo(failure, err=True)
        parts = ", ".join(f"{count} {status}" for status, count in self.statuses.most_common())
        judged = f"; {self.unexpected} not as designed" if self._exact else ""
        click.echo(f"{sum(self.statuses.values())} answered: {parts or 'none'}{judged}")


async def _serve(simulator: Smsc) -> None:
    async with simulator:
        click.echo(f"smsc listens on {simulator.address}, mode {simulator.behaviour.mode}; Ctrl-C ends it", err=True)
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()


async def _send(
    clients: list[EsmeOptions], batches: dict[str, list[Message]], rate: float, report: _Report
) -> None:
    """Every account on a link of its own, at the same time; a link that fails leaves the others alone."""

    async def one(options: EsmeOptions) -> None:
        try:
            async with Esme(options) as client:
                await client.send_all(batches[options.system_id], rate, report.tell)
        except (BindRefused, LinkLost, OSError) as error:
            report.failures.append(f"{options.system_id}: {error}")

    await asyncio.gather(*(one(options) for options in clients))
