"""The mixes against the sample registry: every message has the outcome that is written beside it."""

import json
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from portguard.policy.assembly import build_revision
from portguard.policy.desk import Desk
from portguard.policy.desk import Message as Question
from portguard.policy.reasons import CATALOGUE
from portguard.registry.build import build
from portguard.registry.image import Image
from portguard.settings.load import load
from portguard.sim.message import Message
from portguard.sim.mixes import MIXES, by_account, message_of, messages_of

CONFIG = Path(__file__).parents[2] / "config"
# Not provoked by one message of a mix: a rate needs a burst, an account is suspended while it is bound, parts belong
# together, complaints restrain nobody yet, and the sample sets neither a frequency nor marketing hours nor a consent
# ledger.
OTHERWISE = {
    "account_rate", "account_inactive", "scope_quota", "concat_orphan", "concat_conflict", "subscriber_frequency",
    "quiet_hours", "consent_missing", "consent_revoked", "complaint_throttled", "complaint_suspended",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    settings = load(CONFIG / "portguard.toml")
    built = build(settings.registry.path, tmp_path_factory.mktemp("revisions"))
    revision = build_revision(Image(built.path), settings.policy, settings.node.timezone, settings.node.country)
    return Desk(revision, [settings.tag.verdict, settings.tag.reason, settings.tag.revision, settings.tag.category])


def verdict(desk: Desk, message: Message, at: float = 0.0) -> tuple[str, str]:
    outcome = desk.judge(Question(message.account, pdu=message.pdu(), at=at or time.time()))
    return outcome.action, outcome.rule


@pytest.mark.parametrize("name", ["clean", "violations", "load"])
def test_every_message_is_judged_as_designed(desk: Desk, name: str) -> None:
    got = [(message.text, *verdict(desk, message)) for message in MIXES[name].messages]
    assert got == [(message.text, message.action, message.rule) for message in MIXES[name].messages]


def test_the_cap_is_used_up_in_order(desk: Desk) -> None:
    messages = MIXES["quota"].messages
    assert [verdict(desk, message) for message in messages] == [(one.action, one.rule) for one in messages]


def test_every_rule_of_this_version_occurs() -> None:
    occurring = {message.rule for mix in MIXES.values() for message in mix.messages}
    assert occurring | OTHERWISE >= {rule.name for rule in CATALOGUE}


def test_a_day_holds_all_that_is_clean_and_all_that_is_not() -> None:
    day = Counter(MIXES["day"].messages)
    assert day == Counter(MIXES["clean"].messages * 2 + MIXES["violations"].messages)


def test_messages_are_repeated_up_to_a_count_and_chosen_by_account() -> None:
    assert sum(map(len, messages_of("clean", 100).values())) == 100
    assert list(messages_of("clean", 7, "bank01")) == ["bank01"]
    assert messages_of("clean", 7, "nobody") == {}
    assert by_account(MIXES["load"].messages) == {"bank01": list(MIXES["load"].messages)}


def test_no_line_says_what_it_need_not() -> None:
    lines = files("portguard.sim").joinpath("mixes.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines))
    for line in lines:
        message = message_of(json.loads(line))
        assert message.action == "reject" or '"action"' in line or not message.rule
        assert message.pdu()[4:8] in (b"\0\0\0\4", b"\0\0\1\3")
