"""The main process: start, serve by its workers, reload, drain.

Signals, the watched folder and the control socket only leave a wish; one loop acts on them. What goes wrong at the
start is a ServiceError with plain lines; afterwards nothing but a signal, or a worker that cannot be kept alive, ends
the process.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
from collections.abc import Coroutine
from pathlib import Path
from time import monotonic
from typing import Any

from portguard.daemon.acceptor import Acceptor
from portguard.daemon.complaints import Complaints
from portguard.daemon.consents import Consents
from portguard.daemon.control import Command, ControlServer, Request
from portguard.daemon.desk import Desk
from portguard.daemon.journal import Journal, JournalError, journal_metrics_of
from portguard.daemon.notify import notify
from portguard.daemon.offices import open_offices
from portguard.daemon.orders import Status
from portguard.daemon.reload import Outcome, Reloader
from portguard.daemon.scrape import acceptor_metrics_of, registry_metrics_of, workers_metrics_of
from portguard.daemon.state import StateError, StateFolder
from portguard.daemon.wiring import build_facts
from portguard.daemon.workers import Workers
from portguard.net.listener import ListenError, bound_sockets, listen
from portguard.net.tls import TlsError, server_context
from portguard.net.upstream import Upstreams
from portguard.registry.image import Image
from portguard.settings.schema import Settings
from portguard.telemetry.collector import Metrics
from portguard.telemetry.http import Endpoint

SPARE_DESCRIPTORS = 64

log = logging.getLogger("portguard.daemon")


class ServiceError(Exception):
    """The daemon cannot start, or cannot go on; `lines` say why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Service:
    """One node from start to end: `run` returns once it has been told to stop and all workers have drained."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = StateFolder(settings.node.state)
        self.reloader = Reloader(settings, self.state, self._take_into_service)
        self.metrics = Metrics(build=build_facts())
        self.commands: dict[str, Command] = {"reload": self._reload, "status": self._status, "version": self._version}
        self._started = monotonic()
        self._serving = False
        self._wake, self._stop, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._wishes: list[str] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sockets: list[socket.socket] = []
        self._listening: list[socket.socket] = []
        self._workers: Workers | None = None
        self._journal: Journal | None = None
        self._complaints: Complaints | None = None
        self._consents: Consents | None = None
        self._acceptor: Acceptor | None = None
        self._image: Image | None = None
        self._endpoint: Endpoint | None = None
        self._control: ControlServer | None = None
        self._offices = contextlib.AsyncExitStack()
        self._failures: list[str] = []

    async def run(self) -> None:
        """Start, serve until a signal, drain. Raises ServiceError."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_report)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._wish_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._wish, "SIGHUP")
        try:
            await self._start()
            await self._serve()
        finally:
            await self._close()
        if self._failures:
            raise ServiceError(self._failures)

    # ---- start

    async def _start(self) -> None:
        try:
            self.state.open()
            self._take_addresses()
            _check_tls(self.settings)
            most, each = self._connections()
            workers = self._workers = Workers(self.settings, self.state, self._listening, each)
            if self.settings.node.workers > 1:
                self._acceptor = Acceptor(workers, self.settings.listen, self._enterprise_of, most, each)
            journal = self._journal = Journal(self.settings, self.state)
            await self._start_endpoint(workers, journal)
            # Their processes come up while the registry is built or found.
            await journal.start()
            await workers.start()
            await journal.ready()
            complaints = await self._open_complaints(workers, journal)
        except (StateError, ListenError, TlsError, JournalError) as error:
            raise ServiceError([str(error)]) from error
        except OSError as error:
            raise _start_error(error, self.state.path) from error
        journal.serve(workers)
        self.reloader.changed = self._revision_changed
        workers.failed.add_done_callback(self._lost)
        await self._first_revision()
        if not self._stop.is_set():
            await self._open_doors(workers, journal, complaints)

    async def _open_complaints(self, workers: Workers, journal: Journal) -> Complaints:
        """What is suspended is so from the first message on. Raises StateError."""
        if self.settings.consent is not None:
            self._consents = Consents(self.settings.consent, self.settings.node)
            self._offices.callback(self._consents.close)
        complaints = Complaints(self.settings, self.state, workers, self.reloader, journal, self._consents)
        self._complaints = complaints
        await complaints.open()
        return complaints

    def _take_addresses(self) -> None:
        """Bind early: an address in use is said before a long build."""
        self._listening = bound_sockets("listen.address", self.settings.listen.address)

    async def _start_endpoint(self, workers: Workers, journal: Journal) -> None:
        registry_metrics_of(self.reloader, self.metrics)
        workers_metrics_of(workers, self.metrics)
        journal_metrics_of(journal, self.metrics)
        if self._acceptor is not None:
            acceptor_metrics_of(self._acceptor, self.metrics)
        self.metrics.others = workers.counted
        if self.settings.metrics is None:
            return
        address = self.settings.metrics.address
        sockets = bound_sockets("metrics.address", address)
        self._sockets += sockets
        listen("metrics.address", sockets, 64)
        self._endpoint = Endpoint(self.metrics.registry(), self.not_ready, workers.counts)
        await self._endpoint.start(sockets)

    async def _first_revision(self) -> None:
        """The registry as it is on file, on all workers, or no start. A signal during the build ends it."""
        building = self._begin(self.reloader.reload("start"))
        waking = self._begin(self._stop.wait())
        await asyncio.wait((building, waking), return_when=asyncio.FIRST_COMPLETED)
        if not building.done():
            building.cancel()
            return
        waking.cancel()
        outcome: Outcome = building.result()
        if not self.reloader.revision:
            raise ServiceError(outcome.errors)

    async def _open_doors(self, workers: Workers, journal: Journal, complaints: Complaints) -> None:
        desk = Desk(
            self.settings, self.state, workers, self.reloader, self.metrics, self.commands, self._wish, journal,
            complaints, self._consents, self._started, self._stop.is_set,
        )
        try:
            await open_offices(desk, self._offices)
        except StateError as error:
            raise ServiceError([str(error)]) from error
        try:
            self._control = ControlServer(self.state.control, self.commands)
            await self._control.start()
            if self._acceptor is not None:
                self._acceptor.listener.start(self._listening)
        except ListenError as error:
            raise ServiceError([str(error)]) from error
        except OSError as error:
            raise _start_error(error, self.state.control) from error
        self._serving = True
        self._say_what_serves(workers)
        journal.emit("start", {**build_facts(), "revision": self.reloader.revision, "mode": self.settings.policy.mode})
        notify(f"READY=1\nSTATUS=serving revision {self.reloader.revision}")

    def _connections(self) -> tuple[int, int]:
        """(connections of the node, of one worker): max_connections, or what descriptors allow, of which a link takes
        two in its worker. Workers inherit the limit that is set here."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        wanted, workers = self.settings.listen.max_connections, self.settings.node.workers
        fits = max((soft - SPARE_DESCRIPTORS) // 2, 1) if soft != resource.RLIM_INFINITY else wanted
        if fits * workers < wanted:
            log.warning(
                "max_connections lowered",
                extra={"wanted": wanted, "max_connections": fits * workers, "descriptors": soft},
            )
        return min(wanted, fits * workers), min(wanted, fits)

    def _enterprise_of(self, system_id: str) -> str:
        account = self._image.account(system_id) if self._image is not None else None
        return account.enterprise if account is not None else ""

    @property
    def _addresses(self) -> list[str]:
        if self._acceptor is not None:
            return self._acceptor.listener.addresses
        return self._workers.addresses if self._workers is not None else []

    def _say_what_serves(self, workers: Workers) -> None:
        settings = self.settings
        facts = build_facts()
        log.info(
            "serving",
            extra={
                "listen": ",".join(self._addresses), "node": settings.node.id, **facts, "pid": os.getpid(),
                "workers": ",".join(str(member.child.pid) for member in workers.members),
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
        if settings.node.workers > 1 and settings.listen.tls is not None:
            log.warning(
                "behind TLS connections go to the workers by the client's address: rates, binds and parts of an"
                " account that comes from several addresses are counted by each worker for itself"
            )

    # ---- serving

    async def _serve(self) -> None:
        while not self._stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            wishes, self._wishes = self._wishes, []
            if wishes and not self._stop.is_set():
                noticed = set(wishes) == {"change"}
                self._begin(self.reloader.reload(", ".join(dict.fromkeys(wishes)), noticed=noticed))
        await self._drain()

    async def _drain(self) -> None:
        log.info("draining")
        notify("STOPPING=1\nSTATUS=draining")
        if self._acceptor is not None:
            self._acceptor.listener.close()
        for sock in self._listening:
            sock.close()
        workers = self._workers
        if workers is None or not self._serving:
            return
        draining = self._begin(workers.drain())
        hurrying = self._begin(self._hurry.wait())
        await asyncio.wait((draining, hurrying), return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            workers.hurry()
        drained = await draining
        log.info("stopped", extra={"drained": "yes" if drained.done else "no", "left": drained.left})

    async def _take_into_service(self, image: Image) -> None:
        assert self._workers is not None
        try:
            await self._workers.serve(image.path, image.meta.digest)
        except BaseException:
            image.close()
            raise
        if self._image is not None:
            self._image.close()
        self._image = image
        if self._serving:
            notify(f"STATUS=serving revision {image.meta.digest}")

    def _revision_changed(self, before: str, why: str, outcome: Outcome) -> None:
        if self._journal is not None:
            revisions: dict[str, object] = {"revision": outcome.revision, "before": before}
            self._journal.emit("registry", revisions | {"why": why, "counts": outcome.counts})

    def _lost(self, failed: "asyncio.Future[str]") -> None:
        """A worker cannot be kept alive: the others finish what they owe, and systemd or a human has to look."""
        if not failed.cancelled() and not self._stop.is_set():
            self._failures.append(failed.result())
            log.error("giving up", extra={"reason": failed.result()})
            self._wish_to_stop()

    def not_ready(self) -> str:
        """Why this node should get no new ESMEs, "" while it should. An SMSC that is away is no such reason: binds are
        answered, and every other node would be unready at the same time."""
        if self._stop.is_set():
            return "draining"
        if not self._serving:
            return "no registry in service yet"
        if self._workers is None or not self._workers.serving:
            return "no worker serves at the moment"
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
        workers = self._workers
        latest = self.reloader.latest
        said = await workers.status() if workers is not None else Status({}, {})
        return {
            **build_facts(), "node": self.settings.node.id, "pid": os.getpid(), "mode": self.settings.policy.mode,
            "seconds": round(monotonic() - self._started, 1), "listen": self._addresses,
            "draining": self._stop.is_set(), "revision": self.reloader.revision, "reloads": self.reloader.results,
            "latest_reload": latest.result if latest else "", "building": self.reloader.building,
            "sessions": said.sessions, "smsc": said.smsc, "journal": self._journal.facts() if self._journal else {},
            "workers": [
                {
                    "worker": member.number, "pid": member.child.pid, "serving": member.serving,
                    "sessions": said.links.get(member.number, 0), "restarts": max(member.child.lives - 1, 0),
                }
                for member in (workers.members if workers else [])
            ],
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

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._offices.aclose()
        if self._acceptor is not None:
            self._acceptor.listener.close()
        if self._control is not None:
            self._control.close()
        if self._workers is not None:
            await self._workers.close()
        if self._complaints is not None:
            # They hear what the workers counted to the end.
            await self._complaints.close()
        if self._journal is not None:
            if self._serving:
                self._journal.emit("stop", {"reason": "; ".join(self._failures)})
            self._failures += await self._journal.close()
        if self._endpoint is not None:
            self._endpoint.close()
        for sock in (*self._sockets, *self._listening):
            sock.close()
        if self._image is not None:
            self._image.close()
        self.state.close()


def _check_tls(settings: Settings) -> None:
    """A wrong file is said before a long build. Raises TlsError."""
    Upstreams.from_options(settings.smsc)
    if settings.listen.tls is not None:
        server_context(settings.listen.tls)


def _start_error(error: OSError, place: Path) -> ServiceError:
    return ServiceError([f"{error.filename or place}: {(error.strerror or str(error)).lower()}"])


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception that reached the event loop: said, and survived."""
    log.error(context.get("message", "unhandled exception"), exc_info=context.get("exception"))
