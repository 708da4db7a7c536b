"""portguard.toml: what is taken, and every error at once."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.net.options import ClientTlsOptions
from portguard.settings.load import SettingsError, load, problems
from portguard.settings.schema import Settings

SMALLEST = """
[listen]
[[smsc]]
name = "a"
address = "127.0.0.1:2776"
[registry]
path = "registry"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "portguard.toml"
    path.write_text(text, encoding="utf-8")
    return path


def errors(folder: Path, text: str) -> list[str]:
    """The lines of the SettingsError, without the file's name."""
    path = write(folder, text)
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert all(line.startswith(f"{path}: ") for line in raised.value.errors)
    return [line.removeprefix(f"{path}: ") for line in raised.value.errors]


def test_smallest_file_gives_the_defaults(tmp_path: Path) -> None:
    settings = load(write(tmp_path, SMALLEST))
    assert settings.listen.address == "0.0.0.0:2775"
    assert settings.node.timezone == "Asia/Shanghai"
    assert settings.policy.mode == "monitor"
    assert settings.metrics is None
    assert settings.registry.path == tmp_path / "registry"
    assert settings.node.state == tmp_path / "state"


def test_every_section_is_read_and_paths_start_at_the_file(tmp_path: Path) -> None:
    settings = load(
        write(
            tmp_path,
            """
[node]
id = "gw7"
timezone = "UTC"
country = "65"
workers = 1
state = "/var/lib/portguard"
log_level = "debug"
[listen]
address = "[::1]:2775"
tls = {certificate = "tls/a.crt", key = "/etc/a.key", client_ca = "ca.crt"}
proxy_protocol = ["10.0.0.0/8", "fd00::/8"]
max_connections = 7
bind_timeout = 1
idle_timeout = 2.5
[[smsc]]
name = "a"
address = "smsc.example:2776"
tls = true
weight = 3
[[smsc]]
name = "b"
address = "[::1]:2777"
tls = {ca = "ca.crt", verify = false}
connect_timeout = 0.5
bind_timeout = 2
tlv = "never"
[limits]
max_pdu = 4096
[registry]
path = "/srv/registry"
watch = false
[policy]
mode = "enforce"
[policy.rules.scope_category]
action = "tag"
[policy.rules.scope_quota]
status = "ESME_RTHROTTLED"
[policy.accounts.star]
mode = "tag"
[tag]
verdict = 0x1E01
[metrics]
address = "0.0.0.0:9464"
""",
        )
    )
    assert settings.node.state == Path("/var/lib/portguard")
    assert settings.listen.tls is not None
    assert settings.listen.tls.certificate == tmp_path / "tls/a.crt"
    assert settings.listen.tls.key == Path("/etc/a.key")
    assert settings.smsc[1].tls == ClientTlsOptions(ca=tmp_path / "ca.crt", verify=False)
    assert settings.smsc[0].tls is True
    assert settings.policy.rules["scope_category"].action == "tag"
    assert settings.policy.accounts["star"].mode == "tag"
    assert settings.tag.verdict == 0x1E01
    assert settings.metrics is not None


def test_every_error_is_named_at_once(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        """
[node]
contry = "86"
log_level = "loud"
[listen]
max_connections = 0
bind_timeout = "ten"
tls = {certificate = "a"}
[[smsc]]
name = "a"
[[smsc]]
adress = "127.0.0.1:1"
weight = -1
[limits]
max_pdu = 1
batch_us = "sometimes"
[policy]
mode = "enforcing"
[policy.rules.scope_port]
action = "refuse"
stauts = 1
[polcy]
""",
    )
    assert found == [
        "node.contry: unknown key; did you mean country?",
        "node.log_level: expected str matching regex '^(debug|info|warning|error)$'",
        "listen.max_connections: expected int >= 1",
        "listen.bind_timeout: expected float, got str",
        "listen.tls.key: is missing",
        "smsc[1].address: is missing",
        "smsc[2].adress: unknown key; did you mean address?",
        "smsc[2].weight: expected int >= 0",
        "smsc[2].name: is missing",
        "smsc[2].address: is missing",
        "limits.max_pdu: expected int >= 1024",
        "limits.batch_us: expected one of auto, or a number; got 'sometimes'",
        "policy.mode: expected one of enforce, tag, monitor; got 'enforcing'",
        "policy.rules.scope_port.action: expected one of allow, tag, reject, discard, monitor; got 'refuse'",
        "policy.rules.scope_port.stauts: unknown key; did you mean status?",
        "polcy: unknown section; did you mean policy?",
        "registry: is missing",
    ]


def test_sound_keys_that_do_not_go_together_are_named_at_once(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        """
[node]
timezone = "Asia/Nowhere"
[listen]
address = "2775"
proxy_protocol = ["10.0.0.1/8"]
[[smsc]]
name = "a"
address = "127.0.0.1:0"
[[smsc]]
name = "a"
address = "127.0.0.1:2776"
tls = {certificate = "a.crt"}
[registry]
path = "registry"
[policy.rules.no_such_rule]
action = "tag"
[tag]
verdict = 0x1D02
[metrics]
address = "9464"
""",
    )
    assert [line.partition(":")[0] for line in found] == [
        "node.timezone", "listen.address", "listen.proxy_protocol", "smsc[1].address", "smsc[2].tls",
        "smsc[2].name", "policy.rules.no_such_rule", "tag.verdict", "tag.reason", "metrics.address",
    ]


def test_no_smsc_at_all(tmp_path: Path) -> None:
    found = errors(tmp_path, 'smsc = []\n[listen]\n[registry]\npath = "r"\n')
    assert found == ["smsc: at least one [[smsc]] is needed"]


def test_tables_where_lists_are_due_and_the_other_way_round(tmp_path: Path) -> None:
    found = errors(tmp_path, 'listen = 1\n[smsc]\nname = "a"\n[[registry]]\npath = "r"\n')
    assert found == [
        "listen: expected a table, got a number",
        "smsc: expected array, got object",
        "registry: expected a table, got a list",
    ]


def test_file_that_is_not_there_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: no such file or directory$"):
        load(tmp_path / "absent.toml")
    with pytest.raises(SettingsError, match=r"portguard\.toml: .*line 2"):
        load(write(tmp_path, "\n[listen\n"))
    (tmp_path / "portguard.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="utf-8"):
        load(tmp_path / "portguard.toml")
    with pytest.raises(SettingsError, match="is a directory"):
        load(tmp_path)


@pytest.mark.may_skip
@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST)
    path.chmod(0)
    with pytest.raises(SettingsError, match="permission denied"):
        load(path)


KEYS = st.sampled_from(["address", "tls", "name", "rules", "mode", "certificate", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_anything_is_sound_or_named(value: object) -> None:
    for line in problems(Settings, {"listen": value, "smsc": value, "policy": value}, ""):
        assert re.match(r"[^:]+: \S", line)


def test_sample_is_sound() -> None:
    load(Path(__file__).parents[2] / "config" / "portguard.toml")
