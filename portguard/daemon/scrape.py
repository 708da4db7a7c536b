"""What /metrics shows: what this process knows itself, and what the workers count, added up."""

from collections.abc import Callable, Iterable

from portguard.daemon.acceptor import Acceptor
from portguard.daemon.process import cpu_seconds, open_descriptors, resident_bytes
from portguard.daemon.reload import Reloader
from portguard.daemon.wiring import CONNECTIONS_REFUSED
from portguard.daemon.workers import Workers
from portguard.telemetry.sources import Sources

Labelled = Iterable[tuple[tuple[str, ...], float]]


def registry_metrics_of(reloader: Reloader, metrics: Sources) -> None:
    """Add what is known of the registry."""
    metrics.gauge("registry_info", "The revision in service", ("revision",), lambda: _revision(reloader))
    metrics.counter(
        "registry_reloads", "Reloads by result", ("result",),
        lambda: (((name,), count) for name, count in reloader.results.items()),
    )
    metrics.gauge(
        "registry_last_success_timestamp_seconds", "When the registry was last found good", (),
        lambda: [((), reloader.last_success)],
    )


def workers_metrics_of(workers: Workers, metrics: Sources) -> None:
    """Add what is known of the workers' processes."""
    metrics.gauge("workers", "Worker processes that serve", (), lambda: [((), float(len(workers.serving)))])
    metrics.counter(
        "worker_restarts", "Times that a worker was started again", ("worker",),
        lambda: (((str(member.number),), float(max(member.child.lives - 1, 0))) for member in workers.members),
    )
    metrics.counter(
        "worker_cpu_seconds", "User and system time of a worker's present process", ("worker",),
        lambda: _of_each(workers, cpu_seconds),
    )
    metrics.gauge(
        "worker_resident_memory_bytes", "Resident memory of a worker's process", ("worker",),
        lambda: _of_each(workers, resident_bytes),
    )
    metrics.gauge(
        "worker_open_fds", "Descriptors that a worker has open; process_max_fds holds for each process", ("worker",),
        lambda: _of_each(workers, open_descriptors),
    )


def acceptor_metrics_of(acceptor: Acceptor, metrics: Sources) -> None:
    """Add what is counted where connections are sorted for several workers."""
    metrics.gauge(
        "connections_unsorted", "Connections whose bind has not come yet", (),
        lambda: [((), float(acceptor.sorter.waiting))],
    )
    metrics.counter(
        "connections_refused", CONNECTIONS_REFUSED, ("reason",),
        lambda: (((reason,), float(count)) for reason, count in acceptor.listener.refused.items()),
    )


def _of_each(workers: Workers, read: Callable[[int], float]) -> Labelled:
    for member in workers.members:
        if member.child.pid:
            try:
                yield (str(member.number),), read(member.child.pid)
            except (OSError, IndexError, ValueError):
                continue


def _revision(reloader: Reloader) -> Labelled:
    return [((reloader.revision,), 1.0)] if reloader.revision else []
