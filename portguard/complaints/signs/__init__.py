"""Signs of a problem before complaints come: what usually precedes them, seen in the tallies and the journal.

Nouns: a *sign* watches for one thing and is fed with every sweep; an *alert* is what it says, once, with its evidence,
and then not again about the same before the cool-down is over. A *baseline* is what was usual before.

growth   more and more members: enterprises on a port, accounts or ports of a signature
spread   one text spread thinly over ports and accounts        shape    what makes two texts the same
surge    unregistered signatures of an account                 turning  verification that turns to marketing
watch    all of them, their memory and what they know of the registry

Each says how much it remembers at the most; what has not been seen for longest goes first. All decide on what they are
given, time included, and nothing on the path waits for them.
"""
