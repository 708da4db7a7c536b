"""The image's file: what it copies is there and let through, and what it runs is what portguard has."""

import fnmatch
import re
import shlex
from pathlib import Path

from portguard.cli.root import portguard
from portguard.net.options import ListenOptions
from portguard.telemetry.options import MetricsOptions

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "container" / "Containerfile"


def instructions(name: str) -> list[list[str]]:
    """The words of each instruction of that name."""
    text = FILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith(f"{name} ")]


def test_what_is_copied_is_there_and_nothing_else() -> None:
    copied = {source for words in instructions("COPY") if not words[0].startswith("--") for source in words[:-1]}
    ignored = FILE.with_name(FILE.name + ".dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    # What `make trained` and a build of the wheel need, and no clone's secrets or leftovers.
    assert not any(fnmatch.fnmatch(name, "*.key") or name in (".git", ".venv") for name in copied)


def test_it_runs_what_there_is_without_being_root() -> None:
    (entry,), (command,) = instructions("ENTRYPOINT"), instructions("CMD")
    assert re.findall(r"\w+", " ".join(entry)) == ["portguard"]
    (name,) = re.findall(r"\w+", " ".join(command))
    with portguard.make_context("portguard", [name, "--help"], resilient_parsing=True) as context:
        ran = portguard.get_command(context, name)
    assert ran is not None
    ((user,),) = instructions("USER")
    assert all(part.isdecimal() and int(part) > 0 for part in user.split(":"))
    (config,) = [option for option in ran.params if option.name == "config"]
    ((*_, environment),) = instructions("ENV")
    assert environment == f"{config.envvar}=/etc/portguard/portguard.toml"
    (exposed,) = instructions("EXPOSE")
    defaults = (ListenOptions().address, MetricsOptions().address)
    assert exposed == [address.rpartition(":")[2] for address in defaults]
