"""One ESME link and one SMSC link as a pair, sans-IO.

Nouns: a *pair* is an ESME's link and the SMSC link made for it, with what is owed on either side; the *relay* holds
all pairs of a process and takes bytes and the clock, never a socket. Bytes to write, links to open and links to close
stand in the pair; pairs that have something to do stand in `Relay.dirty`.

Bytes come and go by `flow`. Permitted PDUs pass byte for byte, a run of them as one slice of the buffer they came in. A
refused PDU is cut out and answered here; a tagged one gets its length and its TLVs patched.
"""
