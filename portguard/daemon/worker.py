"""Where a worker's process begins: `python -P -m portguard.daemon.worker DESCRIPTOR`, the socket to the main process.

Ctrl-C and a hangup at a terminal reach every process of the group; they are for the main process to act on, so they are
left to it before anything else is imported.
"""

import signal
import sys


def main(descriptor: int) -> None:
    """Work until the end."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    import asyncio

    import uvloop

    from portguard.daemon.working import work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(descriptor))


if __name__ == "__main__":
    main(int(sys.argv[1]))
