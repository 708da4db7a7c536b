"""The demo's ESMEs: our own simulator's and smpplib's, each one account on one link.

Noun: a *client* binds as an account, submits one message at a time and tells what was answered. That other people's
client is among them shows that portguard does not only understand itself.
"""

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from portguard.sim.esme import Esme, EsmeOptions, LinkLost, Outcome
from portguard.sim.message import Message
from portguard.smpp.constants import MAX_SHORT_MESSAGE, NPI_ISDN, TON_UNKNOWN

SMPPLIB_SECONDS: Final = 10


class Client(Protocol):
    """One account's link."""

    kind: str

    async def open(self) -> None:
        """Connect and bind; ConnectionError or OSError when that fails."""

    async def submit(self, message: Message) -> tuple[int, str]:
        """Send a message and await its answer: command_status and message_id."""

    async def close(self) -> None:
        """Unbind and close; a link that is gone already is no error."""


class OwnClient:
    """The simulator's ESME."""

    kind = "esme"

    def __init__(self, port: int, account: str, password: str) -> None:
        self.esme = Esme(EsmeOptions(port=port, system_id=account, password=password, window=50))

    async def open(self) -> None:
        await self.esme.connect()
        await self.esme.bind()

    async def submit(self, message: Message) -> tuple[int, str]:
        outcome: Outcome = await self.esme.submit(message)
        return outcome.status, outcome.message_id

    async def close(self) -> None:
        await self.esme.close()


class SmpplibClient:
    """smpplib, blocking, in a thread of its own."""

    kind = "smpplib"

    def __init__(self, port: int, account: str, password: str) -> None:
        import smpplib.client

        name = f"demo.smpplib.{account}"
        logging.getLogger(name).setLevel(logging.CRITICAL)  # its warnings would tear the picture
        self._client = smpplib.client.Client(
            "127.0.0.1", port, timeout=SMPPLIB_SECONDS, allow_unknown_opt_params=True, logger_name=name
        )
        self._account, self._password = account, password
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    @staticmethod
    def can_send(message: Message) -> bool:
        """What smpplib's API lets it say: submit_sm without TLVs of the sender's own, one body."""
        return message.via == "submit_sm" and not message.tlvs and message.carrier != "both"

    async def open(self) -> None:
        def bind() -> None:
            self._client.connect()
            self._client.bind_transceiver(system_id=self._account, password=self._password)

        await self._run(bind)

    async def submit(self, message: Message) -> tuple[int, str]:
        def send() -> tuple[int, str]:
            sent = self._client.send_message(**_fields(message))
            while True:
                answer = self._client.read_pdu()
                if answer.command == "submit_sm_resp" and answer.sequence == sent.sequence:
                    return int(answer.status), (answer.message_id or b"").decode()
                if answer.command == "unbind":
                    raise LinkLost("portguard unbound the link")

        answered: tuple[int, str] = await self._run(send)
        return answered

    async def close(self) -> None:
        def end() -> None:
            try:
                self._client.unbind()
            finally:
                self._client.disconnect()

        with contextlib.suppress(OSError):
            await self._run(end)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Any) -> Any:
        from smpplib.exceptions import ConnectionError as Lost
        from smpplib.exceptions import PDUError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (Lost, PDUError) as error:
            raise LinkLost(f"smpplib: {error or type(error).__name__}") from error


def _fields(message: Message) -> dict[str, Any]:
    """A message as smpplib's send_message takes it."""
    octets = message.octets
    payload = message.carrier == "message_payload" or len(octets) > MAX_SHORT_MESSAGE
    return {
        "source_addr_ton": message.source_ton,
        "source_addr_npi": NPI_ISDN,
        "source_addr": message.source_addr,
        "dest_addr_ton": TON_UNKNOWN,
        "dest_addr_npi": NPI_ISDN,
        "destination_addr": message.destination_addr,
        "esm_class": message.esm_class,
        "data_coding": message.data_coding,
        "registered_delivery": message.registered_delivery,
        "schedule_delivery_time": message.delivery_time().decode(),
        "sm_default_msg_id": message.sm_default_msg_id,
        **({"message_payload": octets} if payload else {"short_message": octets}),
    }
