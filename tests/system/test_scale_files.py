"""What is shipped for several gateways fits the schemas of those who read it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from fleet_runtime.artifacts.snapshot import load_snapshot
from tests.support.balancer import DEPLOY
from tests.support.fleet_process import run_fleet
from tests.support.postgres import require

MANIFESTS: list[Any] = list(YAML(typ="safe").load_all((DEPLOY / "kubernetes" / "gateway.yaml").read_text()))
KUBERNETES = "1.31"
FLEET_YAML = """\
version: 1
default_provider: box
providers: {box: {url: "http://box.lab:8080", models: {m: }, poll: false}}
surfaces: {boochat: {client: opencode, key: laptop}}
gateway:
  listen: 0.0.0.0:8400
  url: http://fleet.lab:8400
  hosts: [probe, fleet]
  not_ready: 5
  state: {postgres: {env: FLEET_STATE_URL}}
  keys: {laptop: {env: FLEET_KEY_LAPTOP}}
"""


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_a_manifest_fits_the_schema_of_kubernetes(manifest: Any) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_schema_rejects_a_wrong_manifest() -> None:
    wrong = {**MANIFESTS[0], "spec": {**MANIFESTS[0]["spec"], "replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_the_manifests_belong_together_and_leave_time_to_stop() -> None:
    kinds = {manifest["kind"]: manifest for manifest in MANIFESTS}
    assert set(kinds) == {"Deployment", "Service", "PodDisruptionBudget"}
    spec = kinds["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels == spec["selector"]["matchLabels"] == kinds["Service"]["spec"]["selector"]
    assert labels == kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    (container,), (before,) = (spec["template"]["spec"][key] for key in ("containers", "initContainers"))
    assert container["image"] == before["image"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 30 + 5


def test_a_pod_builds_what_its_gateway_serves_from_the_two_files_of_the_config_map(tmp_path: Path) -> None:
    """The command of the manifest, with a folder for its source that cannot be written to."""
    source, config = tmp_path / "source", tmp_path / "config"
    source.mkdir()
    (source / "fleet.yaml").write_text(FLEET_YAML)
    locked = run_fleet("lock", cwd=source)
    assert locked.returncode == 0, locked.stderr
    deployment = next(manifest for manifest in MANIFESTS if manifest["kind"] == "Deployment")
    (before,) = deployment["spec"]["template"]["spec"]["initContainers"]
    places = {mount["name"]: mount["mountPath"] for mount in before["volumeMounts"]}
    folders = {f"{places['source']}/": f"{source}/", f"{places['config']}/": f"{config}/"}
    words = [
        next((word.replace(old, new) for old, new in folders.items() if word.startswith(old)), word)
        for word in before["args"]
    ]
    source.chmod(0o500)
    built = run_fleet(*words, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert sorted(path.name for path in source.iterdir()) == ["fleet.lock", "fleet.yaml"]
    command = re.findall(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    assert f'"{places["config"]}/generated"' in command[0]
    assert load_snapshot(config / "generated").gateway.keys.keys() == {"laptop"}


def test_kustomize_makes_the_config_map_that_the_pods_mount(tmp_path: Path) -> None:
    kubectl = require("kubectl", "kubectl")
    for file in (DEPLOY / "kubernetes").iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    for name in ("fleet.yaml", "fleet.lock"):
        (tmp_path / name).write_text(f"# {name}\n")
    made = subprocess.run([kubectl, "kustomize", str(tmp_path)], capture_output=True, text=True, check=True)
    manifests = {manifest["kind"]: manifest for manifest in YAML(typ="safe").load_all(made.stdout)}
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    config = manifests["ConfigMap"]
    assert config["data"] == {name: f"# {name}\n" for name in ("fleet.yaml", "fleet.lock")}
    volumes = manifests["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "source", "configMap": {"name": config["metadata"]["name"]}} in volumes


def test_the_image_has_the_driver_of_the_database_that_the_gateways_share() -> None:
    assert "'.[postgres]'" in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize("name", ["compose.yaml", "compose-two.yaml"])
def test_a_compose_file_fits_the_compose_specification(name: str) -> None:
    text = (DEPLOY / name).read_text()
    compose_spec.PyCompose.from_yaml(text).validate()
    with pytest.raises(Exception, match="ports"):
        compose_spec.PyCompose.from_yaml(text.replace("ports: [", "ports: [{}, "))


def test_the_unit_of_several_gateways_is_valid_and_hardened_like_that_of_one(tmp_path: Path) -> None:
    one, many = ((DEPLOY / name).read_text() for name in ("fleet.service", "fleet@.service"))
    hardening = set(re.findall(r"^(?:Protect|Private|Restrict|System|Memory|Lock|NoNew|Capab).*$", one, re.M))
    assert hardening <= set(many.splitlines())
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    text = many.replace("/opt/fleet/bin/fleet", "/bin/true").replace("User=fleet", "User=root")
    unit = tmp_path / "fleet@8401.service"
    unit.write_text(text)
    checked = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "fleet@" not in checked.stderr, checked.stderr
