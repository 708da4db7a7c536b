"""`portguard run`: from a settings file to an exit code."""

import asyncio
import sys
from pathlib import Path

import uvloop

from portguard.daemon.service import Service, ServiceError
from portguard.settings.load import SettingsError, load
from portguard.telemetry import log


def run(config_path: Path) -> int:
    """Serve until SIGTERM or SIGINT: 0 after the end, 1 when it could not start or go on (said on stderr)."""
    try:
        settings = load(config_path)
    except SettingsError as error:
        return _refused(error.errors)
    log.start(settings.node.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Service(settings).run())
    except ServiceError as error:
        return _refused(error.lines)
    return 0


def _refused(lines: list[str]) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return 1
