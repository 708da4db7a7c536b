"""When a message will be delivered, and until when that is tried, in epoch seconds (SMPP 3.4 §7.1.1).

Absolute "YYMMDDhhmmsstnnp" (tenths, quarter hours from UTC, + or -) and relative "YYMMDDhhmmss000R". Cold: few messages
carry one.
"""

from calendar import monthrange, timegm
from datetime import UTC, datetime

from portguard.policy.lookup import EngineOptions
from portguard.smpp.constants import ESME_RINVEXPIRY, ESME_RINVSCHED, ESME_ROK


def delivery(
    schedule: bytes, validity: bytes, time_to_live: int, wall: float, options: EngineOptions
) -> tuple[int, float, float]:
    """(command_status, when, until when at most) for schedule_delivery_time, validity_period (b"" where there is none)
    and qos_time_to_live (seconds, -1 for none) of a message that comes in at `wall`.

    It may not be scheduled beyond `max_schedule`; after `max_validity` the SMSC gives up, whatever is asked.
    """
    at = delivery_time(schedule, wall) if schedule else wall
    if at < 0.0 or at > wall + options.max_schedule:
        return ESME_RINVSCHED, wall, wall
    until = delivery_time(validity, wall) if validity else wall
    if until < 0.0:
        return ESME_RINVEXPIRY, wall, wall
    return ESME_ROK, at, max(at, min(max(until, wall + time_to_live), at + options.max_validity))


def delivery_time(field: bytes, wall: float) -> float:
    """The instant `field` names, seen at `wall` (epoch seconds); -1.0 when it is malformed. Instants past are now."""
    if len(field) != 16 or not field[:15].isdigit():
        return -1.0
    year, month, day, hour, minute, second = (int(field[i : i + 2]) for i in range(0, 12, 2))
    if field[15:16] == b"R":
        return _relative(wall, year * 12 + month, ((day * 24 + hour) * 60 + minute) * 60 + second)
    quarters = int(field[13:15])
    if field[15:16] not in (b"+", b"-") or quarters > 48:
        return -1.0
    if not (1 <= month <= 12 and 1 <= day <= monthrange(2000 + year, month)[1]):
        return -1.0
    if hour > 23 or minute > 59 or second > 59:
        return -1.0
    offset = quarters * 900 if field[15:16] == b"+" else -quarters * 900
    at = timegm((2000 + year, month, day, hour, minute, second)) + int(field[12:13]) / 10 - offset
    return max(at, wall)


def absolute(at: float) -> bytes:
    """The field that names the instant, in UTC; of a second only tenths are kept."""
    tenth = int(at * 10.0)
    return datetime.fromtimestamp(tenth // 10, UTC).strftime("%y%m%d%H%M%S").encode() + b"%d00+" % (tenth % 10)


def _relative(wall: float, months: int, seconds: int) -> float:
    """`wall` plus calendar months (the day is cut to the month's last) plus seconds."""
    then = datetime.fromtimestamp(wall, UTC)
    if months:
        year, month = divmod(then.year * 12 + then.month - 1 + months, 12)
        then = then.replace(year=year, month=month + 1, day=min(then.day, monthrange(year, month + 1)[1]))
    return then.timestamp() + seconds
