"""Sockets: the only room besides the adapters that performs I/O on the message path.

Nouns: a *leg* is one TCP (TLS) connection as an asyncio protocol; a *link* is an ESME leg with the SMSC leg that was
opened for it, and belongs to one pair of the relay; the *exchange* drives the relay's clock and keeps the links, while
bytes go to the relay and from it by `relay.flow`; an *upstream* is one configured SMSC with its health; the *listener*
accepts ESMEs.

Knows of the relay only the calls in `machine`, and nothing of PDUs, rules or the registry.
"""
