"""The weather vane: complaints of 12321, what they put on ports and signatures, and signs of a problem before them.

Nouns: a *complaint* is one subscriber's about one message; a *target* is a registered port or a signature; a *level* is
what a target stands at: none, watch, tag, throttle or suspend; a *term* is the time a level is imposed for; a *hold* is
a human's level for a target, in place of what the counts say, until a time. A *sign* is something in the traffic that
usually comes before complaints, an alert with its evidence.

options     [complaints]                        rows        rows as they come, and what is wrong with them
match       port, holder, chain, signature      store       the SQLite file: complaints, standing, holds, outbox
escalation  from counts to levels               desk        the whole, owned by the main process
listing     rates and levels for people         signs/      the five signs

Time is passed in. Nothing here is on a message's path, and nothing knows the journal, the traffic store or the ledger:
the desk gets `delivered`, `revoke` and the like as arguments, and leaves its events in an outbox.
"""
