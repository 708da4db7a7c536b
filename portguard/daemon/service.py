"""The running daemon: start, serve, reload, drain.

Signals, the watched folder and the control socket only leave a wish; one loop acts on them. What goes wrong at the
start is a StartError with plain lines; afterwards nothing but a signal ends the process.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import ssl
from collections.abc import Coroutine
from pathlib import Path
from time import monotonic
from typing import Any

from portguard.consent.ledger import Ledger
from portguard.consent.store import ConsentError
from portguard.daemon.control import ControlServer, Request
from portguard.daemon.notify import notify
from portguard.daemon.reload import Outcome, Reloader
from portguard.daemon.replies import Replies
from portguard.daemon.state import StateError, StateFolder
from portguard.daemon.watch import changes
from portguard.daemon.wiring import (
    build_facts,
    consent_metrics_of,
    metrics_of,
    registry_metrics_of,
    relay_of,
    revision_of,
)
from portguard.net.exchange import Exchange
from portguard.net.leg import LINGER
from portguard.net.listener import Listener, ListenError, bound_sockets, listen
from portguard.net.probe import keep_probing
from portguard.net.tls import TlsError, server_context
from portguard.net.upstream import Upstreams
from portguard.registry.image import Image
from portguard.relay.relay import Relay
from portguard.settings.schema import Settings
from portguard.telemetry.collector import Metrics
from portguard.telemetry.http import Endpoint

SPARE_DESCRIPTORS = 64
FAULTS_LOGGED = 5
LEDGER_SECONDS = 0.1

log = logging.getLogger("portguard.daemon")


class StartError(Exception):
    """The daemon cannot start; `lines` say why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Service:
    """One daemon from start to end: `run` returns once it has been told to stop and has drained."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = StateFolder(settings.node.state)
        self.reloader = Reloader(settings, self.state, self._take_into_service)
        self.metrics = Metrics(build_facts())
        self._started = monotonic()
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._wishes: list[str] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sockets: list[socket.socket] = []
        self._ledger: Ledger | None = None
        self._image: Image | None = None
        self._before: Image | None = None
        self._relay: Relay | None = None
        self._exchange: Exchange | None = None
        self._listener: Listener | None = None
        self._upstreams: Upstreams | None = None
        self._context: ssl.SSLContext | None = None
        self._endpoint: Endpoint | None = None
        self._control: ControlServer | None = None

    async def run(self) -> None:
        """Start, serve until a signal, drain. Raises StartError."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_report)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._wish_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._wish, "SIGHUP")
        try:
            await self._start()
            await self._serve()
        finally:
            self._close()

    # ---- start

    async def _start(self) -> None:
        try:
            self.state.open()
            listening = self._take_addresses()
            await self._start_endpoint()
            self._upstreams = Upstreams.from_options(self.settings.smsc)
            if self.settings.listen.tls is not None:
                self._context = server_context(self.settings.listen.tls)
            key = self.state.discard_key()
        except (StateError, ListenError, TlsError) as error:
            raise StartError([str(error)]) from error
        except OSError as error:
            raise _start_error(error, self.state.path) from error
        self._discard_key = key
        await self._first_revision()
        if self._stop.is_set():
            return
        await self._open_doors(listening)

    def _take_addresses(self) -> list[socket.socket]:
        """Bind early: an address in use is said before a long build."""
        listening = bound_sockets("listen.address", self.settings.listen.address)
        self._sockets += listening
        return listening

    async def _start_endpoint(self) -> None:
        registry_metrics_of(self.reloader, self.metrics)
        if self.settings.metrics is None:
            return
        address = self.settings.metrics.address
        sockets = bound_sockets("metrics.address", address)
        self._sockets += sockets
        listen("metrics.address", sockets, 64)
        self._endpoint = Endpoint(self.metrics.registry(), self.not_ready)
        await self._endpoint.start(sockets)

    async def _first_revision(self) -> None:
        """The registry as it is on file, or no start. A signal during the build ends it."""
        building = self._begin(self.reloader.reload("start"))
        waking = self._begin(self._stop.wait())
        await asyncio.wait((building, waking), return_when=asyncio.FIRST_COMPLETED)
        if not building.done():
            building.cancel()
            return
        waking.cancel()
        outcome: Outcome = building.result()
        if not self.reloader.revision:
            raise StartError(outcome.errors)

    async def _open_doors(self, listening: list[socket.socket]) -> None:
        assert self._relay is not None
        assert self._upstreams is not None
        self._open_ledger(self._relay)
        exchange = self._exchange = Exchange(self._relay, self._upstreams)
        listener = Listener(exchange, self.settings.listen, self._context, self._connections())
        metrics_of(self._relay, exchange, listener, self.metrics)
        try:
            self._control = ControlServer(
                self.state.control, {"reload": self._reload, "status": self._status, "version": self._version}
            )
            await self._control.start()
            listener.start(listening)
        except ListenError as error:
            raise StartError([str(error)]) from error
        except OSError as error:
            raise _start_error(error, self.state.control) from error
        self._listener = listener
        exchange.start()
        self._begin(keep_probing(exchange))
        self._begin(self._housekeeping())
        if self.settings.registry.watch:
            self._begin(self._watch())
        _freeze()
        self._say_what_serves()
        notify(f"READY=1\nSTATUS=serving revision {self.reloader.revision}")

    def _open_ledger(self, relay: Relay) -> None:
        """Consent is judged where there is a ledger; its reads are renewed and replies heard from now on."""
        options = self.settings.consent
        if options is None:
            return
        try:
            ledger = self._ledger = Ledger(options.path, options)
        except ConsentError as error:
            raise StartError([f"consent.path: {error}"]) from error
        ledger.warm()
        relay.engine.ledger = ledger
        replies = Replies(ledger, relay)
        relay.heard = replies.heard
        consent_metrics_of(ledger, replies, self.metrics)
        self._begin(self._renew_ledger(ledger))

    @staticmethod
    async def _renew_ledger(ledger: Ledger) -> None:
        while True:
            ledger.tick(monotonic())
            await asyncio.sleep(LEDGER_SECONDS)

    def _connections(self) -> int:
        """max_connections, or what the descriptors of the process allow: each link needs two."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        wanted = self.settings.listen.max_connections
        fits = max((soft - SPARE_DESCRIPTORS) // 2, 1) if soft != resource.RLIM_INFINITY else wanted
        if fits < wanted:
            log.warning(
                "max_connections lowered", extra={"wanted": wanted, "max_connections": fits, "descriptors": soft}
            )
        return min(wanted, fits)

    def _say_what_serves(self) -> None:
        assert self._listener is not None
        settings = self.settings
        facts = build_facts()
        log.info(
            "serving",
            extra={
                "listen": ",".join(self._listener.addresses), "node": settings.node.id, **facts, "pid": os.getpid(),
                "revision": self.reloader.revision, "mode": settings.policy.mode,
                "metrics": settings.metrics.address if settings.metrics else "off",
            },
        )
        if settings.policy.mode == "monitor":
            log.warning("mode is monitor: nothing is refused, violations are only counted (policy.mode)")
        if facts["flavour"] != "compiled":
            log.warning("the engine runs interpreted, several times slower than compiled")
        if settings.listen.proxy_protocol is True:
            log.warning("every peer may name any client address (listen.proxy_protocol = true)")

    # ---- serving

    async def _serve(self) -> None:
        while not self._stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            wishes, self._wishes = self._wishes, []
            if wishes and not self._stop.is_set():
                self._begin(self.reloader.reload(", ".join(dict.fromkeys(wishes))))
        await self._drain()

    async def _drain(self) -> None:
        log.info("draining")
        notify("STOPPING=1\nSTATUS=draining")
        if self._listener is not None:
            self._listener.close()
        if self._exchange is None:
            return
        seconds = self.settings.limits.drain_timeout + self.settings.limits.unbind_timeout + LINGER
        draining = self._begin(self._exchange.drain(seconds))
        hurrying = self._begin(self._hurry.wait())
        await asyncio.wait((draining, hurrying), return_when=asyncio.FIRST_COMPLETED)
        done = draining.done() and draining.result()
        log.info("stopped", extra={"drained": "yes" if done else "no", "left": len(self._exchange.links)})

    async def _take_into_service(self, image: Image) -> None:
        revision = await asyncio.to_thread(revision_of, image, self.settings)
        if self._relay is None:
            self._relay = relay_of(revision, self.settings, self._discard_key)
        else:
            self._relay.swap(revision, monotonic())
            if self._exchange is not None:
                self._exchange.flush()
            _freeze()
            notify(f"STATUS=serving revision {image.meta.digest}")
        # The one before may still be named by an answer that is under way: it is closed a swap later.
        if self._before is not None:
            self._before.close()
        self._before, self._image = self._image, image

    async def _watch(self) -> None:
        async for _ in changes(self.settings.registry.path, self.settings.registry.settle_ms / 1000):
            self._wish("change")

    async def _housekeeping(self) -> None:
        """What the path leaves for the log."""
        assert self._relay is not None
        while True:
            await asyncio.sleep(1.0)
            faults = self._relay.faults
            for fault in faults[:FAULTS_LOGGED]:
                log.error("decision failed", extra={"fault": fault, "so_far": self._relay.engine.counters.errors})
            faults.clear()

    def not_ready(self) -> str:
        """Why this node should get no new ESMEs, "" while it should. An SMSC that is away is no such reason: binds are
        answered, and every other node would be unready at the same time."""
        if self._stop.is_set():
            return "draining"
        if self._listener is None:
            return "no registry in service yet"
        return ""

    # ---- wishes and commands

    def _wish(self, why: str) -> None:
        self._wishes.append(why)
        self._wake.set()

    def _wish_to_stop(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()
        self._wake.set()

    async def _reload(self, request: Request) -> dict[str, Any]:
        outcome = await self.reloader.reload("control")
        return {
            "ok": outcome.result in ("success", "unchanged"), "result": outcome.result, "revision": outcome.revision,
            "errors": outcome.errors, "warnings": outcome.warnings, "counts": outcome.counts,
            "seconds": outcome.seconds,
        }

    async def _version(self, request: Request) -> dict[str, Any]:
        return dict(build_facts())

    async def _status(self, request: Request) -> dict[str, Any]:
        assert self._relay is not None
        assert self._exchange is not None
        assert self._listener is not None
        latest = self.reloader.latest
        return {
            **build_facts(), "node": self.settings.node.id, "pid": os.getpid(), "mode": self.settings.policy.mode,
            "seconds": round(monotonic() - self._started, 1), "listen": self._listener.addresses,
            "draining": self._stop.is_set(), "revision": self.reloader.revision, "reloads": self.reloader.results,
            "latest_reload": latest.result if latest is not None else "", "sessions": dict(self._relay.sessions()),
            "smsc": {upstream.name: upstream.reason or "up" for upstream in self._exchange.upstreams.all},
        }

    # ---- the end

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the daemon failed", exc_info=task.exception())

    def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._exchange is not None:
            self._exchange.stop()
        if self._control is not None:
            self._control.close()
        if self._endpoint is not None:
            self._endpoint.close()
        for sock in self._sockets:
            sock.close()
        if self._ledger is not None and not self._ledger.close():
            log.error("opt-outs could not be committed", extra={"reason": self._ledger.error})
        self.state.close()


def _start_error(error: OSError, place: Path) -> StartError:
    return StartError([f"{error.filename or place}: {(error.strerror or str(error)).lower()}"])


def _freeze() -> None:
    """What lives as long as a revision is not worth the collector's looking at it again and again."""
    gc.collect()
    gc.freeze()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception that reached the event loop: said, and survived."""
    log.error(context.get("message", "unhandled exception"), exc_info=context.get("exception"))
