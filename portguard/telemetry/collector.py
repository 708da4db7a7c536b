"""The Prometheus metrics of DESIGN §11, read from plain counters when somebody scrapes.

A *source* is a callable that returns rows of labels and numbers; nothing is kept here, and nothing here is called by
the message path.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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

Rows = Callable[[], Iterable[tuple[Sequence[str], float]]]
# Bounds in seconds, observations by bound and above the last, sum of seconds.
Observed = tuple[Sequence[float], Sequence[int], float]


@dataclass(frozen=True)
class Source:
    """One metric: a counter or gauge by its `labels`, or a histogram when `observed` is given."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()
    rows: Rows | None = None
    observed: Callable[[], Observed] | None = None
    counter: bool = False


@dataclass(eq=False)
class Metrics(Collector):
    """Every metric of the process, in the order of the sources."""

    build: dict[str, str]
    sources: list[Source] = field(default_factory=list)

    def counter(self, name: str, documentation: str, labels: tuple[str, ...], rows: Rows) -> None:
        """A counter; its sample's name ends in _total."""
        self.sources.append(Source(f"portguard_{name}", documentation, labels, rows, counter=True))

    def gauge(self, name: str, documentation: str, labels: tuple[str, ...], rows: Rows) -> None:
        self.sources.append(Source(f"portguard_{name}", documentation, labels, rows))

    def histogram(self, name: str, documentation: str, observed: Callable[[], Observed]) -> None:
        self.sources.append(Source(f"portguard_{name}", documentation, observed=observed))

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not read the sources."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("portguard_build", "Version and flavour of portguard", self.build)
        for source in self.sources:
            yield _histogram(source) if source.observed is not None else _numbers(source)

    def registry(self) -> CollectorRegistry:
        """These metrics and those of the process."""
        found = CollectorRegistry(auto_describe=False)
        found.register(self)
        ProcessCollector(registry=found)
        return found


def _numbers(source: Source) -> Metric:
    kind = CounterMetricFamily if source.counter else GaugeMetricFamily
    family = kind(source.name, source.documentation, labels=source.labels)
    for labels, value in source.rows() if source.rows is not None else ():
        family.add_metric(list(labels), value)
    return family


def _histogram(source: Source) -> Metric:
    assert source.observed is not None
    bounds, counts, total = source.observed()
    buckets, so_far = [], 0
    for bound, count in zip([*bounds, float("inf")], counts, strict=True):
        so_far += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(so_far)))
    return HistogramMetricFamily(source.name, source.documentation, buckets=buckets, sum_value=total)
