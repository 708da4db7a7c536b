"""The four clients by name, each imported only when it is asked for."""

from __future__ import annotations

import importlib

from tests.e2e import required
from tests.e2e.peers.client import Client

PACKAGES = {"smpplib": "smpplib", "aiosmpplib": "aiosmpplib", "smpp34": "smpp34", "node-smpp": ""}
CLASSES = {
    "smpplib": "smpplib_client:SmpplibClient",
    "aiosmpplib": "aiosmpplib_client:AiosmpplibClient",
    "smpp34": "smpp34_client:Smpp34Client",
    "node-smpp": "node_client:NodeClient",
}
NAMES = tuple(CLASSES)


def client(name: str) -> Client:
    """A client that is not bound yet; the test is skipped with the reason where its library is absent."""
    if PACKAGES[name]:
        required.package(PACKAGES[name])
    module, _, kind = CLASSES[name].partition(":")
    made: Client = getattr(importlib.import_module(f"tests.e2e.peers.{module}"), kind)()
    return made
