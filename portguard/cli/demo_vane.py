"""The demo's act about complaints: 12321 hears many about one signature, and it is held back until a human lifts it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from portguard.cli.demo_registry import KNOWN

if TYPE_CHECKING:
    from portguard.cli.demo import Play

COMPLAINTS: Final = 30


async def complaints(play: "Play") -> None:
    """The storm, what it leads to, and the journal that can show it."""
    signature = KNOWN.text.partition("】")[0][1:]
    play.view.stage(f"12321 passes {COMPLAINTS} complaints about 【{signature}】 on")
    await play.show(KNOWN, "allow", "")
    # Now: those of before the node began to count deliveries are held against nobody.
    at = datetime.now(UTC).isoformat(timespec="seconds")
    rows = "".join(f"{n},{at},1380532{n:04},{KNOWN.source_addr},{signature}\n" for n in range(COMPLAINTS))
    path = play.stage.folder / "complaints.csv"
    path.write_text(f"id,received_at,subscriber,number,signature\n{rows}", "utf-8")
    for line in await play.stage.command("complaints", "import", str(path)):
        play.view.note(line)
    await play.show(KNOWN, "reject", "complaint_suspended")
    for line in await play.stage.command("complaints", "lift", "--why", "the demo goes on", "signature", signature):
        play.view.note(line)
    await play.show(KNOWN, "allow", "")
    play.view.stage("Evidence: is every record there, and as it was written?")
    for line in await play.stage.command("evidence", "verify"):
        play.view.note(line)
