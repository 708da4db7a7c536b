"""Metrics from plain counters."""

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from portguard.telemetry.collector import Metrics


def test_every_kind_of_metric() -> None:
    metrics = Metrics(build={"version": "1", "flavour": "compiled"})
    metrics.gauge("sessions", "links", ("state",), lambda: [(("open",), 2.0)])
    metrics.counter("pdus", "PDUs", ("leg", "command"), lambda: [(("esme_in", "submit_sm"), 7)])
    metrics.histogram("decision_seconds", "time", lambda: ([0.001, 0.01], [3, 2, 1], 0.05))
    text = generate_latest(metrics.registry()).decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["portguard_build_info", ("flavour", "compiled"), ("version", "1")] == 1
    assert samples["portguard_sessions", ("state", "open")] == 2
    assert samples["portguard_pdus_total", ("command", "submit_sm"), ("leg", "esme_in")] == 7
    assert samples["portguard_decision_seconds_bucket", ("le", "0.001")] == 3
    assert samples["portguard_decision_seconds_bucket", ("le", "0.01")] == 5
    assert samples["portguard_decision_seconds_bucket", ("le", "+Inf")] == 6
    assert samples["portguard_decision_seconds_count",] == 6
    assert samples["portguard_decision_seconds_sum",] == 0.05
    assert samples["process_open_fds",] > 0


def test_sources_are_read_at_every_scrape_and_only_then() -> None:
    reads: list[int] = []

    def rows() -> list[tuple[tuple[str, ...], float]]:
        reads.append(1)
        return [((), len(reads))]

    metrics = Metrics(build={"version": "1"})
    metrics.counter("pdus", "PDUs", (), rows)
    registry = metrics.registry()
    assert reads == []
    generate_latest(registry)
    assert b"portguard_pdus_total 2.0" in generate_latest(registry)
