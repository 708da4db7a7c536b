"""The ledger as the main process asks it: what is not on the disk is not acknowledged."""

from pathlib import Path

import pytest

from portguard.consent.options import ConsentOptions
from portguard.consent.store import ConsentError, Store
from portguard.daemon import consents
from portguard.daemon.consents import Consents
from portguard.policy.ledger import REVOKED
from portguard.settings.node import NodeOptions
from portguard.sms.category import MARKETING

SUBSCRIBER = "8613900000001"


async def test_opt_outs_that_cannot_be_written_are_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Consents(ConsentOptions(tmp_path), NodeOptions())
    await asked.revoke([("brand", SUBSCRIBER, 1e9, "complaint")])
    standing, found = await asked.standing("brand", SUBSCRIBER, MARKETING << 4, 2e9)
    assert (standing.answer, len(found)) == (REVOKED, 1)
    # The disk is another's turn: lmdb's write lock of another process would look like this.
    assert asked._ledger is not None
    writer = asked._ledger._writer
    assert writer is not None
    with monkeypatch.context() as hurry, writer.mapping:
        hurry.setattr(consents, "WAIT_SECONDS", 0.1)
        with pytest.raises(ConsentError, match="not on the disk after"):
            await asked.revoke([("brand", "8613900000002", 1e9, "complaint")])
    # It is made up for, and asking again changes nothing.
    await asked.revoke([("brand", "8613900000002", 1e9, "complaint")])
    asked.close()
    store = Store(tmp_path, readonly=True)
    view = store.view()
    assert view.counts() == (1, 2)
    view.close()
    store.close()
