"""Where the commands on complaints do their work: in the proxy that runs, or on its files while none does.

Two who write at once are no harm: what counts is in SQLite, and the proxy looks there for what it did not put there
itself. On the files nothing is said to the journal; what is to be said waits there for the next start.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import click

from portguard.complaints.desk import HoldError
from portguard.complaints.intake import Revocation
from portguard.complaints.store import ComplaintsError, Hold
from portguard.consent.edit import Entry
from portguard.consent.load import commit
from portguard.consent.record import seconds, subscriber_key
from portguard.consent.standing import REVOCATION, Attribute
from portguard.consent.store import ConsentError, Store
from portguard.daemon.complaints_rooms import Rooms
from portguard.daemon.control import ControlError, NotRunning, ask
from portguard.evidence.keys import KeyMissing
from portguard.evidence.traffic_file import TrafficError
from portguard.registry.build import BuildFailed, build
from portguard.registry.formats import RawRow
from portguard.registry.image import Image, ImageError
from portguard.registry.revisions import revisions
from portguard.settings.schema import Settings

Rows = Sequence[tuple[int, RawRow]]
Answer = dict[str, Any]


class Where(Protocol):
    """Answers are the control socket's; what is refused raises ClickException."""

    def take(self, rows: Rows, file: str) -> Answer: ...
    def look(self, **wanted: Any) -> list[dict[str, Any]]: ...
    def hold(self, kind: str, name: str, level: str, hours: float, who: str, why: str) -> Answer: ...
    def lift(self, kind: str, name: str, who: str, why: str) -> Answer: ...


@contextmanager
def where(settings: Settings) -> Iterator[Where]:
    """The proxy that runs with these settings, else its files."""
    try:
        ask(settings.node.state, "version", 30.0)
    except NotRunning:
        with _files(settings) as files:
            yield files
        return
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    yield Proxy(settings.node.state)


class Proxy:
    """The proxy that runs with this state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def take(self, rows: Rows, file: str) -> Answer:
        return self._ask("complaints_import", rows=rows, file=file)

    def look(self, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("complaints_list", **wanted)["items"]
        return found

    def hold(self, kind: str, name: str, level: str, hours: float, who: str, why: str) -> Answer:
        return self._ask(
            "complaints_hold", kind=kind, name=name, level=level, hours=hours, who=who, why=why
        )

    def lift(self, kind: str, name: str, who: str, why: str) -> Answer:
        return self._ask("complaints_lift", kind=kind, name=name, who=who, why=why)

    def _ask(self, command: str, **arguments: Any) -> Answer:
        try:
            answer = ask(self._state, command, **arguments)
        except ControlError as error:
            raise click.ClickException(str(error)) from None
        if not answer.get("ok"):
            raise click.ClickException(str(answer.get("error") or "the proxy refused, and did not say why"))
        return answer


class Files:
    """The files in the state folder, under the registry's newest revision."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def take(self, rows: Rows, file: str) -> Answer:
        with _plainly():
            taken = self._rooms.take(rows, file, time.time())
            self._rooms.turn(time.time())
        problems = [(problem.row, problem.field, problem.message) for problem in taken.problems]
        return {"results": taken.results, "problems": problems, "revoked": taken.revoked}

    def look(self, **wanted: Any) -> list[dict[str, Any]]:
        now = time.time()
        with _plainly():
            self._rooms.turn(now)
            if wanted.pop("of") == "targets":
                return self._rooms.targets(now, **wanted)
            since, until = wanted.pop("since"), wanted.pop("until")
            return self._rooms.complaints(since, now if until is None else until, **wanted)

    def hold(self, kind: str, name: str, level: str, hours: float, who: str, why: str) -> Answer:
        now = time.time()
        with _plainly():
            self._rooms.hold(Hold(kind, name, level, now, now + hours * 3600, who, why))
        return {"until": now + hours * 3600}

    def lift(self, kind: str, name: str, who: str, why: str) -> Answer:
        with _plainly():
            return {"before": self._rooms.lift(kind, name, who, why, time.time())}


@contextmanager
def _files(settings: Settings) -> Iterator[Files]:
    state = settings.node.state
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = state.stat().st_uid
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    if owner != os.geteuid():
        # What another user makes there the proxy could not open at its next start.
        raise click.ClickException(f"{state}: belongs to uid {owner}; run this as that user")
    with TemporaryDirectory(prefix="portguard-") as folder, _plainly():
        image = _image(settings, Path(folder))
        try:
            rooms = Rooms(settings, state, _revoker(settings))
            try:
                rooms.know(image)
                yield Files(rooms)
            finally:
                rooms.close()
        finally:
            image.close()


def _image(settings: Settings, folder: Path) -> Image:
    """What the proxy last served; where it never did, the registry as it is on file, built in `folder`."""
    node = settings.node
    for path in revisions(node.state / "revisions"):
        try:
            return Image(path)
        except ImageError:
            continue
    try:
        return Image(build(settings.registry.path, folder, node.timezone, node.country).path)
    except BuildFailed as failure:
        for line in failure.errors:
            click.echo(line, err=True)
        raise click.exceptions.Exit(1) from None


def _revoker(settings: Settings) -> Any:
    """Puts opt-outs on file; None while there is no ledger."""
    options = settings.consent
    if options is None:
        return None

    def revoke(revocations: list[Revocation]) -> None:
        store = Store(options.path)
        try:
            commit(store, [
                Entry(enterprise, subscriber_key(subscriber), Attribute(REVOCATION, source), seconds(at), 0, "")
                for enterprise, subscriber, at, source in revocations
            ])  # fmt: skip
        finally:
            store.close()

    return revoke


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except (ComplaintsError, TrafficError, ConsentError, HoldError, KeyMissing, ImageError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
