"""Find unused old names in fleet.yaml. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from fleet_runtime.api.shapes import OldNameReport, OldNames
from fleet_runtime.doctor.gateway_checks import SHOWN, DoctorFinding
from fleet_runtime.routing.old_names import OldName
from fleet_runtime.text import join_words, quote

WATCHED: Final = timedelta(days=30)
"""How long a name must not have been used before it may be removed."""


def old_name_findings(report: OldNames, now: str, lines: Mapping[OldName, int]) -> Iterator[DoctorFinding]:
    """Yield a note for each name that can be removed, and one for those that are still used.

    `now` is the gateway's clock, `lines` where fleet.yaml has each name, as far as that is known.
    """
    moment = datetime.fromisoformat(now)
    used = []
    for name in report.old_names:
        last = name.last_at or name.since
        if moment - datetime.fromisoformat(last) >= WATCHED:
            what = f"was not used in any request since {_day(last)}"
            line = lines.get(OldName(name.kind, name.name))
            yield DoctorFinding("note", "names", _described(name), what, _remedy(name, line))
        elif name.last_at is not None:
            used.append(f"{quote(name.name)} (last on {_day(name.last_at)} by {_user(name)})")
    if used:
        remedy = "change these clients to the current names; `curl -s $FLEET_URL/api/old-names` shows all"
        what = f"has old names in use: {join_words(used, limit=SHOWN)}"
        yield DoctorFinding("note", "names", "fleet.yaml", what, remedy)


def _described(name: OldNameReport) -> str:
    match name.kind:
        case "alias":
            return f"alias {quote(name.name)} of {quote(name.means or '')}"
        case "formerly":
            return f"former name {quote(name.name)} of provider {quote(name.means or '')}"
        case "namespace":
            return f"namespace {quote(name.name)}"


def _remedy(name: OldNameReport, line: int | None) -> str:
    written = {
        "alias": f"`{name.name}: {name.means}` below `aliases:`",
        "formerly": f"`formerly: {name.name}`",
        "namespace": f"`{name.name}` below `namespaces:`",
    }[name.kind]
    place = "fleet.yaml" if line is None else f"fleet.yaml:{line}"
    return f"remove {written} ({place}), then `fleet build`"


def _user(name: OldNameReport) -> str:
    return "/v1" if name.surface is None else f"surface {quote(name.surface)}"


def _day(moment: str) -> str:
    return moment.partition("T")[0]
