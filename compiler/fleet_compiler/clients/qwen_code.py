"""The settings of qwen-code (0.15), at ``$QWEN_CODE_SYSTEM_SETTINGS_PATH``; they override the user's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt

ANY_KEY = "fleet"
"""qwen-code requires a variable with a key; a gateway without keys accepts any."""
NO_KEY_VARIABLE = "FLEET_NO_KEY"
ROUNDS = 0
"""The number of times that qwen-code repeats its seven requests after a 503, which it treats as a rate limit.
Its default is ten, with pauses of one to five minutes: it would report an offline provider after an hour."""
PROMPT = OwnPrompt(19000, room=23000)
"""The first request of qwen-code 0.15.10 in an empty folder: 67 to 78 KB."""

_VARIABLE = re.compile(r"\$(?=\w|\{)", re.ASCII)
"""What qwen-code replaces with a variable of its environment in every text of its settings, if there is one;
it has no escape."""


def holds(id: str) -> bool:
    return _VARIABLE.search(id) is None


def context(view: ClientView) -> Mapping[str, Any]:
    offered = view.offered(PROMPT, holds=holds)
    main = view.choose(offered, "default") or next(iter(offered), None)
    return {
        "model": main.id if main is not None else None,
        "models": [_model(model, view) for model in offered],
    }


def launch(config: Path, content: bytes) -> Launch:
    models = json.loads(content)["modelProviders"]["openai"]
    (key,), (url,) = ({model[field] for model in models} for field in ("envKey", "baseUrl"))
    environment = {"QWEN_CODE_SYSTEM_SETTINGS_PATH": str(config.resolve())}
    if key == NO_KEY_VARIABLE:
        return Launch(environment | {key: ANY_KEY}, urls=(url,))
    return Launch(environment, keys=(key,), urls=(url,))


def _model(model: OfferedModel, view: ClientView) -> dict[str, Any]:
    generation: dict[str, Any] = {"maxRetries": ROUNDS}
    if model.context is not None:
        generation |= {"contextWindowSize": model.context, "samplingParams": {"max_tokens": model.output}}
    return {
        "id": model.id,
        "name": _VARIABLE.sub("$ ", model.label),
        "baseUrl": view.base_url,
        "envKey": view.key_variable or NO_KEY_VARIABLE,
        "generationConfig": generation,
    }


CLIENT = Client(
    name="qwen-code",
    files=(ClientFile("qwen.json", "qwen-code.json.j2", context),),
    program="qwen",
    install="`npm install -g @qwen-code/qwen-code`",
    launch=launch,
    about="[qwen-code](clients.md#qwen-code): every chat model with its context.",
    prompt=PROMPT,
    holds=holds,
)
