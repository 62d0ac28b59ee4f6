"""The configuration of Continue, as its command line (1.5) and its extensions of editors read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import parse_yaml
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt

PROMPT = OwnPrompt(2500, room=3500)
"""The first request of Continue's command line 1.5.47 in an empty folder: 6 to 10 KB."""
_SECRET = re.compile(r"\$\{\{ secrets\.(\w+) \}\}")


def context(view: ClientView) -> Mapping[str, Any]:
    """The first model with the role `chat` is the one that Continue begins with."""
    offered = view.offered(PROMPT)
    first, fast = view.choose(offered, "default"), view.choose(offered, "fast")
    models = [
        _model(model, view, ["chat", "edit", "apply", *(["autocomplete"] if model is fast else [])])
        for model in sorted(offered, key=lambda model: model is not first)
    ]
    models += [_model(model, view, ["embed"]) for model in view.offered(purpose="embedding")]
    models += [_model(model, view, ["rerank"]) for model in view.offered(purpose="rerank")]
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


def _model(model: OfferedModel, view: ClientView, roles: list[str]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "name": model.label,
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
)
