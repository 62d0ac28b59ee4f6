"""The pure checks of the doctor (findings, local_findings, drift): no process, no socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.api.examples import EXAMPLES
from fleet_runtime.api.shapes import FleetStatus, OldNames, ProviderReport
from fleet_runtime.artifacts.contract import ModelFacts, RoutedModel, RoutedProvider
from fleet_runtime.catalog.shapes import FavoriteList, ModelResolution, Roles
from fleet_runtime.doctor.gateway_checks import (
    DoctorFinding,
    GatewayReport,
    clock_skew,
    favorite_findings,
    gateway_findings,
    provider_findings,
    role_findings,
)
from fleet_runtime.doctor.local_checks import (
    BuildCheck,
    Checkout,
    Diagnostic,
    OpencodeSetup,
    client_findings,
    file_findings,
    opencode_findings,
)
from fleet_runtime.opencode_files import parse_relaxed
from fleet_runtime.providers.lock_drift import Drift, OtherContext, find_drift
from tests.support import artifacts

URL = "http://127.0.0.1:8400"


def machine(name: str, **more: Any) -> ProviderReport:
    example = msgspec.to_builtins(EXAMPLES[ProviderReport])
    return msgspec.convert(example | {"name": name, "in_flight": {}} | more, ProviderReport)


def told(*machines: ProviderReport, skew: float = 0.0, url: str = URL, **fleet: Any) -> GatewayReport:
    """What a gateway without any fault tells, except for what is given."""
    fields: dict[str, Any] = {
        "snapshot": "sha256:1",
        "refused": None,
        "refused_remedy": None,
        "needs_restart": [],
        "store": {"state": "up", "since": "2026-11-21T20:00:00Z", "where": "/srv/state.db", "reason": None},
        "started_at": "2026-11-21T20:00:00Z",
        "serving_since": "2026-11-21T20:00:00Z",
        "now": "2026-11-21T20:00:00Z",
        "listen": "127.0.0.1:8400",
        "default_provider": "desk",
        "surfaces": [],
        "drift": {},
        "providers": list(machines),
    }
    return GatewayReport(
        url=url,
        fleet=msgspec.convert(fields | fleet, FleetStatus),
        skew=skew,
        default_models=(),
        roles={None: Roles(surface=None, roles={})},
        choices={},
        favorites=FavoriteList(version=0, etag='"-0"', favorites=()),
        old_names=OldNames(old_names=()),
    )


def whole(told: GatewayReport) -> list[DoctorFinding]:
    return [
        *gateway_findings(told, "sha256:1"),
        *provider_findings(told),
        *role_findings(told),
        *favorite_findings(told),
    ]


def test_nothing_is_concluded_from_a_fleet_without_faults() -> None:
    assert whole(told(machine("desk"), machine("never-asked", status="unknown", polled=False))) == []


@pytest.mark.parametrize(
    ("more", "severity", "what"),
    [
        ({"refused": "bad hash"}, "error", "rejected the newest build"),
        ({"snapshot": "sha256:2"}, "warning", "serves another build"),
        ({"needs_restart": ["listen", "state"]}, "warning", "'gateway.listen' and 'gateway.state'"),
        (
            {
                "store": {
                    "state": "down",
                    "since": "2026-11-21T20:00:00Z",
                    "where": "/srv/s.db",
                    "reason": "the disk is full",
                }
            },
            "error",
            "the disk is full",
        ),
        ({"skew": 7.2}, "warning", "7 s ahead of"),
        ({"skew": -61.0}, "warning", "61 s behind"),
        ({"listen": "0.0.0.0:8400"}, "note", "without TLS"),
        ({"listen": "[fd7a::1]:8400"}, "note", "without TLS"),
    ],
)
def test_a_fault_of_the_gateway_is_one_finding(more: Mapping[str, Any], severity: str, what: str) -> None:
    [finding] = whole(told(machine("desk"), **more))
    assert (finding.severity, finding.area, finding.where) == (severity, "gateway", f"gateway '{URL}'")
    assert what in finding.what


def test_the_remedy_for_a_rejected_build_is_the_gateway_s() -> None:
    remedy = "`export LAPTOP_KEY=…` where `fleet serve` is started"
    [finding] = whole(told(machine("desk"), refused="a key is not set", refused_remedy=remedy))
    assert finding.remedy == remedy


def test_a_gateway_behind_tls_may_listen_anywhere() -> None:
    assert whole(told(machine("desk"), url="https://fleet.example", listen="0.0.0.0:8400")) == []


@pytest.mark.parametrize(
    ("more", "severity", "what"),
    [
        ({"status": "unknown"}, "note", "has not been probed yet"),
        ({"status": "degraded", "reason": "loading"}, "warning", "is failing: loading"),
        ({"reason": "did not respond to '/models' within 2 s"}, "warning", "still counts as online"),
        (
            {"status": "degraded", "reason_code": "sidecar_unreachable", "sidecar": "down"},
            "error",
            "sidecar",
        ),
        ({"status": "offline", "reason": "no route", "sidecar": "down"}, "error", "offline since"),
        ({"status": "offline", "reason": "no route", "wake": "mac"}, "note", "one of its models wakes it"),
        (
            {"status": "offline", "reason": "it was woken", "reason_code": "wake_failed", "wake": "mac"},
            "error",
            "it was woken",
        ),
        ({"status": "disabled", "reason_code": "disabled"}, "note", "disabled in fleet.yaml"),
    ],
)
def test_a_state_of_a_provider_is_one_finding(more: Mapping[str, Any], severity: str, what: str) -> None:
    [finding] = whole(told(machine("desk", **more)))
    assert (finding.severity, finding.area, finding.where) == (severity, "machines", "provider 'desk'")
    assert what in finding.what


def test_many_models_are_reported_in_few_words() -> None:
    drift = {"desk": {"appeared": ["a", "b", "c", "d", "e"], "vanished": [], "contexts": []}}
    [finding] = whole(told(machine("desk"), drift=drift))
    assert finding.what == "lists 'a', 'b', 'c' and 2 more, which fleet.lock does not contain"
    assert finding.remedy == "`fleet lock desk && fleet build`"


def test_the_drift_of_an_offline_provider_is_not_reported() -> None:
    drift = {"desk": {"appeared": ["a"], "vanished": [], "contexts": []}}
    findings = whole(told(machine("desk", status="offline", reason="no route"), drift=drift))
    assert [finding.severity for finding in findings] == ["error"]


def test_a_role_that_surfaces_share_is_reported_once() -> None:
    away = {
        "requested": "x",
        "id": "nas/m",
        "provider": "nas",
        "model": "m",
        "class": "local",
        "rule": "provider",
        "fallback": False,
        "available": False,
        "via": None,
        "context": None,
        "context_source": None,
        "reason": "provider_unreachable",
    }
    roles = {"task": away | {"candidates": ["nas/m"], "rule": "role"}}
    own = {"task": roles["task"] | {"candidates": ["nas/m", "nas/n"]}}
    fleet = told(machine("desk"))
    given = {
        None: msgspec.convert({"surface": None, "roles": roles}, Roles),
        "boochat": msgspec.convert({"surface": "boochat", "roles": roles}, Roles),
        "arena": msgspec.convert({"surface": "arena", "roles": own}, Roles),
    }
    choices = {id: msgspec.convert(away, ModelResolution) for id in ("nas/m", "nas/n")}
    asked = GatewayReport(fleet.url, fleet.fleet, 0.0, (), given, choices, fleet.favorites, fleet.old_names)
    assert [finding.where for finding in role_findings(asked)] == [
        "role 'task'",
        "role 'task' of surface 'arena'",
    ]


@given(st.integers(0, 4_000_000_000), st.floats(0, 1, exclude_max=True), st.floats(0, 60), st.floats(0, 60))
def test_a_right_clock_is_never_called_wrong(
    second: int, fraction: float, before: float, after: float
) -> None:
    """The gateway tells whole seconds, at some moment between the question and its response."""
    shown = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    moment = second + fraction
    assert clock_skew(shown, moment - before, moment + after) == 0


@pytest.mark.parametrize(
    ("sent", "received", "skew"), [(-70.0, -60.0, 60.0), (90.0, 95.0, -89.0), (0.5, 0.6, 0.0)]
)
def test_a_wrong_clock_is_called_wrong_by_what_is_certain(sent: float, received: float, skew: float) -> None:
    assert clock_skew("1970-01-01T00:00:00Z", sent, received) == skew


def locked(**models: RoutedModel) -> RoutedProvider:
    return RoutedProvider(name="a", label="a", class_="local", models=models)


def test_what_fleet_yaml_declares_or_keeps_out_is_no_drift() -> None:
    declared = RoutedModel(context=1000, context_source="configured")
    connection = artifacts.connection("a", declared={"mine": declared}, exclude=["*-gguf"])
    seen = {
        "one": ModelFacts(),
        "x-gguf": ModelFacts(),
        "mine": ModelFacts(context=5, context_source="running"),
    }
    assert not find_drift(connection, locked(one=RoutedModel(), mine=declared), seen)
    assert not find_drift(connection, locked(one=RoutedModel(), mine=declared), {"one": ModelFacts()})
    assert not find_drift(connection, locked(one=RoutedModel()), None)


def test_drift_is_what_appeared_what_vanished_and_contexts_that_are_known_better() -> None:
    before = locked(
        gone=RoutedModel(),
        smaller=RoutedModel(context=8000, context_source="running"),
        unloaded=RoutedModel(context=8000, context_source="running"),
        unknown=RoutedModel(),
        upper=RoutedModel(context=131072, context_source="trained"),
    )
    seen = {
        "new": ModelFacts(),
        "smaller": ModelFacts(context=4000, context_source="running"),
        "unloaded": ModelFacts(context=131072, context_source="trained"),
        "unknown": ModelFacts(context=4000, context_source="listed"),
        "upper": ModelFacts(context=32768, context_source="running"),
    }
    assert find_drift(artifacts.connection("a"), before, seen) == Drift(
        ("new",),
        ("gone",),
        (
            OtherContext("smaller", 8000, 4000),
            OtherContext("unknown", None, 4000),
            OtherContext("upper", None, 32768),
        ),
    )


def test_a_damaged_folder_is_a_finding_even_if_the_build_is_current() -> None:
    checkout = Checkout(None, "manifest.json is missing", BuildCheck(status="current"), {})
    assert [(each.severity, each.where) for each in file_findings(checkout)] == [("error", "generated/")]


def test_a_check_that_fails_otherwise_is_a_finding() -> None:
    check = BuildCheck(status="failed", error="the disk is full")
    [finding] = file_findings(Checkout("sha256:1", None, check, {}))
    assert (finding.what, finding.remedy) == ("cannot be built: the disk is full", "`fleet build --check`")


PROVIDERS: dict[str, Any] = {"desk": {"options": {"baseURL": URL}, "models": {"m": {"id": "desk/m"}}}}


def opencode(**read: Any) -> list[DoctorFinding]:
    known = OpencodeSetup(True, "generated/opencode.json", PROVIDERS, (), read)
    return list(opencode_findings(known))


def test_models_that_are_too_small_for_a_client_are_reported_with_their_size() -> None:
    told = Diagnostic("warning", "left out of opencode: a/tiny (4096 tokens)", "F311", "give it 8112 tokens")
    check = BuildCheck("current", diagnostics=(told, Diagnostic("warning", "else", "F302")))
    [finding] = client_findings(Checkout("sha256:1", None, check, {}))
    assert finding.what == "are left out of opencode: a/tiny (4096 tokens)"
    assert finding.remedy == "give it 8112 tokens (`fleet explain F311`)"


def test_opencode_may_know_more_than_what_was_generated() -> None:
    more = {"desk": PROVIDERS["desk"] | {"name": "mine"}, "other": {}}
    assert opencode(a={"provider": more, "theme": "x"}) == []


def test_a_later_file_of_opencode_s_counts_over_an_earlier_one() -> None:
    other = {"desk": {"options": {"baseURL": "http://127.0.0.1:9"}}}
    assert opencode(a={"provider": other}, b={"provider": PROVIDERS}) == []
    assert [each.severity for each in opencode(a={"provider": PROVIDERS}, b={"provider": other})] == [
        "warning"
    ]


def test_the_remedy_names_a_generated_file_that_is_not_the_usual_one() -> None:
    [finding] = opencode_findings(OpencodeSetup(True, "generated/laptop/opencode.json", PROVIDERS, (), {}))
    assert "`fleet run --config generated/laptop/opencode.json opencode`" in finding.remedy


def test_a_path_in_a_remedy_can_be_pasted() -> None:
    [finding] = opencode_findings(OpencodeSetup(True, "my files/opencode.json", PROVIDERS, (), {}))
    assert "--config 'my files/opencode.json'" in finding.remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.integers(0, 4))
def test_comments_and_trailing_commas_do_not_change_what_is_read(value: Any, indent: int) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert parse_relaxed(text) == value
    assert parse_relaxed(f'// {text.splitlines()[0]} "\n[1, /* , ] */ {text}, // }}\n]\n')[1] == value


@given(st.text(max_size=40))
def test_anything_else_is_rejected_in_one_way(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_relaxed(text)
