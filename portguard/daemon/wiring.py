"""Putting the rooms of a worker together: a relay from settings and an image, and the metrics from their counters."""

import platform
from collections.abc import Iterable
from typing import Final

import portguard
from portguard.consent.ledger import Ledger
from portguard.daemon.replies import Replies
from portguard.flavour import flavour
from portguard.net.batch import Batch
from portguard.net.exchange import Exchange
from portguard.net.listener import Listener
from portguard.policy.assembly import build_engine, build_revision
from portguard.policy.reasons import ACTION_NAMES, CATALOGUE
from portguard.policy.revision import Revision
from portguard.registry.image import Image
from portguard.relay.discard import DiscardIds
from portguard.relay.options import RelayOptions
from portguard.relay.relay import Relay
from portguard.relay.tagging import Tagger
from portguard.settings.schema import Settings
from portguard.sms.category import CATEGORY_NAMES
from portguard.telemetry.sources import Sources

CONNECTIONS_REFUSED: Final = "Connections that got no further than accept"

Labelled = Iterable[tuple[tuple[str, ...], float]]


def revision_of(image: Image, settings: Settings) -> Revision:
    """The reader of an image under these settings."""
    return build_revision(image, settings.policy, settings.node.timezone, settings.node.country)


def relay_of(revision: Revision, settings: Settings, discard_key: bytes) -> Relay:
    """A relay that judges under this revision."""
    engine = build_engine(
        revision, answers=settings.limits.answers, grants=settings.limits.grants, refusals=settings.limits.refusals
    )
    options = RelayOptions(
        settings.limits,
        bind_timeout=settings.listen.bind_timeout,
        idle_timeout=settings.listen.idle_timeout,
        # The sockets give each SMSC its own time; this is for one that answers with something else than a bind_resp.
        smsc_bind_timeout=max(smsc.bind_timeout for smsc in settings.smsc),
        tag_fallback=settings.policy.tag_fallback,
        discard_receipt=settings.policy.discard_receipt,
        concat=settings.concat,
    )
    return Relay(engine, options, Tagger(settings.tag), DiscardIds(discard_key, settings.policy.discard_id))


def batch_of(settings: Settings) -> Batch:
    """How a message process batches what it reads."""
    microseconds = settings.limits.batch_us
    return Batch(None if microseconds == "auto" else microseconds)


def build_facts() -> dict[str, str]:
    """What `version`, `status` and build_info say."""
    return {"version": portguard.__version__, "flavour": flavour(), "python": platform.python_version()}


def metrics_of(relay: Relay, exchange: Exchange, listener: Listener, metrics: Sources) -> None:
    """Add what the path counts."""
    metrics.gauge("sessions", "ESME links by state", ("state",), lambda: _keyed(relay.sessions()))
    metrics.counter(
        "pdus", "PDUs by leg and command", ("leg", "command"),
        lambda: (((leg, command), count) for leg, command, count in relay.pdus()),
    )
    metrics.counter(
        "messages", "Messages by what was decided", ("action", "rule", "category"), lambda: _messages(relay)
    )
    metrics.counter(
        "decision_errors", "Decisions that failed and got on_error's action", (),
        lambda: [((), float(relay.engine.counters.errors))],
    )
    metrics.counter(
        "concat_evicted", "Long messages forgotten for want of memory", (), lambda: [((), float(relay.evicted))]
    )
    metrics.gauge("concat_held_bytes", "Octets kept of long messages", (), lambda: [((), float(relay.store.octets))])
    counters = relay.engine.counters
    metrics.counter(
        "registry_asked", "What was not in memory and had to be asked of the registry", ("about",),
        lambda: [(("number",), float(counters.port_misses)), (("signature",), float(counters.grant_misses))],
    )
    metrics.gauge(
        "registry_answers", "Answers of the registry kept as rows", (), lambda: [((), float(len(relay.engine.answers)))]
    )
    metrics.counter(
        "tallies_lost", "Messages beyond what is tallied at once, and answers and receipts too late to be: statistics "
        "and early warnings do not see them", (),
        lambda: [((), float(relay.engine.tallies.lost))],
    )
    decision = relay.engine.counters.decision
    metrics.histogram("decision_seconds", "Time of a chunk of messages, shared by them", decision.read)
    metrics.histogram("relay_seconds", "Time of a chunk in the relay, one in 64", relay.relay_time.read)
    metrics.histogram("smsc_response_seconds", "From a message to the SMSC's answer, sampled", relay.smsc_time.read)
    metrics.gauge(
        "smsc_up", "1 unless the last attempt at this SMSC failed", ("smsc",),
        lambda: (((upstream.name,), float(upstream.sound)) for upstream in exchange.upstreams.all), fold="min",
    )
    metrics.counter(
        "smsc_links_lost", "Bound links to an SMSC that ended without an unbind, and those of their ESMEs with them",
        ("smsc", "reason"),
        lambda: (
            ((upstream.name, reason), float(links))
            for upstream in exchange.upstreams.all for reason, links in upstream.lost.items()
        ),
    )
    metrics.counter(
        "connections_refused", CONNECTIONS_REFUSED, ("reason",),
        lambda: _keyed(listener.refused.items()),
    )


def consent_metrics_of(ledger: Ledger, replies: Replies, metrics: Sources) -> None:
    """Add what the ledger has to say."""
    metrics.counter("consent_optouts", "Replies on the wire that were opt-outs", (), lambda: [((), replies.optouts)])
    metrics.gauge(
        "consent_uncommitted", "Revocations that count already and are not on disk yet", (),
        lambda: [((), float(ledger.queued - ledger.committed))],
    )


def _keyed(rows: Iterable[tuple[str, int]]) -> Labelled:
    return (((name,), count) for name, count in rows)


def _messages(relay: Relay) -> Labelled:
    for action, rule, category, count in relay.engine.counters.read():
        name = CATALOGUE[rule].name if rule >= 0 else ""
        yield (ACTION_NAMES[action], name, CATEGORY_NAMES[category]), count
