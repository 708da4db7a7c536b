"""Topics: what is whose, and where a reply may not go."""

import pytest

from portguard.mqtt.topics import Topics

TOPICS = Topics("portguard", "gw1")


def test_names() -> None:
    assert TOPICS.of("violations") == "portguard/gw1/violations"
    assert TOPICS.command("portguard/gw1/command/reload") == "reload"
    assert TOPICS.command("portguard/all/command/reload") == "reload"
    assert TOPICS.command("portguard/gw2/command/reload") == ""
    assert TOPICS.command("portguard/gw1/commands") == ""


@pytest.mark.parametrize(
    ("topic", "node"),
    [
        ("portguard/gw2/restraints", "gw2"),
        ("portguard/gw1/restraints", ""),
        ("portguard/gw2/status", ""),
        ("other/gw2/restraints", ""),
        ("portguard/a/b/restraints", ""),
        ("restraints", ""),
    ],
)
def test_whose_restraints(topic: str, node: str) -> None:
    assert TOPICS.follows(topic) == node


@pytest.mark.parametrize(
    ("topic", "may"),
    [
        ("noc/answers", True),
        ("portguard/gw1/reply", True),
        ("portguard/gw1/reply/noc", True),
        ("portguardian/x", True),
        ("portguard/gw1/replyx", False),
        ("portguard/gw2/reply", False),
        ("portguard/gw1/status", False),
        ("$SYS/x", False),
        ("a/+", False),
        ("a/#", False),
        ("", False),
        ("a\0b", False),
        ("a" * 1025, False),
    ],
)
def test_where_a_reply_may_go(topic: str, may: bool) -> None:
    assert (TOPICS.refuses(topic) == "") is may
