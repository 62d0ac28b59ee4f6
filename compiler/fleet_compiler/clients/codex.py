"""Codex's configuration (0.169): a profile, and a catalog of the models.

Codex is started with the profile as ``-c`` flags, so that the user's own Codex folder is not changed. It
supports only OpenAI's Responses API. Every model in a catalog must contain Codex's own instructions:
`complete` reads them from the installed program.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import parse_toml, toml_value
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt

PROMPT = OwnPrompt(9800, room=12000)
"""The first request of Codex 0.169.0 in an empty folder, 40 KB."""
CATALOG = "codex-models.json"
PROVIDER = "fleet"


def profile(view: ClientView) -> Mapping[str, Any]:
    chosen = view.choose(view.offered(PROMPT), "default")
    settings: dict[str, Any] = {"model": chosen.id} if chosen is not None else {}
    settings["model_provider"] = PROVIDER
    if chosen is not None and chosen.context is not None:
        settings["model_context_window"] = chosen.context
    settings |= {"web_search": "disabled", "check_for_update_on_startup": False}
    provider: dict[str, Any] = {"name": PROVIDER, "base_url": view.base_url, "wire_api": "responses"}
    provider |= {"env_key": view.key_variable} if view.key_variable is not None else {}
    provider |= {"request_max_retries": 1, "stream_max_retries": 1}
    return {"settings": _lines(settings), "provider": _lines(provider)}


def catalog(view: ClientView) -> Mapping[str, Any]:
    models = view.offered(PROMPT)
    return {"models": [_model(model, place) for place, model in enumerate(models, start=1)]}


def complete(bundled: bytes, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give the models of the catalog Codex's own instructions, from what ``codex debug models`` prints.

    The instructions are those of its first model with separate tools, like the generated models. Without any,
    no catalog is written, and Codex uses its instructions for unknown models.
    """
    known = json.loads(bundled)["models"]
    plain = [each["base_instructions"] for each in known if not each.get("tool_mode")]
    if not plain:
        return {name: content for name, content in files.items() if name != CATALOG}
    written = json.loads(files[CATALOG])
    for model in written["models"]:
        model["base_instructions"] = plain[0]
    return {**files, CATALOG: json.dumps(written).encode()}


def launch(config: Path, content: bytes) -> Launch:
    """Return the profile as flags; the catalog only with the instructions that `complete` adds."""
    settings = tomllib.loads(content.decode())
    (provider,) = settings["model_providers"].values()
    catalog = config.parent / CATALOG
    if _is_complete(catalog):
        settings["model_catalog_json"] = str(catalog.resolve())
    flags = [part for key, value in _dotted(settings) for part in ("-c", f"{key}={toml_value(value)}")]
    key = provider.get("env_key")
    return Launch({}, arguments=tuple(flags), keys=(key,) if key else (), urls=(provider["base_url"],))


def _is_complete(catalog: Path) -> bool:
    try:
        models = json.loads(catalog.read_bytes())["models"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return bool(models) and all(model.get("base_instructions") for model in models)


def _dotted(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the settings by their dotted paths, each provider as one value."""
    found: list[tuple[str, Any]] = []
    for key, value in settings.items():
        nested = isinstance(value, dict)
        found += [(f"{key}.{name}", held) for name, held in value.items()] if nested else [(key, value)]
    return found


def _lines(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: toml_value(value) for key, value in settings.items()}


def _model(model: OfferedModel, priority: int) -> dict[str, Any]:
    """Return a model with every key that Codex requires; most have the values of Codex's fallback."""
    kinds = [kind for kind in model.facts.input or ("text",) if kind in ("text", "image")]
    written: dict[str, Any] = {
        "slug": model.id,
        "display_name": model.label,
        "description": "",
        "supported_reasoning_levels": [],
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "base_instructions": "",
        "support_verbosity": False,
        "truncation_policy": {"mode": "tokens", "limit": 10000},
        "supports_parallel_tool_calls": False,
        "experimental_supported_tools": [],
        "input_modalities": kinds or ["text"],
    }
    return written | ({"context_window": model.context} if model.context is not None else {})


CLIENT = Client(
    name="codex",
    files=(
        ClientFile("codex.toml", "codex.toml.j2", profile, parse_toml),
        ClientFile(CATALOG, "codex.models.json.j2", catalog),
    ),
    program="codex",
    install="`npm install -g @openai/codex`",
    launch=launch,
    about="[Codex](clients.md#codex): a profile, and a catalog of the models.",
    prompt=PROMPT,
    asks=("debug", "models"),
    complete=complete,
)
