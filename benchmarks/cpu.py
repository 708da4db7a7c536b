"""What a process has used of a processor, from /proc."""

import contextlib
import ctypes
import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """User and system time of processes, to the nanosecond. Their threads are looked up once, so that a reading takes a
    microsecond or two. The kernel must account for them (CONFIG_SCHED_INFO, as distributions have it)."""

    def __init__(self, pids: list[int]) -> None:
        files = [task / "schedstat" for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
        self._files = [os.open(file, os.O_RDONLY) for file in files]
        self._read = [0] * len(self._files)

    def seconds(self) -> float:
        """So far, in seconds. A thread that has ended counts with what it had when it was last read."""
        for place, file in enumerate(self._files):
            with contextlib.suppress(ProcessLookupError):
                self._read[place] = int(os.pread(file, 64, 0).split()[0])
        return sum(self._read) / 1e9

    def close(self) -> None:
        """Let the files go."""
        for file in self._files:
            os.close(file)


class Kept:
    """For how long a process was kept from its core by others: threads of the kernel, other users, a daemon that is not
    measured now. A wait for another thread of its own is its own affair."""

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY)  # of its main thread
        self._clock = (~pid << 3) | 2  # clock_getcpuclockid(3): of all its threads
        self._waited = self._others = 0
        self.seconds()

    def seconds(self) -> float:
        """Since it was last asked; 0 once the process has ended."""
        waited, others = self._waited, self._others
        with contextlib.suppress(OSError):
            ran, self._waited = map(int, os.pread(self._file, 64, 0).split()[:2])
            self._others = time.clock_gettime_ns(self._clock) - ran
        return max(self._waited - waited - max(self._others - others, 0), 0) / 1e9

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


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
