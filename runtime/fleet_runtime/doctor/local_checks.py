"""What is wrong on this computer: the folder of fleet.yaml, and opencode's configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from shlex import quote
from typing import Any

from fleet_runtime.dialects.status_reason import StatusReason, reason_remedy, reason_text
from fleet_runtime.doctor.gateway_checks import DoctorFinding, named, several

STALE, INVALID = 3, 1
"""Exit codes of ``fleet build --check``."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The folder of fleet.yaml.

    `snapshot`: the id of what lies in generated/, None where `fault` says why it cannot be served. `checked`
    is the exit code of ``fleet build --check``, `said` its lines. `unset`: whose keys this environment and
    these files do not give, and why.
    """

    snapshot: str | None
    fault: str | None
    checked: int
    said: tuple[str, ...]
    unset: Mapping[str, StatusReason]


@dataclass(frozen=True, slots=True)
class OpencodeSetup:
    """opencode here, for which `generated` (a path) was made.

    `wanted`: the providers in it, `unset`: the environment variables that it refers to and that are not set.
    `read`: the content of each file that opencode reads, by path, the later over the earlier; a text says
    why one cannot be read.
    """

    installed: bool
    generated: str
    wanted: Mapping[str, Any]
    unset: tuple[str, ...]
    read: Mapping[str, Mapping[str, Any] | str]


def file_findings(checkout: Checkout) -> Iterator[DoctorFinding]:
    """Whether generated/ is whole, and what fleet.yaml and fleet.lock make."""
    if checkout.checked == STALE:
        reasons = [line for line in checkout.said if line.startswith("'")]
        what = f"is not what fleet.yaml and fleet.lock make: {several(reasons)}"
        yield DoctorFinding("warning", "files", "generated/", what, "`fleet build`")
    elif checkout.checked:
        errors = (line.partition(": ")[2] for line in checkout.said if line.startswith("error"))
        what = f"cannot be built from: {next(errors, 'see the remedy')}"
        remedy = "`fleet validate`" if checkout.checked == INVALID else "`fleet build --check`"
        yield DoctorFinding("error", "files", "fleet.yaml", what, remedy)
    if checkout.fault is not None and checkout.checked != STALE:
        yield DoctorFinding(
            "error", "files", "generated/", f"cannot be served: {checkout.fault}", "`fleet build`"
        )


def key_findings(checkout: Checkout) -> Iterator[DoctorFinding]:
    """Keys that a gateway which is started here would lack."""
    for where, why in checkout.unset.items():
        what = f"cannot be had here: {reason_text(why)}"
        yield DoctorFinding("warning", "files", where, what, reason_remedy(why, ""))


def opencode_findings(opencode: OpencodeSetup) -> Iterator[DoctorFinding]:
    """Whether opencode is there, and if so, whether it knows the generated providers as they are."""
    if not opencode.installed:
        remedy = "`npm install -g opencode-ai`, if it is to be used on this computer"
        yield DoctorFinding("note", "opencode", "opencode", "is not on PATH", remedy)
        return
    for name in opencode.unset:
        what = f"refers to the environment variable '{name}', which is not set here"
        yield DoctorFinding("warning", "opencode", f"'{opencode.generated}'", what, f"`export {name}=…`")
    for path, content in opencode.read.items():
        if isinstance(content, str):
            remedy = "`opencode debug config` says what it makes of it"
            yield DoctorFinding("warning", "opencode", f"'{path}'", content, remedy)
    read = {path: content for path, content in opencode.read.items() if not isinstance(content, str)}
    held: dict[str, Any] = reduce(_merged, (content.get("provider") for content in read.values()), {})
    lacking = [name for name in opencode.wanted if name not in held]
    others = [
        name
        for name, provider in opencode.wanted.items()
        if name in held and not _covers(held[name], provider)
    ]
    where = f"opencode (which reads {named(list(read)) or 'no file of yours'})"
    remedy = _way(opencode.generated)
    if len(lacking) == len(opencode.wanted) and opencode.wanted:
        what = f"does not know the providers of '{opencode.generated}' when it is started by itself"
        yield DoctorFinding("note", "opencode", where, what, remedy)
    elif lacking or others:
        differ = [f"lacks {named(lacking)}"] if lacking else []
        differ += [f"has {named(others)} otherwise"] if others else []
        what = f"does not know the providers as '{opencode.generated}' has them: {' and '.join(differ)}"
        yield DoctorFinding("warning", "opencode", where, what, remedy)


def _way(generated: str) -> str:
    config = "" if generated == "generated/opencode.json" else f" --config {quote(generated)}"
    return f'`fleet run{config} opencode`, or `eval "$(fleet env{config} opencode)"` first'


def _merged(under: Any, over: Any) -> Any:
    """As opencode merges its files: objects member by member, anything else replaced."""
    if isinstance(under, dict) and isinstance(over, dict):
        return under | {key: _merged(under.get(key), value) for key, value in over.items()}
    return under if over is None else over


def _covers(held: Any, wanted: Any) -> bool:
    """Whether everything wanted is there, whatever else is."""
    if isinstance(held, dict) and isinstance(wanted, dict):
        return all(key in held and _covers(held[key], value) for key, value in wanted.items())
    return bool(held == wanted)
