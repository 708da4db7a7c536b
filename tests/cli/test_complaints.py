"""`portguard complaints` as a process while no proxy runs: import, list, hold, lift, and what is refused."""

import json
import os
import pty
import subprocess
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from portguard.complaints.store import Store
from portguard.consent.ledger import Ledger
from portguard.policy.ledger import REVOKED
from tests.cli.table import node
from tests.cli.test_root import COMMAND, ENVIRONMENT, process
from tests.consent.model import MARKETING, options
from tests.policy.folder import ZONE
from tests.policy.registry import TABLES

# Left out by `make quick`.
pytestmark = pytest.mark.slow

HEAD = "id,received_at,subscriber,number,signature,text,type\n"
SALE = "【星辰商城】双11狂欢购物节全场满300减50，点击抢购，退订回T"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return node(tmp_path, TABLES, '[complaints]\nport_highest = "none"\n[consent]\npath = "consent"\n')


def run(config: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return process("complaints", command, "-c", str(config), *arguments)


def ago(minutes: float) -> str:
    return (datetime.now(ZONE) - timedelta(minutes=minutes)).isoformat(timespec="seconds")


def file(folder: Path, text: str, name: str = "in.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def storm(count: int, first: int = 0) -> str:
    at = ago(1)
    return HEAD + "".join(f"c{n},{at},139{n:08},10690001,星辰商城,,\n" for n in range(first, first + count))


def test_import_list_hold_lift(config: Path, tmp_path: Path) -> None:
    done = run(config, "import", file(tmp_path, storm(25)))
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "25 complaints taken, 0 refused, 0 consents revoked"
    assert second.startswith("signature 星辰商城 is at suspend until ")
    assert second.endswith(": 25 complaints in an hour, nothing delivered: 250 per million (suspend from 50)")
    (row,) = json.loads(run(config, "list", "--json", "--level", "tag").stdout)
    assert (row["name"], row["level"], row["hour"]["complaints"]) == ("星辰商城", "suspend", 25)
    done = run(config, "hold", "--level", "watch", "--hours", "2", "--why", "told by phone", "signature", "星辰商城")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("signature 星辰商城 is held at watch until ")
    lines = run(config, "list", "--kind", "signature").stdout.splitlines()
    assert len(lines) == 2
    assert "watch (held by " in lines[1]
    done = run(config, "lift", "--why", "a mistake", "--who", "wang", "signature", "星辰商城")
    assert done.stdout == "signature 星辰商城 was at watch; that is lifted, and its complaints so far are forgiven\n"
    done = run(config, "lift", "--why", "a mistake", "port", "10690001")
    assert done.stdout == "nothing was on port 10690001; its complaints so far are forgiven\n"
    done = run(config, "list", "--level", "watch")
    assert done.stdout == "no port or signature has complaints, or stands at a level\n"
    # What was done waits for the journal.
    store = Store(tmp_path / "state" / "complaints.sqlite", readonly=True)
    kinds = [(event.kind, event.fields.get("by")) for event in store.events(100)]
    store.close()
    assert kinds[:25] == [("complaint", None)] * 25
    assert [kind for kind, _ in kinds[25:]] == ["escalation", "alert", "escalation", "escalation"]
    assert kinds[-1] == ("escalation", "wang")


def test_what_is_refused_is_named(config: Path, tmp_path: Path) -> None:
    text = HEAD + (
        f"a,{ago(5)},13900000001,10690001,,{SALE},端口\n"
        f"a,{ago(5)},13900000001,10690001,,,\n"
        f"b,{ago(5)},13900000002,20690001,,,\n"
        f"c,2999-01-01,13900000003,10690001,,,\n"
        f"d,{ago(5)},13900000004,10690001,,,点对点\n"
        f"e,{ago(5)},1390000000x,10690001,,,\n"
        f"f,{ago(5)},13900000006\n"
        f"g,{ago(5)},13900000007,10690001,,,\n"
    )
    source = file(tmp_path, text)
    done = run(config, "import", "--json", source)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{source}:3: id: 'a' of 12321 is on file already",
        f"{source}:4: number: no registered port covers '20690001'",
        f"{source}:5: received_at: '2999-01-01' is in the future",
        f"{source}:6: type: '点对点': complaints about persons are not counted",
        f"{source}:7: subscriber: '139****00x' is not a subscriber's number (digits; + or 00 may precede)",
        f"{source}:8: has 3 fields, the header has 7 (quote a field that has a comma)",
    ]
    answer = json.loads(done.stdout)
    assert answer["results"] == {
        "accepted": 2, "duplicate": 1, "unknown_port": 1, "future": 1, "person": 1, "malformed": 2,
    }  # fmt: skip
    assert answer["revoked"] == 1
    ledger = Ledger(tmp_path / "consent", options(tmp_path / "consent"), readonly=True)
    assert ledger.judge("mall", "8613900000001", MARKETING, 4e9) == REVOKED
    ledger.close()
    # Again: what is on file already is no error.
    done = run(config, "import", file(tmp_path, HEAD + f"g,{ago(5)},13900000007,10690001,,,\n", "again.csv"))
    assert done.returncode == 0
    assert done.stdout == "0 complaints taken, 1 refused (1 duplicate), 0 consents revoked\n"


def test_a_wrong_header_is_one_row(config: Path, tmp_path: Path) -> None:
    done = run(config, "import", file(tmp_path, "a,b\n1,2\n"))
    assert (done.returncode, len(done.stderr.splitlines()) > 1) == (1, True)
    assert done.stdout == "0 complaints taken, 1 refused (1 malformed), 0 consents revoked\n"


def test_json_lines_and_stdin(config: Path) -> None:
    line = json.dumps({
        "id": "1", "received_at": ago(1), "subscriber": "+8613900000001", "number": "8610690001", "text": SALE,
        "source": "hotline", "category": "notification",
    })  # fmt: skip
    done = subprocess.run(
        [*COMMAND, "complaints", "import", "-c", str(config), "-"], input=f"{line}\n[1]\nnothing\n", env=ENVIRONMENT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == "1 complaints taken, 2 refused (2 malformed), 0 consents revoked\n"
    assert done.stderr.splitlines() == [
        "stdin:2: a JSON object is expected on each line",
        "stdin:3: is not JSON: Expecting value at column 1",
    ]
    done = run(config, "list", "--single")
    assert done.stdout.splitlines()[1].split()[2:7] == ["hotline", "1", "10690001", "星辰商城", "notification"]
    assert "13900000001" not in done.stdout
    assert run(config, "list", "--single", "--since", "2999-01-01").stdout == "no complaints\n"


@pytest.mark.parametrize(("arguments", "said"), [
    (("import", "nothing.csv"), "nothing.csv: no such file or directory"),
    (("hold", "--level", "tag", "--why", "x", "port", "abc"), "name: 'abc' is no number"),
    (("hold", "--level", "tag", "--why", " ", "port", "1069"), "why: 1 to 200 printable characters are expected"),
    (("hold", "--level", "tag", "--why", "x", "--until", "2020-01-01", "port", "1069"), "until: a time within a year"),
    (("hold", "--level", "stop", "--why", "x", "port", "1069"), "'stop' is not one of"),
    (("hold", "--level", "tag", "--why", "x", "--until", "soon", "port", "1069"), "'soon' is not a time like"),
    (("list", "--limit", "0"), "0 is not in the range"),
])  # fmt: skip
def test_mistakes_are_said(config: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(config, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_registry_with_errors_is_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "registry" / "ports.csv").write_text("port,holder\nx,first\n")
    done = run(config, "import", file(tmp_path, storm(1)))
    assert done.returncode == 1
    assert "ports.csv:2: port: 'x' is not a number of 1 to 20 digits" in done.stderr


def test_a_bar_on_a_terminal(config: Path, tmp_path: Path) -> None:
    source = file(tmp_path, storm(1200))
    master, slave = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while octets := os.read(master, 4096):
                seen.append(octets)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    command = [*COMMAND, "complaints", "import", "-c", str(config), source]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=slave, timeout=60, check=False)
    os.close(slave)
    reader.join(30)
    os.close(master)
    assert done.returncode == 0
    assert b"accepted 1,200" in b"".join(seen)
