"""What a process has used of a processor, from /proc."""

import contextlib
import ctypes
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads, in seconds: to the nanosecond where the kernel keeps that."""
    try:
        tasks = [task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def stolen_seconds(core: int) -> float:
    """How long a core of a virtual machine wanted to run and was not let, since it started (proc_stat(5), steal)."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith(f"cpu{core} "):
            return int(line.split()[8]) / _TICKS
    return 0.0


def resident_octets(pid: int) -> int:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def private_octets(pid: int) -> int:
    """Memory that a process shares with nobody: what would come free if it ended. Clean pages of files are not counted:
    they are the page cache's, whoever else has them mapped."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    counted = ("Private_Dirty", "Private_Hugetlb")
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(counted))


def children(parent: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                if int(fields[1]) == parent and fields[0] != "Z":
                    found.append(int(entry.name))
    return sorted(found)


def pin(core: int) -> None:
    """Keeps the calling process, and what it starts, on one core."""
    os.sched_setaffinity(0, {core})


def sharp_timers() -> None:
    """Sleeps of this process end on time: the kernel adds 50 us otherwise (PR_SET_TIMERSLACK)."""
    ctypes.CDLL(None).prctl(29, 1000, 0, 0, 0)
