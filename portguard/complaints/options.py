"""The operator's settings of complaints: `[complaints]`, its levels and its signs.

The defaults start from what one large provider calls severe: 0.25 valid complaints per million messages a month. That
is where messages are tagged. A throttle and a suspension take twice and four times that over a month; over a day or an
hour, where the same rate says less, more. Below the `complaints` of a threshold no rate means anything.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

NONE: Final = "none"
LEVELS: Final = ("none", "watch", "tag", "throttle", "suspend")
WINDOWS: Final = {"hour": 3600.0, "day": 86400.0, "month": 30 * 86400.0}

Level = Literal["none", "watch", "tag", "throttle", "suspend"]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Hours = Annotated[float, Meta(gt=0, le=8784)]
Share = Annotated[float, Meta(gt=0, le=1)]
Factor = Annotated[float, Meta(ge=0, le=1000)]


class Threshold(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Reached with so many `complaints` (of different subscribers) that are `per_million` delivered, or more."""

    per_million: Annotated[float, Meta(gt=0)]
    complaints: Count


Window = Threshold | Literal["off"]


class LevelOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One of the thresholds, of the last `hour`, `day` or `month` (30 days), is enough, or "off"; `hours`: the term."""

    hour: Window
    day: Window
    month: Window
    hours: Hours


class WatchOptions(LevelOptions, frozen=True, kw_only=True):
    """Seen by people, and by nobody else."""

    hour: Window = Threshold(5.0, 3)
    day: Window = Threshold(1.0, 3)
    month: Window = Threshold(0.1, 3)
    hours: Hours = 24.0


class TagOptions(LevelOptions, frozen=True, kw_only=True):
    """Messages are tagged (rule 500 as a tag)."""

    hour: Window = Threshold(10.0, 5)
    day: Window = Threshold(2.0, 5)
    month: Window = Threshold(0.25, 5)
    hours: Hours = 72.0


class ThrottleOptions(LevelOptions, frozen=True, kw_only=True):
    """`per_minute` messages still pass (rule 500)."""

    hour: Window = Threshold(20.0, 10)
    day: Window = Threshold(5.0, 10)
    month: Window = Threshold(0.5, 10)
    hours: Hours = 24.0
    per_minute: Annotated[int, Meta(ge=0, le=1_000_000)] = 60


class SuspendOptions(LevelOptions, frozen=True, kw_only=True):
    """No message passes (rule 501)."""

    hour: Window = Threshold(50.0, 20)
    day: Window = Threshold(10.0, 20)
    month: Window = Threshold(1.0, 20)
    hours: Hours = 72.0


class LevelsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `watch`, `tag`, `throttle` and `suspend` take."""

    watch: WatchOptions = WatchOptions()
    tag: TagOptions = TagOptions()
    throttle: ThrottleOptions = ThrottleOptions()
    suspend: SuspendOptions = SuspendOptions()


class GrowthOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A thing (a port, a signature) that gains members (enterprises, accounts, ports). An alert when, within
    `window_hours` (or the latter half of its life), at least `least` came, and `growth` times as many as were there
    before; (1 + `learn_hours` / age) times that, since it takes some days to know who is usually there. A member counts
    from its `messages`th message, and is forgotten after `forget_days` without any."""

    on: bool = True
    window_hours: Hours = 168.0
    least: Count = 6
    growth: Factor = 1.0
    learn_hours: Hours = 48.0
    messages: Count = 10
    forget_days: Annotated[float, Meta(ge=1, le=366)] = 60.0
    cool_down_hours: Hours = 168.0


class AccountsOptions(GrowthOptions, frozen=True, kw_only=True):
    """As above; a signature that is suddenly on many accounts."""

    window_hours: Hours = 24.0
    least: Count = 4
    messages: Count = 1
    cool_down_hours: Hours = 24.0


class PortsOptions(GrowthOptions, frozen=True, kw_only=True):
    """As above; a signature that is suddenly on many ports."""

    window_hours: Hours = 24.0
    messages: Count = 1
    cool_down_hours: Hours = 24.0


class TextOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One text of marketing, or of unknown kind (verifications all read alike), digits and links aside, that within
    `window_hours` comes under signatures of at least `owners` owners more, and twice as many as sent it before, on at
    least `accounts` accounts or `ports` ports; or on at least `places` ports on which its signatures were not seen
    before. A signature that is not on file is an owner of its own, none at all the account's. While texts are not known
    yet, (1 + `learn_hours` / hours of watching) times as many are needed. Texts of fewer than `letters` letters are not
    compared, and one that did not come for `forget_days` is forgotten. `samples_per_second` bounds the work."""

    on: bool = True
    window_hours: Hours = 24.0
    owners: Count = 8
    accounts: Count = 4
    ports: Count = 8
    places: Count = 8
    learn_hours: Hours = 48.0
    forget_days: Annotated[float, Meta(ge=1, le=366)] = 60.0
    letters: Count = 12
    samples_per_second: Count = 200
    cool_down_hours: Hours = 24.0


class SurgeOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Messages of an account with signatures that are not on file: within an hour at least `least`, `share` of what the
    account sent, and `factor` times its usual share."""

    on: bool = True
    least: Count = 50
    share: Share = 0.02
    factor: Factor = 4.0
    cool_down_hours: Hours = 24.0


class TurningOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A number or port that is registered for verification alone, or of which for `learn_hours` at least `messages`
    were seen, `verification` of them verifications and next to no marketing (`usual`), now sends marketing: within
    `window_hours` at least `least` messages and `marketing` of all it sent. One that is registered for marketing may.
    """

    on: bool = True
    learn_hours: Hours = 24.0
    messages: Count = 500
    verification: Share = 0.8
    usual: Share = 0.02
    window_hours: Hours = 6.0
    least: Count = 50
    marketing: Share = 0.1
    cool_down_hours: Hours = 24.0


class SignsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Signs of a problem that come before complaints. `port_enterprises`: many new enterprises on a port;
    `signature_accounts` and `signature_ports`: a signature on many new accounts and ports; `text_spread`: a text under
    many owners' signatures; `unregistered_surge`: signatures that are not on file; `verification_turned`: marketing
    from a number of verifications. Of each: is it `on`, and the hours after an alert in which there is no second one
    about the same (`cool_down_hours`)."""

    port_enterprises: GrowthOptions = GrowthOptions()
    signature_accounts: AccountsOptions = AccountsOptions()
    signature_ports: PortsOptions = PortsOptions()
    text_spread: TextOptions = TextOptions()
    unregistered_surge: SurgeOptions = SurgeOptions()
    verification_turned: TurningOptions = TurningOptions()


class ComplaintsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`least_delivered`: rates are of at least so many messages, so that a small sender's first complaints do not weigh
    like a large one's hundredth. `keep`: a level is kept at the end of its term while the rate is at least this part of
    its threshold. `port_highest` and `signature_highest`: the highest level that is imposed without a human.

    `nodes`: how many nodes share the traffic evenly, of which this one sees its own alone while complaints are about
    all. `retention_days`: complaints are kept, and their ids known, so long. `late_days`: complaints that come later
    than this are kept, and impose nothing.
    """

    least_delivered: Count = 100_000
    keep: Share = 0.5
    port_highest: Level = "suspend"
    signature_highest: Level = "suspend"
    nodes: Annotated[int, Meta(ge=1, le=1000)] = 1
    retention_days: Annotated[int, Meta(ge=31, le=3660)] = 183
    late_days: Annotated[int, Meta(ge=1, le=30)] = 7
    levels: LevelsOptions = LevelsOptions()
    signs: SignsOptions = SignsOptions()

    def level(self, name: str) -> LevelOptions:
        """A level's options. Raises AttributeError for "none", which has none."""
        found: LevelOptions = getattr(self.levels, name)
        return found

    def errors(self) -> list[str]:
        """What the types cannot say, each as `complaints.key: message`."""
        found = []
        for window in WINDOWS:
            below: tuple[str, Threshold] | None = None
            for name in LEVELS[1:]:
                threshold: Window = getattr(self.level(name), window)
                if isinstance(threshold, str):
                    continue
                if below is not None and threshold.per_million < below[1].per_million:
                    found.append(
                        f"complaints.levels.{name}.{window}.per_million: {threshold.per_million:g} is below that of "
                        f"{below[0]}, {below[1].per_million:g}"
                    )
                below = name, threshold
        return found
