"""What `fleet doctor` says of old names: those that nothing uses any more, and who uses the others."""

from __future__ import annotations

from typing import Any

import pytest

from fleet_runtime.api.shapes import OldNameReport, OldNames
from fleet_runtime.doctor.gateway_checks import DoctorFinding
from fleet_runtime.doctor.old_names import old_name_findings
from fleet_runtime.routing.old_names import OldName

NOW = "2026-11-26T12:00:00Z"
LONG_AGO, LATELY = "2026-10-01T08:00:00Z", "2026-11-20T08:00:00Z"


def report(**fields: Any) -> OldNameReport:
    known: dict[str, Any] = {"kind": "formerly", "name": "pc", "means": "box", "uses": 0, "since": LONG_AGO}
    return OldNameReport(**{"last_at": None, "surface": None} | known | fields)


def findings(*names: OldNameReport) -> list[DoctorFinding]:
    lines = {OldName("formerly", "pc"): 7}
    return list(old_name_findings(OldNames(old_names=names), NOW, lines))


@pytest.mark.parametrize(
    ("name", "where", "remedy"),
    [
        (report(), "former name 'pc' of provider 'box'", "remove `formerly: pc` (fleet.yaml:7)"),
        (
            report(kind="alias", name="q", means="box/q"),
            "alias 'q' of 'box/q'",
            "remove `q: box/q` below `aliases:` (fleet.yaml)",
        ),
        (
            report(kind="namespace", name="llama-swap", means=None),
            "namespace 'llama-swap'",
            "remove `llama-swap` below `namespaces:` (fleet.yaml)",
        ),
    ],
    ids=["former name", "alias", "namespace"],
)
def test_a_name_that_was_not_used_for_thirty_days_can_be_removed(
    name: OldNameReport, where: str, remedy: str
) -> None:
    what = "was not used in any request since 2026-10-01"
    assert findings(name) == [DoctorFinding("note", "names", where, what, f"{remedy}, then `fleet build`")]


def test_the_last_use_counts_and_not_the_beginning() -> None:
    (found,) = findings(report(since="2026-01-01T00:00:00Z", last_at="2026-10-20T00:00:00Z", surface="chat"))
    assert found.what == "was not used in any request since 2026-10-20"


def test_names_in_use_are_reported_with_the_day_and_the_surface_of_the_last_request() -> None:
    (found,) = findings(
        report(last_at=LATELY, surface="chat", uses=3), report(name="laptop", last_at=LATELY, uses=1)
    )
    assert (found.severity, found.where) == ("note", "fleet.yaml")
    assert found.what == (
        "has old names in use: 'pc' (last on 2026-11-20 by surface 'chat')"
        " and 'laptop' (last on 2026-11-20 by /v1)"
    )


def test_a_name_that_was_not_counted_for_long_is_not_reported() -> None:
    assert findings(report(since=LATELY)) == []
