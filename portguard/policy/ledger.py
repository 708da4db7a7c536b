"""What the decision asks of the consent ledger; `consent` answers, `daemon` puts the two together.

Nouns: *consent* is a subscriber's opt-in to an enterprise's marketing; a *revocation* is the opt-out, and wins. Asked
only about marketing, synchronously, on the path.
"""

from typing import Final, Protocol

COUNTS: Final = 0
MISSING: Final = 1
REVOKED: Final = 2


class Ledger(Protocol):
    """Subscribers are E.164 digits without +; `content` is category * 16 + industry; times are epoch seconds."""

    def judge(self, enterprise: str, subscriber: str, content: int, at: float) -> int:
        """COUNTS, REVOKED, or MISSING: none, expired at `at`, for other content, from a source that does not count."""

    def sent(self, number: str, subscriber: str, enterprise: str) -> None:
        """Marketing of this enterprise goes from this number (source_addr digits) to this subscriber: a later reply
        of the subscriber to the number is meant for it. Bounded memory."""

    def last_sender(self, number: str, subscriber: str) -> str:
        """The enterprise that last sent marketing from this number to this subscriber, "" when none is remembered."""

    def revoke(self, enterprise: str, subscriber: str, at: float, source: str) -> None:
        """An opt-out: counts for the next `judge` at once, and is committed by a writer off the path."""
