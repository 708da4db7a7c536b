"""The operator's settings of the registry: `[registry]`."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec


class RegistryOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`path`: the folder of tables. `watch`: reload when a file in it changes, once it was quiet for `settle_ms`.

    `priority`: of the processes that build and compare revisions while one serves; idle: they run where nothing else
    wants to, and are low for a while once they have starved for some seconds; low: they get some tenth of a busy
    processor."""

    path: Path
    watch: bool = True
    settle_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 500
    priority: Literal["idle", "low"] = "idle"
