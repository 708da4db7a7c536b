"""A process of ours as the kernel has it: its time, memory and descriptors, and how far it gives way to others."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# By the kernel's weights (110 to 1024) some tenth of a processor beside one busy process of no nice.
LOW_NICE: Final = 10


def cpu_seconds(pid: int) -> float:
    """User and system time of a process. Raises OSError when it has gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def running_seconds(pid: int) -> float:
    """How long a process has been running. Raises OSError when it has gone."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(_stat(pid)[19]) / _TICKS


def wants_processor(pid: int) -> bool:
    """True when it runs or could run, and waits for nothing but a processor. Raises OSError when it has gone."""
    return _stat(pid)[0] == "R"


def resident_bytes(pid: int) -> float:
    """Resident memory of a process. Raises OSError when it has gone."""
    return float(int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE)


def open_descriptors(pid: int) -> float:
    """How many descriptors a process has open. Raises OSError when it has gone."""
    return float(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))


def give_priority(pid: int, name: str) -> None:
    """`normal` as it is; `low`: some tenth of a busy processor; `idle`: what nobody else wants. Whoever wakes up beside
    an idle one runs at once; beside one that is only nice it may wait for milliseconds, and so would messages.

    What the kernel does not permit is left undone: an idle one is made low by root, or where RLIMIT_NICE has the nice
    of low (systemd: LimitNICE=+10)."""
    if name == "normal":
        return
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, pid, LOW_NICE)
        os.sched_setscheduler(pid, os.SCHED_IDLE if name == "idle" else os.SCHED_BATCH, os.sched_param(0))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, the state of the process."""
    return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
