"""The other two ends of the wire, for tests, demos and an operator's first try: an SMSC, an ESME, and traffic.

Nouns: the *SMSC* (`smsc`) accepts binds and messages and misbehaves when told to; one *link* (`link`) is one
connection to it; the *mailbox* (`mailbox`) is what it accepted, with message ids and states; the *ESME* (`esme`) binds
and sends inside a window and at a rate; a *message* (`message`) is one thing to send and what should become of it; a
*mix* (`mixes`) is a named list of messages over the sample registry.

Knows the wire through `smpp` only. It knows no rule, no registry and nothing of the proxy between the two ends.
"""
