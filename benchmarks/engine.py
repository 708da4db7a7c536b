"""The engine in process: what a message costs without sockets, by stage and by how many come in one chunk.

    python benchmarks/engine.py [--seconds 1] [--json engine.json]

Stages are timed on the same messages, one inside the other: `scan` finds the fields, `text` looks for signatures,
`words` tells the category, `judge` is the whole verdict on a scanned PDU, and `relay` is everything between the bytes
that come and the bytes that go, answers of the SMSC included. Each figure is the best of several repetitions, in
microseconds a message.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, perf_counter, time
from typing import Any

from on_file import write_registry, write_settings
from portguard.daemon.sweeping import MOST_TALLIES
from portguard.daemon.wiring import relay_of, revision_of
from portguard.flavour import flavour
from portguard.policy.counters import Records
from portguard.policy.engine import Engine
from portguard.policy.reasons import ALLOW, REJECT, TAG
from portguard.registry.build import build
from portguard.registry.image import Image
from portguard.relay.pair import Pair
from portguard.relay.relay import Relay
from portguard.settings.load import load
from portguard.smpp.constants import SUBMIT_SM
from portguard.smpp.scan import Scan, scan_message
from portguard.sms.text import Text
from reels import pdus as first_of
from reels import reel
from ring import Ring
from traffic import ACCOUNTS, PDU_OCTETS, bind_answer, bind_request

CHUNKS = (1, 10, 100)
KINDS = ("permitted", "mixed", "hostile", "fresh")
REPETITIONS = 5
MESSAGES = 1000  # of a reel, gone through again and again
RECORDS = 20_000  # messages between two times that records are taken, as the process does every 50 ms


def new_relay(folder: Path, more: int) -> Relay:
    """A relay over the benchmark's registry."""
    write_registry(folder / "registry", more)
    settings = load(write_settings(folder, 2775, 2776, 9464))
    image = Image(build(folder / "registry", folder / "revisions").path)
    made = relay_of(revision_of(image, settings), settings, b"k" * 32)
    made.engine.set_clock(monotonic(), time())
    # Every violation leaves its record, as with the evidence room; and what is sent is tallied for the statistics.
    made.engine.records = Records(1 << 28, 1 << 30)
    made.engine.tallies.most = MOST_TALLIES
    return made


def bound_pair(relay: Relay, account: int) -> Pair:
    """A pair that has been through its bind."""
    now = monotonic()
    pair = relay.open("127.0.0.1", now)
    relay.esme_data(pair, bind_request(account, "permitted"), now)
    relay.smsc_open(pair, now)
    relay.smsc_data(pair, bind_answer(), now)
    written(relay, pair)
    return pair


def written(relay: Relay, pair: Pair) -> None:
    """What net does after every call, without a socket."""
    pair.to_esme.clear()
    pair.to_smsc.clear()
    pair.dirty = False
    relay.dirty.clear()


def microseconds(work: Callable[[], int], seconds: float) -> float:
    """The best time a message of `work`, which returns how many it has handled; fewer repetitions of what is slow."""
    best, end = float("inf"), perf_counter() + 2 * seconds
    for _ in range(REPETITIONS):
        if best < float("inf") and perf_counter() > end:
            break
        until, handled, began = perf_counter() + seconds / REPETITIONS, 0, perf_counter()
        while handled == 0 or perf_counter() < until:
            handled += work()
        best = min(best, (perf_counter() - began) / handled)
    return best * 1e6


def stages(relay: Relay, account: int, seconds: float) -> dict[str, float]:
    """The stages of a permitted message."""
    engine: Engine = relay.engine
    pdus = first_of(reel(account), MESSAGES)
    texts = [text_of(pdu) for pdu in pdus]
    scan, text, owner = Scan(relay.tagger.tags), Text(), engine.account(f"bench{account}")
    now = monotonic()

    def scanned() -> int:
        for pdu in pdus:
            scan_message(scan, pdu, 0, PDU_OCTETS, SUBMIT_SM)
        return MESSAGES

    def read() -> int:
        for raw in texts:
            text.load(raw, False, False)
        return MESSAGES

    def told() -> int:
        for raw in texts:
            engine.lexicon.classify(raw)
        return MESSAGES

    def judged() -> int:
        for pdu in pdus:
            scan_message(scan, pdu, 0, PDU_OCTETS, SUBMIT_SM)
            if engine.judge(owner, scan, pdu, now) != ALLOW:
                sys.exit(f"refused by rule {engine.rule}: {text_of(pdu).decode('utf-16-be')}")
        return MESSAGES

    found = {"scan": microseconds(scanned, seconds), "text": microseconds(read, seconds)}
    found["words"] = microseconds(told, seconds)
    found["scan and judge"] = microseconds(judged, seconds)
    return found


def text_of(pdu: bytes) -> bytes:
    """The text of a message: its short_message."""
    scan = Scan([0x1D01, 0x1D02, 0x1D03, 0x1D04])
    scan_message(scan, pdu, 0, len(pdu), SUBMIT_SM)
    return pdu[scan.sm_start : scan.sm_end]


def relayed(relay: Relay, kind: str, chunk: int, seconds: float, most: int) -> float:
    """Chunks of that many messages from each ESME in turn, and the SMSC's answers to those that were permitted; of at
    most so many an ESME, which then come again."""
    about = relay.engine.revision.digest if kind == "mixed" else ""
    steps: list[tuple[Pair, bytes, bytes]] = []
    reels = [reel(account, kind, about) for account in range(ACCOUNTS)]
    pairs = [bound_pair(relay, account) for account in range(ACCOUNTS)]
    requests, answers = [Ring(found.requests) for found in reels], [Ring(found.answers) for found in reels]
    for at in range(0, min(len(reels[0].passes), most) - chunk, chunk):
        for pair, found, asked, answered in zip(pairs, reels, requests, answers, strict=True):
            steps.append((pair, asked.take(chunk), answered.take(sum(found.passes[at : at + chunk]))))

    def work() -> int:
        for step, (pair, asked, answered) in enumerate(steps):
            now = monotonic()
            relay.esme_data(pair, asked, now)
            written(relay, pair)
            if answered:
                relay.smsc_data(pair, answered, now)
                written(relay, pair)
            if step * chunk % RECORDS < chunk:
                relay.engine.records.take()
        return len(steps) * chunk

    work()
    return microseconds(work, seconds)


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--rows", type=int, default=1000, help="ports, signatures and scopes on file beside those used")
    parser.add_argument("--messages", type=int, default=1 << 16, help="an account's, which then come again")
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args()
    if given.messages <= CHUNKS[-1]:
        parser.error(f"--messages: more than the {CHUNKS[-1]} that come in one chunk")
    with tempfile.TemporaryDirectory(prefix="portguard-bench-") as name:
        relay = new_relay(Path(name), given.rows)
        figures = stages(relay, 0, given.seconds)
        for kind in KINDS:
            for chunk in CHUNKS if kind == "permitted" else CHUNKS[-1:]:
                figures[f"relay, {chunk} a chunk, {kind}"] = relayed(relay, kind, chunk, given.seconds, given.messages)
        actions = {action for action, _, _, _ in relay.engine.counters.read()}
    assert actions == {ALLOW, REJECT, TAG}
    print(f"portguard {flavour()}, Python {platform.python_version()}, {PDU_OCTETS}-octet submit_sm in UCS-2")
    for label, value in figures.items():
        print(f"{label:34} {value:8.3f} us")
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        result: dict[str, Any] = {"flavour": flavour(), "us_a_message": figures}
        given.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
