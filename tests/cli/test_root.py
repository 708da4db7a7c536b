"""The command line as a process: what it imports, how it ends, and what a user sees of it."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import portguard as package
from portguard.cli.root import COMMANDS, main, portguard
from tests.cli.table import node, write_jsonl
from tests.evidence.stage import Stage
from tests.policy.messages import CODE
from tests.policy.registry import TABLES
from tests.registry.generate import generate

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")},
    "PYTHONPATH": str(Path(package.__file__).parent.parent), "TERM": "xterm",
}
COMMAND = [sys.executable, "-P", "-m", "portguard"]


def process(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run portguard to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], env={**ENVIRONMENT, **more}, capture_output=True, text=True, timeout=60, check=False
    )


# ---- the list of commands

def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(portguard, ["--help"])
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in result.stdout
        assert entry.summary in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(portguard, [name, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: portguard {name} ")


def test_an_unknown_command() -> None:
    result = CliRunner().invoke(portguard, ["relaod"])
    assert (result.exit_code, "No such command 'relaod'" in result.stderr) == (2, True)


def test_help_and_version_import_little() -> None:
    program = (
        "import sys; from portguard.cli import main; main(sys.argv[1:]);"
        "heavy = {'msgspec', 'lmdb', 'uvloop', 'rich', 'yaml', 'asyncio', 'portguard.policy.engine'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    for argument in ("--help", "version", "completion"):
        arguments = [argument, "zsh"] if argument == "completion" else [argument]
        found = subprocess.run(
            [sys.executable, "-P", "-c", program, *arguments], env=ENVIRONMENT, capture_output=True, text=True,
            timeout=60, check=True,
        )
        assert found.stdout.splitlines()[-1] == "", argument


def test_version() -> None:
    found = process("version")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(f"portguard {package.__version__} (")
    facts = json.loads(process("version", "--json").stdout)
    assert facts["version"] == package.__version__
    assert facts["flavour"] in ("compiled", "interpreted", "mixed")
    assert (", trained," in found.stdout) == facts["trained"]
    assert facts["flavour"] in found.stdout


# ---- completion

@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = CliRunner().invoke(portguard, ["completion", shell])
    assert result.exit_code == 0
    assert "_PORTGUARD_COMPLETE" in result.stdout


def test_completion_of_commands_and_options() -> None:
    found = process(_PORTGUARD_COMPLETE="bash_complete", COMP_WORDS="portguard rel", COMP_CWORD="1")
    assert found.stdout.split() == ["plain,reload"]
    found = process(_PORTGUARD_COMPLETE="bash_complete", COMP_WORDS="portguard check --js", COMP_CWORD="2")
    assert found.stdout.split() == ["plain,--json"]


# ---- how it ends

def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert main(["check", "-c", str(tmp_path / "none.toml")]) == 1
    assert main(["check", "--nonsense"]) == 2
    assert main(["nonsense"]) == 2
    assert main(["--help"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_no_arguments_show_the_help() -> None:
    found = process()
    assert found.returncode in (0, 2)
    assert "Usage: portguard" in found.stdout + found.stderr


def _heeds_ctrl_c() -> None:
    """A shell without job control starts what runs in its background with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    running = subprocess.Popen(
        [*COMMAND, "inspect", "-c", str(config), "-"], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=_heeds_ctrl_c,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    message = {"account": "first", "source_addr": "1", "destination_addr": "1", "text": "x"}
    row = write_jsonl(tmp_path / "in.jsonl", [message])
    # Enough that answers come out (they are written by blocks of 8 KiB), and then it waits for more.
    running.stdin.write(row.read_text("utf-8") * 100)
    running.stdin.flush()
    assert running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said.strip()) == (130, "")


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    row = {"account": "first", "source_addr": "1", "destination_addr": "1", "text": CODE}
    source = write_jsonl(tmp_path / "in.jsonl", [row] * 3000)
    running = subprocess.Popen(
        [*COMMAND, "inspect", "-c", str(config), str(source)], env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    said = running.stderr.read()
    running.stderr.close()
    assert (running.wait(60), said) == (1, b"")


def in_a_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which P is portguard, to its end."""
    script = f'P() {{ {shlex.join(COMMAND)} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", [
    "version", "completion zsh", "check", "check --json", "diff registry registry",
    "explain --account first --source 1 --text x", "inspect in.jsonl", "evidence show --json",
])  # fmt: skip
def test_an_output_that_takes_nothing(tmp_path: Path, command: str) -> None:
    node(tmp_path, TABLES)
    write_jsonl(tmp_path / "in.jsonl", [{"account": "first", "source_addr": "1", "destination_addr": "1", "text": "x"}])
    stage = Stage(tmp_path)
    stage.violations(1)
    stage.write()
    stage.close()
    done = in_a_shell(f"cd {tmp_path}; P {command} >/dev/full")
    assert done.returncode == 1
    assert done.stderr.lower() in (f"error: {name}: no space left on device\n" for name in ("output", "stdout"))


def test_closed_streams(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES, '[consent]\npath = "consent"\n')
    for command in ("inspect", "consent import", "complaints import"):
        done = in_a_shell(f"P {command} -c {config} - <&-")
        assert (done.returncode, done.stderr) == (1, "Error: stdin: is closed\n"), command
    done = in_a_shell("P version --json >&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_path_that_no_system_takes(tmp_path: Path) -> None:
    name = "x" * 300
    done = process("diff", "-c", str(node(tmp_path, TABLES)), name)
    assert (done.returncode, done.stderr) == (1, f"Error: {name}: file name too long\n")


@pytest.mark.parametrize("command", [
    "complaints hold port $'\\xff' --level tag --why x", "complaints lift signature $'\\xff' --why x",
    "complaints list --single --kind port --name $'\\xff'", "consent revoke --source $'\\xff' mall 13900000001",
    "report -o r.csv --enterprise $'\\xff'",
])  # fmt: skip
def test_arguments_that_are_no_utf8(tmp_path: Path, command: str) -> None:
    node(tmp_path, TABLES, '[consent]\npath = "consent"\n')
    done = in_a_shell(f"cd {tmp_path}; P {command}")
    assert (done.returncode, "'\\udcff' is not in UTF-8" in done.stderr) == (2, True), done.stderr


def on_a_terminal(*arguments: str, **more: str) -> str:
    """What portguard writes to a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], env={**ENVIRONMENT, **more}, stdin=slave, stdout=slave, stderr=slave, close_fds=True
    ) as running:
        os.close(slave)
        found = b""
        try:
            while piece := os.read(master, 65536):
                found += piece
        except OSError:  # a terminal ends with EIO
            pass
        running.wait(60)
    os.close(master)
    return found.decode()


def test_colours_on_a_terminal_unless_asked_not_to(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    arguments = ["explain", "-c", str(config), "--account", "first", "--source", "1", "--text", "x"]
    assert "\x1b[" in on_a_terminal(*arguments)
    assert "\x1b[" not in on_a_terminal(*arguments, NO_COLOR="1")


def test_a_long_build_shows_how_far_it_is_on_a_terminal(tmp_path: Path) -> None:
    config = node(tmp_path, {})
    generate(tmp_path / "registry", 20_000, 20_000)
    found = on_a_terminal("check", "-c", str(config), TERM="xterm")
    assert re.search(r"(reading|writing) \w+", found)
    assert "no errors" in found
    quiet = subprocess.run([*COMMAND, "check", "-c", str(config)], env=ENVIRONMENT, capture_output=True, check=True)
    assert quiet.stderr == b""


def test_a_progress_bar_on_a_terminal_alone(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    row = {"account": "first", "source_addr": "1", "destination_addr": "1", "text": CODE}
    source = write_jsonl(tmp_path / "in.jsonl", [row] * 600)
    out = str(tmp_path / "out.jsonl")
    arguments = ["inspect", "-c", str(config), str(source), "-o", out]
    seen = on_a_terminal(*arguments)
    assert "600 rows" in seen
    assert "100%" in seen
    assert "reject 600" in seen
    found = process(*arguments)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
