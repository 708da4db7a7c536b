"""Which flavour of portguard runs here: `compiled`, `interpreted`, or `mixed` (a broken installation). Is it trained?

Known by where Python finds each module of the compile list, so that an operator need not trust what a build once said.
Imports no room; the compiled modules themselves are not imported to answer.
"""

from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

from portguard._compiled import COMPILED

COMPILED_FLAVOUR = "compiled"
INTERPRETED_FLAVOUR = "interpreted"
MIXED_FLAVOUR = "mixed"
_TRAINED_LIBRARY = "portguard_trained__mypyc"  # as portguard/_build.py names it


def is_compiled(name: str) -> bool:
    """True if importing that module would load machine code."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))


@cache
def flavour() -> str:
    """`compiled` if every module of the compile list is, `interpreted` if none is, else `mixed`."""
    found = {is_compiled(name) for name in COMPILED}
    if found == {True}:
        return COMPILED_FLAVOUR
    return INTERPRETED_FLAVOUR if found == {False} else MIXED_FLAVOUR


@cache
def is_trained() -> bool:
    """Is the machine code laid out by a profile of traffic (`make trained`)?"""
    return flavour() == COMPILED_FLAVOUR and find_spec(_TRAINED_LIBRARY) is not None
