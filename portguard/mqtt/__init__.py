"""The node as an MQTT client: it publishes what the journal holds and takes the commands that the settings permit.

Nouns: a *feed* follows the journal by a cursor of its own and publishes what it *selects*: violations are *sampled* by
rule, account and port, and what is *left out* is counted and said; alerts and escalations are never sampled. A *state*
is a retained message that says how things are now: status, registry, restraints. A *command* comes in, is permitted or
refused, and gets a *reply*. A *link* is one connection to the broker.

options   the settings                          topics    names of topics, and where a reply may go
access    password and TLS, read at each link   link      one connection, with what MQTT 5 adds to it
sampling  which violations are published        payload   what a message says, as JSON
place     how far a feed is, on disk            feed      journal to topic, at least once
answers   replies remembered for duplicates     commands  from a message to its reply
client    links one after the other, forever

The journal is the queue: a broker that is away delays publication and costs no memory. A cursor is stored after the
broker has acknowledged, so after a crash some records come twice; their number tells them apart.
It knows nothing of messages and rules; what a command does is given to it by name.
"""
