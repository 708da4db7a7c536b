"""`portguard demo`: the whole of portguard on one machine, in under a minute, with nothing prepared.

A simulated SMSC, portguard as a process, and several ESMEs play the sample registry's traffic with each kind of
violation in it; then the registry is edited while they go on. What happened is held against what was designed, and
the exit code says whether they agree.
"""

import asyncio
import signal
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from portguard.cli.demo_crew import Client, OwnClient, SmpplibClient
from portguard.cli.demo_registry import RegistryAct
from portguard.cli.demo_stage import DemoError, Samples, Stage, find_config
from portguard.cli.demo_vane import complaints
from portguard.cli.demo_view import Happening, Tally, View, metric_lines, open_view, sums
from portguard.policy.reasons import RULE_BY_CODE, rule_of_vendor_status
from portguard.sim.esme import BindRefused, LinkLost
from portguard.sim.mailbox import Delivery
from portguard.sim.message import Message
from portguard.sim.mixes import MIXES, by_account
from portguard.smpp.constants import ESME_ROK, status_name

PAUSE: Final = 0.8
WHOLE_SECONDS: Final = 55.0

# These bind with smpplib, the others with our own ESME.
SMPPLIB_ACCOUNTS: Final = ("bank01", "river01")
# These may not bind: bank02 comes from a network that it does not have on file, bank03 is suspended.
BARRED: Final = ("bank02", "bank03")
# What the demo sets otherwise than the sample does, so that all that can become of a message is seen.
TAGGED: Final = "trial01"
DISCARDED: Final = "port_unregistered"

NEXT: Final = (
    "portguard check -c config/portguard.toml          is the sample registry sound? break a row and see",
    "portguard explain -c config/portguard.toml --account shoe01 --source 1066000032 --dest 13800100131 --text ...",
    "portguard sim smsc --print                        an SMSC to run portguard in front of,",
    "portguard run -c config/portguard.toml            portguard on the sample, and",
    "portguard sim esme --mix day                      this demo's traffic, by hand, while you look at it with",
    "portguard top -c config/portguard.toml            what goes on at this moment; q ends it",
    "config/registry/README.md                         who may send what in the sample, and who may not",
    "deploy/                                           systemd, containers, HAProxy, Prometheus and Grafana",
)

_NO_SAMPLE: Final = (
    "the demo plays the sample in config/ of a clone, which no wheel has: "
    "run it in a clone's folder, or say --config DIR"
)


@click.command()
@click.option("--config", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Folder with portguard.toml and registry/; default: config/ of a clone, the one of this "
                   "portguard or the current folder.")
@click.option("--keep", is_flag=True, help="Keep the demo's folder: settings, registry and log.")
@click.option("--pause", type=click.FloatRange(min=0), default=PAUSE, show_default=True,
              help="Seconds between two messages of one account.")
def demo(config: Path | None, keep: bool, pause: float) -> None:
    """Show portguard at work: SMSC, portguard and several ESMEs on this machine, in under a minute.

    Exit 0 when everything happened as designed, 1 when it did not, 130 after Ctrl-C.
    """
    console = Console()
    config = config or find_config()
    if config is None:
        raise click.ClickException(_NO_SAMPLE)
    try:
        import smpplib  # noqa: F401
    except ImportError:
        raise click.ClickException("smpplib is one of the demo's clients: pip install smpplib") from None
    try:
        problems = asyncio.run(_timed(Play(config, console, keep, pause)))
    except DemoError as error:
        raise click.ClickException(str(error)) from None
    except asyncio.CancelledError:
        console.print("\ninterrupted; everything is stopped")
        raise SystemExit(130) from None
    for problem in problems:
        console.print(f"not as designed: {problem}", style="bold red", markup=False)
    if problems:
        if not keep:
            console.print("with --keep the demo leaves portguard.log to look at")
        raise SystemExit(1)
    console.print("Everything happened as designed.", style="bold green")


async def _timed(play: "Play") -> list[str]:
    """The play, ended in order by Ctrl-C, by a signal and by the clock."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            return await play.run()
    except TimeoutError:
        raise DemoError(f"the demo took longer than {WHOLE_SECONDS:.0f} s") from None


class Play:
    """One performance."""

    def __init__(self, config: Path, console: Console, keep: bool, pause: float) -> None:
        self._config = config
        self._console = console
        self._keep = keep
        self.pause = pause
        self.view: View = open_view(console)
        self._tally = Tally()
        self._arrived: dict[str, Delivery] = {}
        self.clients: dict[str, Client] = {}
        self.problems: list[str] = []
        self.stage: Stage

    async def run(self) -> list[str]:
        """All of it; what was not as designed."""
        accounts = sorted({message.account for mix in MIXES.values() for message in mix.messages})
        self._burst_messages = frozenset(MIXES["burst"].messages)
        try:
            self.view.stage("Setting up: a folder, free ports, a simulated SMSC, portguard as a process")
            async with Stage(self._config, [*accounts, *BARRED], _change) as self.stage:
                self.stage.keep = self._keep
                self.stage.smsc.on_delivered(self._deliver)
                self.view.note(f"portguard on 127.0.0.1:{self.stage.port}, SMSC on {self.stage.smsc.address}")
                try:
                    await self._bind(accounts)
                    await self._ordinary()
                    await self._limits()
                    await RegistryAct(self).run()
                    await complaints(self)
                    samples = await self.stage.metrics()
                    self._compare(samples)
                finally:
                    await asyncio.gather(*(client.close() for client in self.clients.values()), return_exceptions=True)
                self.view.close()
                self._sum_up(samples)
        finally:
            self.view.close()
        return self.problems

    # -- the acts

    async def _bind(self, accounts: list[str]) -> None:
        self.view.stage("Binding: every account of the sample through portguard to the SMSC")
        for account in accounts:
            kind = SmpplibClient if account in SMPPLIB_ACCOUNTS else OwnClient
            client = kind(self.stage.port, account, self.stage.passwords[account])
            try:
                await client.open()
            except (ConnectionError, OSError) as error:
                raise DemoError(f"{account} ({kind.kind}) could not bind: {error}\n{self.stage.log_tail()}") from None
            self.clients[account] = client
        kinds = [client.kind for client in self.clients.values()]
        self.view.note(f"{kinds.count('esme')} of our own ESMEs and {kinds.count('smpplib')} of smpplib are bound")
        for account in BARRED:
            self.view.note(f"{account} may not bind: {await self._barred(account)}")

    async def _barred(self, account: str) -> str:
        """Try to bind an account that may not; what it was told."""
        client = OwnClient(self.stage.port, account, self.stage.passwords[account])
        try:
            await client.open()
        except BindRefused as refused:
            return str(refused)
        finally:
            await client.close()
        self.problems.append(f"{account} may not bind and could")
        return "but it did"

    async def _ordinary(self) -> None:
        self.view.stage("A day's traffic, with each kind of violation in it")
        messages = [_designed(message) for message in MIXES["day"].messages]
        await asyncio.gather(*(self._paced(batch) for batch in by_account(messages).values()))
        missing = {message.rule for message in messages} - set(self._tally.rows)
        self.problems += [f"rule {rule} was designed to fire and never did" for rule in sorted(missing - {""})]

    async def _limits(self) -> None:
        burst, quota = MIXES["burst"].messages, MIXES["quota"].messages
        self.view.stage(f"{burst[0].account} sends faster than it may, {quota[0].account} more than its daily cap")
        done = await asyncio.gather(*(self.send(message) for message in burst))
        refused = sum(happening.rule == "account_rate" for happening in done)
        if not 0 < refused < len(burst):
            self.problems.append(f"{refused} of a burst of {len(burst)} were refused by account_rate")
        await asyncio.gather(*(self.send(message) for message in quota))

    # -- one message

    async def _paced(self, messages: Iterable[Message]) -> None:
        for message in messages:
            await self.send(message)
            await asyncio.sleep(self.pause)

    async def show(self, message: Message, action: str, rule: str) -> None:
        """A message whose fate the registry of the moment decides."""
        await self.send(replace(message, action=action, rule=rule))

    async def send(self, message: Message) -> Happening:
        client = self.clients[message.account]
        try:
            status, message_id = await client.submit(message)
        except (LinkLost, OSError) as error:
            self.stage.check_alive()
            happening = self._happening(client, message, "lost", "", str(error))
        else:
            action, rule = self._fate(status, message_id)
            happening = self._happening(client, message, action, rule, status_name(status))
        self._tally.add(happening)
        self.view.happened(happening)
        if not happening.as_designed:
            self.problems.append(happening.complaint)
        return happening

    def _fate(self, status: int, message_id: str) -> tuple[str, str]:
        """Action and rule, as they can be told from outside: by vendor status, by tags, by what the SMSC got."""
        if status != ESME_ROK:
            rule = rule_of_vendor_status(status)
            return "reject", rule.name if rule else ""
        delivery = self._arrived.pop(message_id, None)
        if delivery is None:
            return "discard", ""
        if delivery.tags is None:
            return "allow", ""
        rule = RULE_BY_CODE.get(delivery.tags.reason)
        return "tag", rule.name if rule else ""

    def _happening(self, client: Client, message: Message, action: str, rule: str, status: str) -> Happening:
        if action == "discard":
            rule = message.rule if message.action == "discard" else ""  # nothing on the wire tells why
        wanted = (message.action, message.rule)
        as_designed = (action, rule) == wanted or (message in self._burst_messages and action == "allow")
        return Happening(
            client=client.kind, account=message.account, source_addr=message.source_addr,
            destination_addr=message.destination_addr, text=message.text or message.octets.hex(), action=action,
            rule=rule, status=status, designed_action=message.action, designed_rule=message.rule,
            as_designed=as_designed,
        )

    def _deliver(self, delivery: Delivery) -> None:
        self._arrived[delivery.message_id] = delivery

    # -- the end

    def _compare(self, samples: Samples) -> None:
        """The daemon's own counts against what was seen from both ends."""
        counted = sums(samples, "portguard_messages_total", "action")
        seen = self._tally.by_action()
        if {action: int(count) for action, count in counted.items() if count} != seen:
            self.problems.append(f"portguard_messages_total says {counted}, and {seen} were seen")
        if self.stage.smsc.stats.accepted != seen.get("allow", 0) + seen.get("tag", 0):
            self.problems.append(f"the SMSC accepted {self.stage.smsc.stats.accepted} messages, and {seen} were seen")

    def _sum_up(self, samples: Samples) -> None:
        out = self._console
        out.print()
        out.print(self._tally.table("What became of the messages"))
        out.print("\nFrom /metrics:", style="bold")
        for line in metric_lines(samples):
            out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        out.print("\nWhere to look next:", style="bold")
        for line in NEXT:
            out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        if self._keep:
            line = f"{self.stage.folder}: what this demo ran on, and portguard.log"
            out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        out.print()


def _change(settings: dict[str, Any]) -> None:
    """What the demo sets otherwise than the sample: refusals name their rule on the wire."""
    policy = settings.setdefault("policy", {})
    policy["mode"] = "enforce"
    policy["status_style"] = "vendor"
    policy.setdefault("accounts", {})[TAGGED] = {"mode": "tag"}
    policy.setdefault("rules", {})[DISCARDED] = {"action": "discard"}


def _designed(message: Message) -> Message:
    """A message of the sample's traffic with its outcome under the demo's settings."""
    if message.account == TAGGED and message.rule:
        return replace(message, action="tag")
    if message.rule == DISCARDED:
        return replace(message, action="discard")
    return message
