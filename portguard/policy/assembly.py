"""An engine from settings and a registry image: the one place where the decision is put together."""

from portguard.policy.counters import Counters
from portguard.policy.engine import Engine
from portguard.policy.limits import Limits
from portguard.policy.lookup import EngineOptions
from portguard.policy.options import PolicyOptions
from portguard.policy.revision import Revision
from portguard.policy.rules import RuleSettings
from portguard.registry.image import Image


def build_revision(image: Image, options: PolicyOptions, timezone: str, country: str) -> Revision:
    """The reader of an image under these settings. Raises ValueError for settings that `policy_errors` names."""
    return Revision(image, RuleSettings(options), timezone, country)


def build_engine(
    revision: Revision, *, answers: int = 65_536, grants: int = 130_000, refusals: int = 20_000
) -> Engine:
    """An engine that serves the revision; its clock is set by `set_clock` before the first message."""
    return Engine(revision, EngineOptions(revision.options, answers, grants, refusals), Limits(), Counters())
