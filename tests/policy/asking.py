"""Messages of the table put to a Desk."""

from portguard.policy.desk import Desk, Message, Outcome
from tests.policy.folder import when
from tests.policy.messages import Case


def message(case: Case, *, arrived: bool = False) -> Message:
    """The case as a Desk takes it."""
    return Message(
        case.account, case.source, case.dest, case.text, case.coding, when(case.at), arrived=arrived, pdu=case.pdu
    )


def judged(desk: Desk, *cases: Case, arrived: bool = False) -> Outcome:
    """The verdict on the last of the cases."""
    outcomes = [desk.judge(message(case, arrived=arrived)) for case in cases]
    return outcomes[-1]
