"""Log lines."""

import io
import logging
from collections.abc import Iterator

import pytest

from portguard.telemetry import log as telemetry_log
from portguard.telemetry.log import mask


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged while the test runs; the root logger is put back afterwards."""
    root, room = logging.getLogger(), logging.getLogger("portguard")
    before = root.handlers[:], root.level, room.level
    stream = io.StringIO()
    telemetry_log.start("info", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], level, room_level = before
    root.setLevel(level)
    room.setLevel(room_level)


def test_one_line_of_key_value(lines: io.StringIO) -> None:
    logging.getLogger("portguard.net").warning("SMSC is away", extra={"smsc": "a b", "reason": 'said "no"', "code": 7})
    line = lines.getvalue()
    assert line.startswith("time=20")
    assert line.endswith(' level=warning room=net event="SMSC is away" smsc="a b" reason="said \\"no\\"" code=7\n')


def test_levels(lines: io.StringIO) -> None:
    logging.getLogger("portguard.net").debug("quiet")
    logging.getLogger("other").info("quiet")
    assert lines.getvalue() == ""


def test_traceback_stays_on_its_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("no\nway")
    except ValueError:
        logging.getLogger("portguard.net").exception("failed")
    assert lines.getvalue().count("\n") == 1
    assert "Traceback (most recent call last):\\n" in lines.getvalue()


def test_what_came_from_the_wire_cannot_break_the_line(lines: io.StringIO) -> None:
    logging.getLogger("portguard.net").info("bound", extra={"account": 'a\r\nlevel=error "x\x1b[31m\u2028'})
    line = lines.getvalue()
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\u2028" not in line


@pytest.mark.parametrize("name", ["password", "smsc_password", "TOKEN", "private_key"])
def test_secrets_are_never_written(lines: io.StringIO, name: str) -> None:
    logging.getLogger("portguard.net").info("bound", extra={name: "hunter2"})
    assert "hunter2" not in lines.getvalue()


@pytest.mark.parametrize("text", ["13812345678", "to 8613812345678", "+8613812345678,", "008613812345678"])
def test_subscribers_keep_only_their_ends(lines: io.StringIO, text: str) -> None:
    logging.getLogger("portguard.net").info(text, extra={"destination_addr": "+6591234567"})
    line = lines.getvalue()
    assert "12345678" not in line
    assert "****5678" in line
    assert "91234567" not in line


def test_ports_and_times_are_no_subscribers(lines: io.StringIO) -> None:
    logging.getLogger("portguard.net").info("port", extra={"port": "106912345678", "revision": "1381234567812345"})
    assert "106912345678" in lines.getvalue()
    assert "1381234567812345" in lines.getvalue()


def test_mask() -> None:
    assert mask("8613812345678") == "86138****5678"
    assert mask("1234567") == "****67"
    assert mask("123") == "***"
