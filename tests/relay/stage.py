"""A relay on a real registry image, and the short words the playbooks use.

`Stage` holds a relay and a clock; `Actor` is one pair seen from both ends: `esme(pdu)` and `smsc(pdu)` say something,
`to_esme` and `to_smsc` are what has come out since it was last looked at.
"""

import csv
from pathlib import Path
from typing import Any

from portguard.policy.assembly import build_engine, build_revision
from portguard.policy.options import ConcatOptions, PolicyOptions, TagOptions
from portguard.policy.revision import Revision
from portguard.registry.build import build
from portguard.registry.image import Image
from portguard.relay.discard import DiscardIds
from portguard.relay.options import LimitsOptions, RelayOptions
from portguard.relay.pair import Pair
from portguard.relay.relay import Relay
from portguard.relay.tagging import Tagger
from portguard.smpp import constants as c
from portguard.smpp.encode import bind, bind_resp, message_resp, submit_sm
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import Pdu, decode

PORT = b"1069123456"
PHONE = b"13800138000"
SIGNED = "【星辰商城】您的验证码是482913，5分钟内有效。"
UNSIGNED = "您的验证码是482913，5分钟内有效。"

TABLES: dict[str, list[dict[str, str]]] = {
    "enterprises": [
        {"id": "op", "name": "operator", "kind": "operator", "status": "active"},
        {"id": "star", "name": "star", "kind": "sp", "status": "active"},
    ],
    "accounts": [
        {"system_id": "star", "enterprise": "star"},
        {"system_id": "few", "enterprise": "star", "max_binds": "1", "networks": "10.0.0.0/8"},
        {"system_id": "off", "enterprise": "star", "status": "suspended"},
    ],
    "ports": [{"port": PORT.decode(), "holder": "star", "signature_required": "true"}],
    "signatures": [{"signature": "星辰商城", "enterprise": "star"}, {"signature": "星辰限量", "enterprise": "star"}],
    "scopes": [
        {"signature": "星辰商城", "enterprise": "star", "port": PORT.decode()},
        {"signature": "星辰限量", "enterprise": "star", "port": PORT.decode(), "daily_cap": "1"},
    ],
}


def write_registry(folder: Path, tables: dict[str, list[dict[str, str]]]) -> Path:
    """The tables as CSV files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        fields = sorted({field for row in rows for field in row})
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fields, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def load_revision(folder: Path, tables: dict[str, list[dict[str, str]]], options: PolicyOptions) -> Revision:
    """A revision built from the tables, as the daemon's builder does."""
    built = build(write_registry(folder / "registry", tables), folder / "revisions")
    return build_revision(Image(built.path), options, "Asia/Shanghai", "86")


class Stage:
    """A relay with a clock that stands still until it is moved."""

    def __init__(
        self, folder: Path, options: PolicyOptions | None = None, concat: ConcatOptions | None = None, **limits: Any
    ) -> None:
        self.folder = folder
        self.options = options or PolicyOptions(mode="enforce")
        self.now = 1000.0
        self.wall = 1_795_000_000.0
        revision = load_revision(folder, TABLES, self.options)
        self.relay = Relay(
            build_engine(revision),
            RelayOptions(
                LimitsOptions(**limits),
                bind_timeout=5.0,
                idle_timeout=300.0,
                smsc_bind_timeout=2.0,
                tag_fallback=self.options.tag_fallback,
                discard_receipt=self.options.discard_receipt,
                concat=concat or ConcatOptions(),
            ),
            Tagger(TagOptions()),
            DiscardIds(b"k" * 32, self.options.discard_id),
            wall=lambda: self.wall,
        )
        self.relay.tick(self.now)

    def later(self, seconds: float) -> None:
        """Move both clocks and tick."""
        self.now += seconds
        self.wall += seconds
        self.relay.tick(self.now)

    def swap(self, tables: dict[str, list[dict[str, str]]]) -> None:
        """Serve a registry with other tables."""
        self.relay.swap(load_revision(self.folder / str(self.now), tables, self.options), self.now)

    def actor(self, *, bound: bool = True, system_id: bytes = b"star", **how: Any) -> "Actor":
        """A new link, bound through the SMSC unless told otherwise."""
        actor = Actor(self, self.relay.open("127.0.0.1", self.now))
        if bound:
            actor.bind(system_id=system_id, **how)
        return actor


class Actor:
    """One pair from both ends."""

    def __init__(self, stage: Stage, pair: Pair) -> None:
        self.stage = stage
        self.pair = pair

    def bind(
        self,
        command: int = c.BIND_TRANSCEIVER,
        system_id: bytes = b"star",
        version: int = c.VERSION_34,
        smsc_version: int | None = c.VERSION_34,
        tlv: str = "auto",
    ) -> None:
        """Bind, with an SMSC that agrees."""
        self.esme(bind(command, 1, system_id=system_id, password=b"secret", interface_version=version))
        assert self.pair.want_smsc
        self.pair.want_smsc = False
        self.stage.relay.smsc_open(self.pair, self.stage.now, tlv)
        assert [pdu.command_id for pdu in self.to_smsc] == [command]
        self.smsc(bind_resp(command, 0, 1, system_id=b"smsc", sc_interface_version=smsc_version))
        assert [pdu.command_id for pdu in self.to_esme] == [command | c.RESP]

    def esme(self, *pdus: bytes) -> None:
        """The ESME writes, in one chunk."""
        self.stage.relay.esme_data(self.pair, b"".join(pdus), self.stage.now)

    def smsc(self, *pdus: bytes) -> None:
        """The SMSC writes, in one chunk."""
        self.stage.relay.smsc_data(self.pair, b"".join(pdus), self.stage.now)

    def raw_to_smsc(self) -> bytes:
        """Bytes for the SMSC since last looked at."""
        octets = b"".join(self.pair.to_smsc)
        self.pair.to_smsc.clear()
        return octets

    def raw_to_esme(self) -> bytes:
        """Bytes for the ESME since last looked at."""
        octets = b"".join(self.pair.to_esme)
        self.pair.to_esme.clear()
        return octets

    @property
    def to_smsc(self) -> list[Pdu]:
        """PDUs for the SMSC since last looked at."""
        return [decode(pdu) for pdu in Framer(1 << 20).feed(self.raw_to_smsc())]

    @property
    def to_esme(self) -> list[Pdu]:
        """PDUs for the ESME since last looked at."""
        return [decode(pdu) for pdu in Framer(1 << 20).feed(self.raw_to_esme())]


def submit(seq: int, text: str = SIGNED, *, source: bytes = PORT, **fields: Any) -> bytes:
    """submit_sm with UCS-2 text."""
    return submit_sm(
        seq,
        source_addr=source,
        destination_addr=PHONE,
        data_coding=8,
        short_message=text.encode("utf-16-be"),
        **fields,
    )


def accepted(seq: int, message_id: bytes = b"77aa") -> bytes:
    """The SMSC's submit_sm_resp."""
    return message_resp(c.SUBMIT_SM, 0, seq, message_id=message_id)
