"""A small child: echoes on the socket that it inherits, and ends as it is told: `exit N` or `die`."""

import os
import signal
import socket
import sys


def main(descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as sock:
        while said := sock.recv(100):
            if said.startswith(b"exit"):
                sys.exit(int(said[4:]))
            if said == b"die":
                os.kill(os.getpid(), signal.SIGKILL)
            sock.sendall(said)


if __name__ == "__main__":
    main(int(sys.argv[2]))
