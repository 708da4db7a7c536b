"""Other people's SMPP software behind one interface.

Nouns: a *client* (`client`) is an ESME: it binds, sends messages inside a window and hands back one *answer* a message,
matched by sequence_number by the library itself. The *SMSC* (`smsc`) is node-smpp's server in a process of its own; it
remembers what it received and which message_id it gave. A *node* process (`node`) speaks JSON lines.

The libraries: smpplib, aiosmpplib, smpp34 (PyPI) and smpp (npm).
"""
