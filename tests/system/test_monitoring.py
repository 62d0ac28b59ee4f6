"""deploy/monitoring uses metrics that the gateway really has, and is what Prometheus and Grafana take."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.metrics import Metrics
from tests.runtime.telemetry.test_metrics import Fleet
from tests.support.paths import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
RULES: Any = YAML(typ="safe").load((MONITORING / "fleet-alerts.yml").read_text(encoding="utf-8"))
DASHBOARD: Any = json.loads((MONITORING / "grafana-fleet.json").read_text(encoding="utf-8"))
PROMETHEUS_OWN = {"up"}
METRIC = re.compile(r"\b(?:fleet|process)_[a-z_]+\b|\bup\b")
MATCHED = re.compile(r"\b([a-z_]+)(?:=~|!=|=)\"")
GROUPED = re.compile(r"\bby \(([^()]*)\)")


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    yield from (variable.get("definition", "") for variable in DASHBOARD["templating"]["list"])


@pytest.fixture
def shown(tmp_path: Path) -> dict[str, set[str]]:
    """The labels of every sample of ``/metrics`` by its name, after one request."""
    metrics = Metrics(Fleet(tmp_path / "generated"))
    record = RequestRecord("1", "chat", "/v1/chat/completions", provider="a")
    record.headers_at = record.first_byte_at = record.finished_at = record.gateway_seconds = 1.0
    metrics.add([record])
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_is_one_of_the_gateway(shown: dict[str, set[str]]) -> None:
    used = {name for expression in expressions() for name in METRIC.findall(expression)}
    labels = set().union(*shown.values()) | {"job"}
    assert used - PROMETHEUS_OWN <= shown.keys()
    named = {name for expression in expressions() for name in MATCHED.findall(expression)}
    grouped = {
        name.strip()
        for expression in expressions()
        for names in GROUPED.findall(expression)
        for name in names.split(",")
    }
    assert named | grouped <= labels


def test_every_metric_of_the_gateway_is_on_the_dashboard(shown: dict[str, set[str]]) -> None:
    drawn = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    own = {name for name in shown if name.startswith("fleet_")}
    suffixes = ("_sum", "_count", "_created")
    assert {name for name in own if not name.endswith(suffixes) and name not in drawn} == set()


def test_every_alert_says_what_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_dashboard_is_complete() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places)), "panels overlap"
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    text = json.dumps(DASHBOARD)
    assert set(re.findall(r"\$\{?([a-z]+)", text)) <= variables
    assert all(panel["title"] and panel["targets"] for panel in panels)


def test_promtool_accepts_rules_and_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: it is in Debian's package prometheus")
    for kind, name in (("rules", "fleet-alerts.yml"), ("config", "prometheus.yml")):
        command = [promtool, "check", kind, str(MONITORING / name)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
