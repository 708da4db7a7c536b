"""The manifests: what a cluster would accept, in step with image and settings; a mounted registry is followed."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from portguard.settings.load import load
from portguard.settings.schema import Settings
from tests.daemon.processes import SAMPLE, SETTINGS, Daemon, until

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
IMAGE = FOLDER.parent / "container" / "Containerfile"
RELEASE = "1.35"


def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "portguard.yaml").read_text(encoding="utf-8")))


def of(kind: str) -> dict[str, Any]:
    (found,) = [one for one in objects() if one["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    found: dict[str, Any] = of("StatefulSet")["spec"]["template"]["spec"]
    return found


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return dict(found)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What a node loads, made as the init container makes it."""
    (first,) = pod()["initContainers"]
    *shell, script = first["command"]
    (name,) = [one["name"] for one in first["env"]]
    script = script.replace("/settings", str(FOLDER)).replace("/etc/portguard", str(tmp_path))
    subprocess.run([*shell, script], check=True, env={**os.environ, name: "portguard-1"})
    return load(tmp_path / "portguard.toml")


@pytest.mark.may_skip
def test_a_cluster_would_accept_them() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="it is among the tools, not beside a wheel")
    for one in objects():
        validator.validate(one, RELEASE, strict=True)
    with pytest.raises(validator.ValidationError):
        validator.validate({**of("StatefulSet"), "spec": {"replica": 2}}, RELEASE, strict=True)


@pytest.mark.may_skip
def test_kustomize_puts_them_together() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    made = subprocess.run([kubectl, "kustomize", str(FOLDER)], check=True, capture_output=True, text=True).stdout
    built = list(yaml.safe_load_all(made))
    (settings,) = [one for one in built if one["kind"] == "ConfigMap"]
    (nodes,) = [one for one in built if one["kind"] == "StatefulSet"]
    mounted = {volume.get("configMap", {}).get("name") for volume in nodes["spec"]["template"]["spec"]["volumes"]}
    # By its content's name, or a change would restart nobody.
    assert settings["metadata"]["name"].startswith("portguard-settings-")
    assert settings["metadata"]["name"] in mounted
    assert len(built) == len(objects()) + 1


def test_what_they_name_is_there() -> None:
    labels = of("StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    for one in objects():
        spec = one.get("spec", {})
        selector = spec.get("selector", spec.get("podSelector", {}))
        assert selector.get("matchLabels", selector).items() <= labels
        for port in spec.get("ports", []):
            assert port.get("targetPort", port["port"]) in {*ports, *ports.values()}
        for rule in spec.get("ingress", []):
            assert {port["port"] for port in rule["ports"]} <= ports.keys()
    claims = {claim["metadata"]["name"] for claim in of("StatefulSet")["spec"]["volumeClaimTemplates"]}
    volumes = claims | {volume["name"] for volume in pod()["volumes"]}
    for one in (*pod()["initContainers"], *pod()["containers"]):
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
    names = {one["metadata"]["name"] for one in objects() if one["kind"] == "Service"}
    assert of("StatefulSet")["spec"]["serviceName"] in names
    made = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    assert [file for maps in made["configMapGenerator"] for file in maps["files"]] == ["portguard.toml"]
    assert {image["name"] for image in made["images"]} == {one["image"] for one in pod()["containers"]}


def test_the_settings_fit_the_pod(settings: Settings) -> None:
    assert settings.node.id == "portguard-1"
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert settings.metrics is not None
    addresses = {"smpp": settings.listen.address, "metrics": settings.metrics.address}
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == addresses
    mounts = {mount["mountPath"]: mount for mount in container()["volumeMounts"]}
    for path in (settings.node.state, settings.evidence.path):
        assert mounts[str(path.parent)]["name"] == "state"
    assert mounts[str(settings.registry.path)]["readOnly"]
    assert settings.complaints.nodes == of("StatefulSet")["spec"]["replicas"]
    assert settings.registry.priority == "low"
    _, wait = container()["lifecycle"]["preStop"]["exec"]["command"]
    least = float(wait) + settings.limits.drain_timeout + settings.limits.unbind_timeout
    assert pod()["terminationGracePeriodSeconds"] >= 2 * least


def test_a_node_may_do_no_more_than_it_must() -> None:
    image = IMAGE.read_text(encoding="utf-8")
    user = pod()["securityContext"]
    assert user["runAsNonRoot"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in image
    assert user["fsGroup"] == user["runAsGroup"]
    assert not pod()["automountServiceAccountToken"]
    for one in (*pod()["initContainers"], *pod()["containers"]):
        context = one["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.slow
def test_a_registry_is_followed_as_a_kubelet_changes_it(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    for version in ("..1", "..2"):
        shutil.copytree(SAMPLE, registry / version)
    (registry / "..data").symlink_to("..1")
    for path in SAMPLE.iterdir():
        (registry / path.name).symlink_to(f"..data/{path.name}")
    words = registry / "..2" / "words.csv"
    words.write_text(words.read_text(encoding="utf-8").rstrip("\n").rpartition("\n")[0] + "\n", encoding="utf-8")
    with Daemon(tmp_path, SETTINGS.replace("watch = false", "watch = true")) as daemon:
        before = daemon.revision()
        (registry / "..new").symlink_to("..2")
        (registry / "..new").rename(registry / "..data")
        shutil.rmtree(registry / "..1")
        until(lambda: daemon.revision() != before, "the new registry to serve")
        assert "why=change" in daemon.said()
