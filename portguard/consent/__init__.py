"""The consent ledger: who has agreed to whose marketing, and who has refused it since.

Nouns: a *pair* is an enterprise and a subscriber; a *grant* is one opt-in of a pair, a *revocation* one opt-out; both
are *records* in the *store*, an lmdb environment that many processes share. A *source* is how a grant came about
("opt-in", "request"); those that the operator does not accept are kept and do not count. The *overlay* is what this
process has revoked and the store has not committed yet.

record    18 octets a record                    ledger    what the decision asks, and the writer behind it
store     the environment, its databases        writer    commits revocations off the path
standing  what records come to, and why         senders   who last sent a subscriber marketing from a number
rows      an import's rows                      spool     sorts an import of any size
load      the import     export   the reverse   reply     is this answer an opt-out?

What is on file of a pair: of each source the newest grant, and the newest revocation. Of the grants whose source
counts the newest decides, unless a revocation is as new or newer. Consent is to exactly one enterprise: a platform's
is not its merchants'. Times are whole epoch seconds; within one second the revocation wins.

It knows nothing of messages, accounts or the wire. Subscribers are personal data: nothing here logs a number.
"""
