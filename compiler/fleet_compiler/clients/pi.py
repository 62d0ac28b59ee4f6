"""The models of pi (0.73): ``models.json`` of the folder in ``$PI_CODING_AGENT_DIR``.

pi keeps sessions and logins in that folder, so it is started with a private one. It starts with the first
model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt

ANY_KEY = "fleet"
"""pi requires a key; a gateway without keys accepts any. A text that names no variable is the key itself."""
PROMPT = OwnPrompt(1400, room=2000)
"""The first request of pi 0.73.1 in an empty folder: 5.7 KB."""
PROVIDER = "fleet"


def context(view: ClientView) -> Mapping[str, Any]:
    offered = view.offered(PROMPT)
    first = view.choose(offered, "default")
    ordered = sorted(offered, key=lambda model: model is not first)
    return {
        "base_url": view.base_url,
        "api_key": view.key_variable or ANY_KEY,
        "models": [_model(model) for model in ordered],
    }


def launch(_: Path, content: bytes) -> Launch:
    provider = json.loads(content)["providers"][PROVIDER]
    first, key = provider["models"][0]["id"], provider["apiKey"]
    return Launch(
        {"PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"},
        arguments=("--provider", PROVIDER, "--model", first),
        keys=(key,) if key != ANY_KEY else (),
        urls=(provider["baseUrl"],),
        home="PI_CODING_AGENT_DIR",
    )


def _model(model: OfferedModel) -> dict[str, Any]:
    kinds = [kind for kind in model.facts.input or ("text",) if kind in ("text", "image")]
    written: dict[str, Any] = {
        "id": model.id,
        "name": model.label,
        "reasoning": model.facts.reasoning is True,
        "input": kinds or ["text"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
    }
    limits = {"contextWindow": model.context, "maxTokens": model.output}
    return written | ({} if model.context is None else limits)


CLIENT = Client(
    name="pi",
    files=(ClientFile("models.json", "pi.json.j2", context),),
    program="pi",
    install="`npm install -g @mariozechner/pi-coding-agent`",
    launch=launch,
    about="[pi](clients.md#pi): every chat model, with the smallest prompt of all agents here.",
    prompt=PROMPT,
    foldered=True,
)
