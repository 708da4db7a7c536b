"""Which worker an enterprise belongs to: what is counted for it (parts, rates, caps, binds) must meet in one process.

Noun: a *shard* is the part of the enterprises that one worker has. It depends on the enterprise's id and the number of
workers alone, so that every process knows it without asking.
"""

import hashlib


def shard(name: str, workers: int) -> int:
    """The worker, from 1, of an enterprise; of an account without one, by its system_id; of a peer, by its address."""
    if workers == 1:
        return 1
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % workers + 1
