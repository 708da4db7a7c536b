"""portguard: an SMPP proxy that holds every message against what a mobile operator has on file.

The rooms, in the order in which a message passes them: `net` and `relay` (links and pairs of links), `smpp` (the
wire), `sms` (the text), `policy` (the verdict) over `registry` (what is on file). `daemon` wires them, `cli` starts it.
"""

__version__ = "0.1.0"
