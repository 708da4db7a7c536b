"""What the compiler is shown of the message path, so that it lays out well what is taken often: `make trained`.

Traffic through a relay in process, the SMSC's answers included: the mixes of `portguard sim esme` over the sample
registry in config/, with other digits and subscribers each time and here and there a name, in chunks of one message,
ten and a hundred. It is not the traffic that the benchmark measures, which would flatter what is built so.

    python benchmarks/training.py --messages 300000
"""

import argparse
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import time
from zoneinfo import ZoneInfo

from portguard.daemon.wiring import relay_of, revision_of
from portguard.flavour import flavour
from portguard.policy.counters import Records
from portguard.policy.reasons import ACTION_NAMES
from portguard.registry.build import build
from portguard.registry.image import Image
from portguard.relay.pair import Pair
from portguard.relay.relay import Relay
from portguard.settings.load import load
from portguard.sim.message import Message
from portguard.sim.mixes import messages_of
from portguard.smpp.constants import BIND_TRANSCEIVER, BIND_TRANSCEIVER_RESP, DATA_SM, SUBMIT_SM
from portguard.smpp.encode import bind, bind_resp, deliver_sm, message_resp

CONFIG = Path(__file__).parent.parent / "config"
CHUNKS = (1, 10, 100, 100)
MIXES = ("clean", "clean", "load", "day")
# Of messages, how many name somebody; of chunks, how many bring a subscriber's message.
NAMED, REPLIES = 0.2, 0.05
EXTENDED, EXTENSIONS = 0.3, 1000  # from one of so many numbers under the account's own
GAP_SECONDS = 1.0  # between chunks: few are beyond an account's rate


class Link:
    """An account's pair, bound, and the sequence numbers of both sides."""

    def __init__(self, relay: Relay, account: str, now: float) -> None:
        self.relay = relay
        self.pair: Pair = relay.open("127.0.0.1", now)
        self.sequence = 1
        relay.esme_data(self.pair, bind(BIND_TRANSCEIVER, 1, system_id=account.encode(), password=b"secret"), now)
        relay.smsc_open(self.pair, now)
        relay.smsc_data(self.pair, bind_resp(BIND_TRANSCEIVER_RESP, 0, 1, system_id=b"smsc"), now)
        self.taken()

    def taken(self) -> bytes:
        """What goes to the SMSC, as net would write it."""
        data = b"".join(self.pair.to_smsc)
        self.pair.to_esme.clear()
        self.pair.to_smsc.clear()
        self.pair.dirty = False
        self.relay.dirty.clear()
        return data

    def send(self, messages: list[Message], now: float) -> None:
        """One chunk, and the SMSC's answer to what passes."""
        pdus = []
        for message in messages:
            self.sequence += 1
            pdu = message.pdu()
            pdus.append(pdu[:12] + self.sequence.to_bytes(4, "big") + pdu[16:])
        self.relay.esme_data(self.pair, b"".join(pdus), now)
        answers = [
            message_resp(command | 0x80000000, 0, sequence, message_id=b"%x" % sequence)
            for command, sequence in requests(self.taken())
        ]
        if random.random() < REPLIES:
            answers.append(deliver_sm(1, source_addr=b"8613800100000", destination_addr=b"1069", short_message=b"R"))
        if answers:
            self.relay.smsc_data(self.pair, b"".join(answers), now)
            self.taken()


def requests(data: bytes) -> Iterator[tuple[int, int]]:
    """(command_id, sequence_number) of the messages in what goes to the SMSC."""
    at = 0
    while at < len(data):
        size, command, _, sequence = (int.from_bytes(data[at + n : at + n + 4], "big") for n in (0, 4, 8, 12))
        if command in (SUBMIT_SM, DATA_SM):
            yield command, sequence
        at += size


def another(message: Message) -> Message:
    """The same with other digits in its text and to another subscriber, sometimes to one who is named, and sometimes
    from a longer number."""
    if message.body is not None:
        return message
    text = re.sub(r"\d{4,}", lambda found: "".join(random.choices("0123456789", k=len(found[0]))), message.text)
    if random.random() < NAMED:
        name = random.choice("王李张刘陈杨赵黄周吴") + chr(0x4E00 + random.randrange(2000))
        text = text.replace("】", f"】{name}您好，", 1)
    source, address = message.source_addr, message.destination_addr
    if random.random() < EXTENDED and len(source) <= 12:
        source += f"{random.randrange(EXTENSIONS):03}"
    address = f"{address[:-4]}{random.randrange(10000):04}"
    return replace(message, text=text, source_addr=source, destination_addr=address)


def chunks(count: int) -> Iterator[tuple[str, list[Message]]]:
    """(account, messages) of chunks with about so many messages in all."""
    mixes = {mix: messages_of(mix) for mix in MIXES}
    while count > 0:
        mix = random.choice(MIXES)
        account = random.choice(list(mixes[mix]))
        messages = [another(message) for message in random.choices(mixes[mix][account], k=random.choice(CHUNKS))]
        # What comes again is known by then.
        for _ in range(4):
            yield account, messages
            count -= len(messages)


def main() -> None:
    """Sends, and says what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300_000, help="how many (default: %(default)s)")
    given = parser.parse_args()
    random.seed(12321)
    with tempfile.TemporaryDirectory(prefix="portguard-training-") as name:
        folder = Path(name)
        shutil.copy(CONFIG / "portguard.toml", folder)
        shutil.copytree(CONFIG / "registry", folder / "registry")
        settings = load(folder / "portguard.toml")
        image = Image(build(folder / "registry", folder / "revisions").path)
        relay = relay_of(revision_of(image, settings), settings, b"k" * 32)
        # Ten in the morning, when offers may be sent.
        ten = datetime.now(ZoneInfo(settings.node.timezone)).replace(hour=10, minute=0).timestamp()
        now, before = 1000.0, time()
        relay.engine.set_clock(now, ten)
        relay.engine.records = Records(1 << 28, 1 << 30)
        links: dict[str, Link] = {}
        for account, messages in chunks(given.messages):
            if account not in links:
                links[account] = Link(relay, account, now)
            links[account].send(messages, now)
            now += GAP_SECONDS
            relay.engine.records.take()
        counts = dict.fromkeys(ACTION_NAMES, 0)
        for action, _, _, count in relay.engine.counters.read():
            counts[ACTION_NAMES[action]] += count
        print(f"portguard {flavour()}: {sum(counts.values())} messages in {time() - before:.1f} s, {counts}")


if __name__ == "__main__":
    main()
