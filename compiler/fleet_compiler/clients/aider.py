"""aider's configuration, as read by aider 0.86.

Every id has the prefix ``openai/``: without it, litellm sends ``deepseek/deepseek-chat`` to DeepSeek. aider
reads its key only from the environment, so the file has the reference in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientOptions, Launch
from fleet_compiler.clients.formats import parse_yaml
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt

ANY_KEY = "fleet"
"""litellm does not start without a key; a gateway without keys accepts any."""
PROMPT = OwnPrompt(2600, room=4000)
"""The first request of aider 0.86.2 in an empty folder, 9 to 11 KB by edit format."""
METADATA, SETTINGS = "aider.model.metadata.json", "aider.model.settings.yml"
_KEY_LINE = re.compile(r"^# OPENAI_API_KEY=\$\{(\w+)\}$", re.MULTILINE)


class Options(ClientOptions):
    edit_format: Literal["whole", "diff", "diff-fenced", "udiff"] | None = Field(None, examples=["diff"])
    """The format in which models write changes. Default: aider's own choice, `whole`."""
    repo_map: bool = Field(True, examples=[False])
    """Whether models get an outline of the repository."""


def configuration(view: ClientView) -> Mapping[str, Any]:
    offered = view.offered(PROMPT)
    main, weak = view.choose(offered, "default"), view.choose(offered, "task", "fast", "default")
    return {
        "base_url": view.base_url,
        "key_variable": view.key_variable,
        "model": _name(main),
        "weak_model": _name(weak),
    }


def metadata(view: ClientView) -> Mapping[str, Any]:
    return {"models": {_name(model): _facts(model) for model in view.offered(PROMPT)}}


def settings(view: ClientView) -> Mapping[str, Any]:
    offered = view.offered(PROMPT)
    weak = _name(view.choose(offered, "task", "fast", "default"))
    shared: dict[str, Any] = {"use_repo_map": view.options.repo_map}
    shared |= {"weak_model_name": weak} if weak else {}
    shared |= {"edit_format": view.options.edit_format} if view.options.edit_format else {}
    return {"models": [{"name": _name(model), **shared} for model in offered]}


def launch(config: Path, content: bytes) -> Launch:
    """aider gets its files by flags; the user's own ``.aider.conf.yml`` is then not read."""
    text = content.decode()
    url = parse_yaml(text)["openai-api-base"]
    key = _KEY_LINE.search(text)
    flags = {
        "--config": config,
        "--model-metadata-file": config.parent / METADATA,
        "--model-settings-file": config.parent / SETTINGS,
    }
    return Launch(
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True"} | ({"OPENAI_API_KEY": ANY_KEY} if key is None else {}),
        references={"OPENAI_API_KEY": key[1]} if key else {},
        arguments=tuple(part for flag, path in flags.items() for part in (flag, str(path.resolve()))),
        keys=(key[1],) if key else (),
        urls=(url,),
    )


def _name(model: OfferedModel | None) -> str:
    return f"openai/{model.id}" if model is not None else ""


def _facts(model: OfferedModel) -> dict[str, Any]:
    facts: dict[str, Any] = {"litellm_provider": "openai", "mode": "chat"}
    if model.context is not None:
        facts |= {"max_input_tokens": model.context, "max_output_tokens": model.output}
    if model.facts.input is not None:
        facts["supports_vision"] = "image" in model.facts.input
    return facts


CLIENT = Client(
    name="aider",
    files=(
        ClientFile("aider.conf.yml", "aider.conf.yml.j2", configuration, parse_yaml),
        ClientFile(METADATA, "aider.metadata.json.j2", metadata),
        ClientFile(SETTINGS, "aider.settings.yml.j2", settings, parse_yaml),
    ),
    program="aider",
    install="`pip install aider-chat`",
    launch=launch,
    about="[aider](clients.md#aider): main and weak model, the limits and settings of every model.",
    options=Options,
    prompt=PROMPT,
)
