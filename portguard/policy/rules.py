"""Rule settings, from names in portguard.toml to the bit masks the engine works with.

Noun: `RuleSettings`, the global and per-account settings, validated once; `apply` gives an account its masks.
"""

from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import structs

from portguard.policy.grant import Account
from portguard.policy.options import AccountOptions, FrequencyOptions, PolicyOptions, ProfileOptions, RuleOptions
from portguard.policy.reasons import (
    ACTION_BY_NAME,
    ALLOW,
    CATALOGUE,
    DISCARD,
    MONITOR,
    REJECT,
    RULE_BY_NAME,
    TAG,
    Rule,
    vendor_status,
)
from portguard.registry.hours import parse_hours
from portguard.smpp.constants import STATUS_BY_NAME
from portguard.sms.category import CATEGORY_NAMES


def status_number(status: str | int) -> int:
    """The command_status of a setting: a name of SMPP 3.4 §5.1.3 or a number. Raises ValueError."""
    if isinstance(status, str):
        if status not in STATUS_BY_NAME:
            raise ValueError(f"unknown command_status {status!r}; expected a name like ESME_RSUBMITFAIL, or a number")
        status = STATUS_BY_NAME[status]
    if not 1 <= status <= 0xFFFFFFFF:
        raise ValueError("a refusal's command_status is between 1 and 0xFFFFFFFF")
    return status


def rule_errors(rules: dict[str, RuleOptions], place: str) -> list[str]:
    """What is wrong with a table of rule settings, each as `place.name: message`."""
    errors = []
    for name, options in rules.items():
        if name not in RULE_BY_NAME:
            errors.append(f"{place}.{name}: unknown rule; the rules are {', '.join(sorted(RULE_BY_NAME))}")
            continue
        if options.status is not None:
            try:
                status_number(options.status)
            except ValueError as error:
                errors.append(f"{place}.{name}.status: {error}")
    return errors


def hours_errors(hours: str | None, place: str) -> list[str]:
    """What is wrong with hours like 08:00-22:00, several joined by |."""
    try:
        parse_hours(hours.split("|") if hours else [])
    except ValueError as error:
        return [f"{place}: {error}"]
    return []


def frequency_errors(frequency: dict[str, FrequencyOptions], place: str) -> list[str]:
    """Categories that do not exist."""
    return [
        f"{place}.{name}: unknown category; the categories are {', '.join(CATEGORY_NAMES)}"
        for name in frequency
        if name not in CATEGORY_NAMES
    ]


def period_errors(profile: ProfileOptions, place: str) -> list[str]:
    """What is wrong with a profile's `from` and `until`."""
    found = []
    for name, moment in (("from", profile.since), ("until", profile.until)):
        try:
            instant(moment, UTC)
        except ValueError:
            found.append(f"{place}.{name}: {moment!r} is no date or time like 2026-11-01 or 2026-11-01T08:00")
    if not found and instant(profile.until, UTC, end=True) <= instant(profile.since, UTC):
        found.append(f"{place}.until: is not after from")
    return found


def instant(moment: str, zone: tzinfo, *, end: bool = False) -> float:
    """Epoch seconds of an ISO date or time in the zone; a date as an `end` is inclusive. Raises ValueError."""
    when = datetime.fromisoformat(moment)
    if end and len(moment) <= len("2026-11-11"):
        when += timedelta(days=1)
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()


def profiled(options: PolicyOptions, zone: tzinfo, at: float) -> PolicyOptions:
    """The settings in force at epoch second `at`: the ordinary ones, with those of the last profile that covers it."""
    for profile in reversed(options.profiles):
        if instant(profile.since, zone) <= at < instant(profile.until, zone, end=True):
            changes: dict[str, object] = {
                name: value
                for name in ("mode", "marketing_hours", "unknown_category", "disguise_own", "frequency")
                if (value := getattr(profile, name)) is not None
            }
            return structs.replace(options, rules={**options.rules, **profile.rules}, **changes)
    return options


def policy_errors(options: PolicyOptions) -> list[str]:
    """What the types of `[policy]` cannot say, each as `key: message`."""
    errors = rule_errors(options.rules, "policy.rules")
    for system_id, account in options.accounts.items():
        errors += rule_errors(account.rules, f"policy.accounts.{system_id}.rules")
    errors += hours_errors(options.marketing_hours, "policy.marketing_hours")
    errors += frequency_errors(options.frequency, "policy.frequency")
    for number, profile in enumerate(options.profiles, 1):
        place = f"policy.profiles[{number}]"
        errors += rule_errors(profile.rules, f"{place}.rules")
        errors += hours_errors(profile.marketing_hours, f"{place}.marketing_hours")
        errors += frequency_errors(profile.frequency or {}, f"{place}.frequency")
        errors += period_errors(profile, place)
    if options.signature_min > options.signature_max:
        errors.append("policy.signature_min: is larger than policy.signature_max")
    for index, pair in enumerate(options.source_ton_npi):
        if not all(0 <= number <= 255 for number in pair):
            errors.append(f"policy.source_ton_npi[{index}]: expected [ton, npi], each 0 to 255")
    return errors


class RuleSettings:
    """The settings of every rule, global and per account. Raises ValueError when `policy_errors` has something."""

    def __init__(self, options: PolicyOptions) -> None:
        errors = policy_errors(options)
        if errors:
            raise ValueError("\n".join(errors))
        self.options = options

    def action(self, rule: Rule, account: AccountOptions) -> int:
        """The action before the mode: the account's, else the global, else the catalogue's."""
        for table in (account.rules, self.options.rules):
            options = table.get(rule.name)
            if options is not None and options.action is not None:
                return ACTION_BY_NAME[options.action]
        return rule.action

    def status(self, rule: Rule, account: AccountOptions) -> int:
        """The command_status of a refusal by this rule."""
        for table in (account.rules, self.options.rules):
            options = table.get(rule.name)
            if options is not None and options.status is not None:
                return status_number(options.status)
        return vendor_status(rule) if self.options.status_style == "vendor" else rule.status

    def mode(self, system_id: str, on_file: str) -> str:
        """The account's mode: portguard.toml for the account, else the accounts table, else the global one."""
        return self.options.accounts.get(system_id, _NO_OPTIONS).mode or on_file or self.options.mode

    def apply(self, account: Account, on_file: str) -> None:
        """Fill in the account's masks and statuses. `on_file` is the accounts table's mode, or ""."""
        options = self.options.accounts.get(account.system_id, _NO_OPTIONS)
        mode = self.mode(account.system_id, on_file)
        for ordinal, rule in enumerate(CATALOGUE):
            bit = 1 << ordinal
            action = self.action(rule, options)
            account.status[ordinal] = self.status(rule, options)
            if action == ALLOW:
                continue
            account.on |= bit
            if mode == "monitor" or action == MONITOR:
                continue
            if action == TAG or mode == "tag":
                account.tag |= bit
                if action == REJECT:
                    account.would_reject |= bit
                elif action == DISCARD:
                    account.would_discard |= bit
                continue
            account.stop |= bit
            if action == DISCARD:
                account.discard |= bit


_NO_OPTIONS = AccountOptions()
