"""The operator's settings of the registry: `[registry]`."""

from pathlib import Path
from typing import Annotated

import msgspec


class RegistryOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`path`: the folder of tables. `watch`: reload when a file in it changes, once it was quiet for `settle_ms`."""

    path: Path
    watch: bool = True
    settle_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 500
