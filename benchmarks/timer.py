"""A timer of the kernel that an event loop can wait for, to the microsecond: timers of libuv know milliseconds."""

import ctypes
import os
from struct import Struct

_CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = 0o2004000
_SPEC = Struct("llll")
_libc = ctypes.CDLL(None, use_errno=True)


class Ticks:
    """Becomes readable every `seconds`; `fd` is for the loop, `take` clears it."""

    def __init__(self, seconds: float) -> None:
        self.fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        every = divmod(int(seconds * 1e9), 1_000_000_000)
        spec = _SPEC.pack(*every, *every)
        if self.fd < 0 or _libc.timerfd_settime(self.fd, 0, spec, None) < 0:
            raise OSError(ctypes.get_errno(), "no timerfd")

    def take(self) -> None:
        """To be called when it is readable."""
        os.read(self.fd, 8)

    def close(self) -> None:
        """Tick no more."""
        os.close(self.fd)
