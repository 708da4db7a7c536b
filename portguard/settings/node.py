"""The operator's settings of this node: `[node]`."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec


class NodeOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`id` names the node in events and logs; `timezone` is that of dates on file and of times without a zone.

    `workers`: the processes that messages go through, each of which can fill a core; an enterprise has one of them.
    `country` is the E.164 country code under which national subscriber numbers are read. `state` is a folder of the
    daemon's own (mode 0700): prepared revisions, the lock and the control socket. `log_level` is the least logged.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "gw1"
    timezone: str = "Asia/Shanghai"
    country: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,2}$")] = "86"
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    state: Path = Path("state")
    log_level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"

    def errors(self) -> list[str]:
        """What the types cannot say, each as `node.key: message`."""
        found = []
        try:
            ZoneInfo(self.timezone)
        except (OSError, ValueError, KeyError):
            found.append(f"node.timezone: {self.timezone!r} is not a time zone of the IANA database")
        return found
