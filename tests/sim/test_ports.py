"""Nobody is given a port twice: not by one process, and not by several side by side."""

import socket
import subprocess
import sys

from portguard.sim.ports import BLOCK, FIRST, LAST, free_port
from tests.e2e.daemon import environment

# Asks for ports, says which, and stays until its input ends.
ASKING = """
import sys
from portguard.sim.ports import free_port
print(*(free_port() for _ in range(int(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


def test_a_process_is_never_given_one_twice() -> None:
    found = [free_port() for _ in range(3 * BLOCK)]
    assert len(set(found)) == len(found)
    assert FIRST < min(found) <= max(found) < LAST


def test_processes_side_by_side_are_given_different_ones() -> None:
    asking = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", ASKING, str(2 * BLOCK)], env=environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    found: list[int] = []
    try:
        for process in asking:
            assert process.stdout is not None
            found += map(int, process.stdout.readline().split())
        # While they live: their ports are free again afterwards.
        own = {free_port() for _ in range(BLOCK)}
    finally:
        for process in asking:
            process.communicate()
    assert len(set(found)) == len(found) == 3 * 2 * BLOCK
    assert not own & set(found)


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    before = next(port for port in iter(free_port, None) if (port + 1) % BLOCK)
    with socket.create_server(("127.0.0.1", before + 1)):
        assert before + 1 not in {free_port() for _ in range(2 * BLOCK)}
