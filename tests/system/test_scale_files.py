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

from tests.support.balancer import DEPLOY

MANIFESTS: list[Any] = list(YAML(typ="safe").load_all((DEPLOY / "kubernetes" / "fleet.yaml").read_text()))
KUBERNETES = "1.31"


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
    (container,) = spec["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 30 + 5


@pytest.mark.parametrize("name", ["compose.yaml", "compose-two.yaml"])
def test_a_compose_file_fits_the_compose_specification(name: str) -> None:
    text = (DEPLOY / name).read_text()
    compose_spec.PyCompose.from_yaml(text).validate()
    with pytest.raises(Exception, match="ports"):
        compose_spec.PyCompose.from_yaml(text.replace("ports: [", "ports: [{}, "))


def test_the_unit_of_several_gateways_is_sound_and_hardened_like_that_of_one(tmp_path: Path) -> None:
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
