"""The configuration of Continue, as read by its command line (1.5) and its editor extensions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import parse_yaml
from fleet_compiler.clients.view import NO_PROMPT, ClientView, OfferedModel, OwnPrompt
from fleet_runtime.artifacts.contract import Purpose

PROMPT = OwnPrompt(2500, room=3500)
"""The first request of Continue's command line 1.5.47 in an empty folder: 6 to 10 KB."""
_TEMPLATE = "${{"
"""Matches what Continue replaces with a secret in every text of its configuration; it has no escape."""
_SECRET = re.compile(r"\$\{\{ secrets\.(\w+) \}\}")


def context(view: ClientView) -> Mapping[str, Any]:
    """Return the data for the template: Continue starts with the first model with the role `chat`."""
    offered = _offered(view)
    first, fast = view.choose(offered, "default"), view.choose(offered, "fast")
    models = [
        _model(model, view, ["chat", "edit", "apply", *(["autocomplete"] if model is fast else [])])
        for model in sorted(offered, key=lambda model: model is not first)
    ]
    models += [_model(model, view, ["embed"]) for model in _offered(view, "embedding")]
    models += [_model(model, view, ["rerank"]) for model in _offered(view, "rerank")]
    return {"models": models}


def launch(config: Path, content: bytes) -> Launch:
    models = parse_yaml(content.decode())["models"]
    (url,) = {model["apiBase"] for model in models}
    keys = {name for model in models for name in _SECRET.findall(model.get("apiKey", ""))}
    off = {"CONTINUE_METRICS_ENABLED": "0", "CONTINUE_CLI_ENABLE_TELEMETRY": "0"}
    return Launch(
        {**off, "CONTINUE_CLI_AUTO_UPDATED": "true"},
        arguments=("--config", str(config.resolve())),
        keys=tuple(sorted(keys)),
        urls=(url,),
    )


def _offered(view: ClientView, purpose: Purpose = "chat") -> tuple[OfferedModel, ...]:
    return view.offered(PROMPT if purpose == "chat" else NO_PROMPT, purpose, holds)


def holds(id: str) -> bool:
    """Continue would fill the id with a secret."""
    return _TEMPLATE not in id


def _model(model: OfferedModel, view: ClientView, roles: list[str]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "name": model.label.replace(_TEMPLATE, "$ {{"),
        "provider": "openai",
        "model": model.id,
        "apiBase": view.base_url,
    }
    if view.key_variable is not None:
        written["apiKey"] = f"${{{{ secrets.{view.key_variable} }}}}"
    written["roles"] = roles
    if "chat" in roles:
        images = ["image_input"] if "image" in (model.facts.input or ()) else []
        written["capabilities"] = [*(["tool_use"] if model.facts.tools is not False else []), *images]
    if model.context is not None:
        limits = {"contextLength": model.context, "maxTokens": model.output}
        written["defaultCompletionOptions"] = limits
    return written


CLIENT = Client(
    name="continue",
    files=(ClientFile("continue.yaml", "continue.yaml.j2", context, parse_yaml),),
    program="cn",
    install="`npm install -g @continuedev/cli`",
    launch=launch,
    about="[Continue](clients.md#continue): models for chat, completion, embeddings and ranking.",
    prompt=PROMPT,
    holds=holds,
)
