"""The Prometheus metrics of DESIGN §11, read from plain counters when somebody scrapes.

Nothing is kept here, and nothing here is called by the message path.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from portguard.telemetry.sources import Reading, Sources, add_up


def _nothing() -> Iterable[Reading]:
    return ()


@dataclass(eq=False)
class Metrics(Sources, Collector):
    """Every metric of the node: this process's sources, and what the `others` last said."""

    build: dict[str, str] = field(default_factory=dict)
    others: Callable[[], Iterable[Reading]] = _nothing

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not read the sources."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("portguard_build", "Version and flavour of portguard", self.build)
        for reading in add_up([self.read(), self.others()]):
            yield _histogram(reading) if reading.kind == "histogram" else _numbers(reading)

    def registry(self) -> CollectorRegistry:
        """These metrics and those of the process."""
        found = CollectorRegistry(auto_describe=False)
        found.register(self)
        ProcessCollector(registry=found)
        return found


def _numbers(reading: Reading) -> Metric:
    kind = CounterMetricFamily if reading.kind == "counter" else GaugeMetricFamily
    family = kind(reading.name, reading.documentation, labels=reading.labels)
    for labels, value in reading.rows:
        family.add_metric(list(labels), value)
    return family


def _histogram(reading: Reading) -> Metric:
    bounds, counts, total = reading.observed
    buckets, so_far = [], 0
    for bound, count in zip([*bounds, float("inf")], counts, strict=True):
        so_far += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(so_far)))
    return HistogramMetricFamily(reading.name, reading.documentation, buckets=buckets, sum_value=total)
