"""Telling systemd how the daemon is (sd_notify): nothing happens where there is no systemd."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send a state such as READY=1 or STOPPING=1 to the supervisor that asked for it in NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.send(state.encode())
