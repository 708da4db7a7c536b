"""What complaints have put on a port or a signature: rules 500 and 501.

Noun: a *restraint* is one level in force until a time; whoever decides on them hands the engine the full list.
"""

from typing import Annotated, Literal

import msgspec

from portguard.policy.grant import BRAKE_SUSPEND, BRAKE_TAG, BRAKE_THROTTLE

Level = Literal["tag", "throttle", "suspend"]

LEVELS: dict[str, int] = {"tag": BRAKE_TAG, "throttle": BRAKE_THROTTLE, "suspend": BRAKE_SUSPEND}


class Restraint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kind` says what `name` is: a port covers every number that begins with it, a signature is as it is on file.
    `per_minute` messages a minute pass a throttle. `until` is epoch seconds."""

    kind: Literal["port", "signature"]
    name: str
    level: Level
    until: float
    per_minute: Annotated[int, msgspec.Meta(ge=0)] = 0


def brakes(restraints: list[Restraint]) -> list[tuple[str, str, int, int, float]]:
    """What `grant.Brakes.put` takes."""
    return [(one.kind, one.name, LEVELS[one.level], one.per_minute, one.until) for one in restraints]
