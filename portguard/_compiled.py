"""The compile list: the modules of the message path that mypyc turns into C, in one place and nowhere else.

Each is typed Python that also runs as it is. None may import msgspec or asyncio (class keywords of a Struct are
silently dropped when compiled), and the bases of a compiled class are compiled too: `tests/test_architecture.py`
holds both. `smpp.constants` need not be here, since Final ints are inlined from anywhere.
"""

COMPILED = [
    "portguard.smpp.scan",
    "portguard.sms.text",
    "portguard.sms.lexicon",
    "portguard.sms.template_index",
    "portguard.sms.template_plain",
    "portguard.registry.records",
    "portguard.registry.reader",
    "portguard.policy.terms",
    "portguard.policy.grant",
    "portguard.policy.labels",
    "portguard.policy.counters",
    "portguard.policy.limits",
    "portguard.policy.known",
    "portguard.policy.chains",
    "portguard.policy.revision",
    "portguard.policy.kept",
    "portguard.policy.answers",
    "portguard.policy.lookup",
    "portguard.policy.reading",
    "portguard.policy.recall",
    "portguard.policy.engine",
    "portguard.relay.outstanding",
    "portguard.relay.pair",
    "portguard.relay.sessions",
    "portguard.relay.messages",
    "portguard.relay.long",
    "portguard.relay.relay",
    "portguard.relay.flow",
]
