"""Check this computer: the folder of fleet.yaml, and opencode's configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from shlex import quote as shell_quote
from typing import Any, Literal

import msgspec

from fleet_runtime.dialects.status_reason import StatusReason, reason_remedy, reason_text
from fleet_runtime.doctor.gateway_checks import SHOWN, DoctorFinding
from fleet_runtime.routing.old_names import OldNameKind
from fleet_runtime.text import join_names, join_words, quote

MAX_PATH = 4096


class StaleFile(msgspec.Struct, frozen=True):
    path: str
    reason: Literal["missing", "surplus", "edited", "changed"]


class Diagnostic(msgspec.Struct, frozen=True):
    severity: str
    message: str
    code: str = ""
    help: str | None = None


class OldNamePlace(msgspec.Struct, frozen=True):
    kind: OldNameKind
    name: str
    line: int


class BuildCheck(msgspec.Struct, frozen=True):
    """What the doctor reads of ``fleet build --check --json``; `error` is a failure without a position."""

    status: Literal["current", "stale", "invalid", "incomplete_lock", "failed"]
    diagnostics: tuple[Diagnostic, ...] = ()
    stale: tuple[StaleFile, ...] = ()
    old_names: tuple[OldNamePlace, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The folder of fleet.yaml.

    `snapshot`: the id of the build in generated/, None if it cannot be served because of `fault`. `missing`:
    the keys that this environment and these files do not have, and why.
    """

    snapshot: str | None
    fault: str | None
    check: BuildCheck
    missing: Mapping[str, StatusReason]


@dataclass(frozen=True, slots=True)
class OpencodeSetup:
    """opencode on this computer, and the file `generated` for it.

    `wanted`: the providers in that file, `unset`: the environment variables that it refers to and that are
    not set. `read`: the content of each file that opencode reads, by path, a later one over an earlier one; a
    text says why a file cannot be read.
    """

    installed: bool
    generated: str
    wanted: Mapping[str, Any]
    unset: tuple[str, ...]
    read: Mapping[str, Mapping[str, Any] | str]


TOO_SMALL = "F311"
"""The diagnostic of models that a client's own prompt fills."""
_STALE = {
    "missing": "is missing",
    "surplus": "is no longer generated",
    "edited": "was changed since the build",
    "changed": "would change",
}


def file_findings(checkout: Checkout) -> Iterator[DoctorFinding]:
    """Judge whether generated/ is complete, and up to date with fleet.yaml and fleet.lock."""
    check = checkout.check
    match check.status:
        case "stale":
            files = [f"{quote(file.path, MAX_PATH)} {_STALE[file.reason]}" for file in check.stale]
            what = f"is out of date: {join_words(files, limit=SHOWN)}"
            yield DoctorFinding("warning", "files", "generated/", what, "`fleet build`")
        case "invalid" | "incomplete_lock" | "failed":
            errors = (each.message for each in check.diagnostics if each.severity == "error")
            what = f"cannot be built: {check.error or next(errors, 'it is invalid')}"
            remedy = "`fleet validate`" if check.status == "invalid" else "`fleet build --check`"
            yield DoctorFinding("error", "files", "fleet.yaml", what, remedy)
    if checkout.fault is not None and check.status != "stale":
        what = f"cannot be served: {checkout.fault}"
        yield DoctorFinding("error", "files", "generated/", what, "`fleet build`")


def client_findings(checkout: Checkout) -> Iterator[DoctorFinding]:
    """Yield what the build says of models that a client cannot use."""
    for each in checkout.check.diagnostics:
        if each.code == TOO_SMALL:
            remedy = f"{each.help} (`fleet explain {TOO_SMALL}`)"
            yield DoctorFinding("warning", "opencode", "models", f"are {each.message}", remedy)


def key_findings(checkout: Checkout) -> Iterator[DoctorFinding]:
    """Find keys that a gateway which is started here would lack."""
    for where, reason in checkout.missing.items():
        what = f"is missing here: {reason_text(reason)}"
        yield DoctorFinding("warning", "files", where, what, reason_remedy(reason, ""))


def opencode_findings(opencode: OpencodeSetup) -> Iterator[DoctorFinding]:
    """Judge whether opencode is installed, and whether it has the generated providers as they are."""
    if not opencode.installed:
        remedy = "`npm install -g opencode-ai`, to use it on this computer"
        yield DoctorFinding("note", "opencode", "opencode", "is not on PATH", remedy)
        return
    for name in opencode.unset:
        what = f"refers to the environment variable '{name}', which is not set here"
        yield DoctorFinding("warning", "opencode", f"'{opencode.generated}'", what, f"`export {name}=…`")
    for path, content in opencode.read.items():
        if isinstance(content, str):
            remedy = "`opencode debug config` shows how opencode reads it"
            yield DoctorFinding("warning", "opencode", f"'{path}'", content, remedy)
    read = {path: content for path, content in opencode.read.items() if not isinstance(content, str)}
    held: dict[str, Any] = reduce(_merged, (content.get("provider") for content in read.values()), {})
    lacking = [name for name in opencode.wanted if name not in held]
    others = [
        name
        for name, provider in opencode.wanted.items()
        if name in held and not _covers(held[name], provider)
    ]
    files = join_words((quote(path, MAX_PATH) for path in read), limit=SHOWN)
    where = f"opencode (which reads {files or 'none of your files'})"
    remedy = _remedy(opencode.generated)
    if len(lacking) == len(opencode.wanted) and opencode.wanted:
        what = f"does not have the providers of '{opencode.generated}' when started without `fleet run`"
        yield DoctorFinding("note", "opencode", where, what, remedy)
    elif lacking or others:
        differ = [f"lacks {join_names(lacking, limit=SHOWN)}"] if lacking else []
        differ += [f"has {join_names(others, limit=SHOWN)} with other settings"] if others else []
        what = f"does not have the same providers as '{opencode.generated}': {' and '.join(differ)}"
        yield DoctorFinding("warning", "opencode", where, what, remedy)


def _remedy(generated: str) -> str:
    config = "" if generated == "generated/opencode.json" else f" --config {shell_quote(generated)}"
    return f'`fleet run{config} opencode`, or `eval "$(fleet env{config} opencode)"` first'


def _merged(under: Any, over: Any) -> Any:
    """Return both as opencode merges its files: objects member by member, anything else replaced."""
    if isinstance(under, dict) and isinstance(over, dict):
        return under | {key: _merged(under.get(key), value) for key, value in over.items()}
    return under if over is None else over


def _covers(held: Any, wanted: Any) -> bool:
    """Return whether `held` has everything that is `wanted`, whatever else it has."""
    if isinstance(held, dict) and isinstance(wanted, dict):
        return all(key in held and _covers(held[key], value) for key, value in wanted.items())
    return bool(held == wanted)
