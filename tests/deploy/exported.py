"""The metrics that a daemon would export, from the same wiring, without starting one."""

from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from portguard.daemon.complaining import complaints_metrics_of
from portguard.daemon.journal import journal_metrics_of
from portguard.daemon.publishing import mqtt_metrics_of
from portguard.daemon.recording import recording_metrics_of
from portguard.daemon.scrape import acceptor_metrics_of, registry_metrics_of, workers_metrics_of
from portguard.daemon.wiring import build_facts, consent_metrics_of, metrics_of
from portguard.telemetry.collector import Metrics


class _Anything:
    """Stands for what is asked only when somebody scrapes, which nobody does here."""

    def __getattr__(self, name: str) -> "_Anything":
        return self


@cache
def exported() -> dict[str, set[str]]:
    """The labels of every metric by its name, a counter's with _total, a histogram's without its suffixes."""
    metrics = Metrics(build=build_facts())
    anything = cast(Any, _Anything())
    metrics_of(anything, anything, anything, metrics)
    consent_metrics_of(anything, anything, metrics)
    recording_metrics_of(anything, anything, metrics)
    journal_metrics_of(anything, metrics)
    workers_metrics_of(anything, metrics)
    acceptor_metrics_of(anything, metrics)
    mqtt_metrics_of(anything, metrics)
    complaints_metrics_of(anything, metrics)
    registry_metrics_of(cast(Any, SimpleNamespace()), metrics)
    found = {source.name + ("_total" if source.counter else ""): set(source.labels) for source in metrics.sources}
    found["portguard_build_info"] = set(build_facts())
    return found
