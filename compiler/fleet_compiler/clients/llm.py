"""The model files of llm (0.36): ``extra-openai-models.yaml`` and the default model.

llm also keeps logs and keys in that folder, so it is started with a private one that has a copy of these
files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import parse_yaml
from fleet_compiler.clients.view import ClientView, OfferedModel

DEFAULT_MODEL = "default_model.txt"


def models(view: ClientView) -> Mapping[str, Any]:
    return {"models": [_model(model, view) for model in view.offered()]}


def default_model(view: ClientView) -> Mapping[str, Any]:
    offered = view.offered()
    chosen = view.choose(offered, "default") or next(iter(offered), None)
    return {"model": chosen.id if chosen is not None else ""}


def launch(_: Path, content: bytes) -> Launch:
    """Set ``$OPENAI_API_KEY``, which llm uses for models without a stored key, and ``$OPENAI_BASE_URL``,
    because llm always lists OpenAI's own models too: requests for them go to the gateway."""
    written = parse_yaml(content.decode())
    if not written:
        raise ValueError("there is no model")
    keys = sorted({model["api_key_name"] for model in written if "api_key_name" in model})
    (url,) = {model["api_base"] for model in written}
    return Launch(
        {"OPENAI_BASE_URL": url},
        references={"OPENAI_API_KEY": keys[0]} if keys else {},
        keys=tuple(keys),
        urls=(url,),
        home="LLM_USER_PATH",
    )


def _model(model: OfferedModel, view: ClientView) -> dict[str, Any]:
    written: dict[str, Any] = {"model_id": model.id, "model_name": model.id, "api_base": view.base_url}
    if view.key_variable is not None:
        written["api_key_name"] = view.key_variable
    if model.facts.tools is not False:
        written["supports_tools"] = True
    written["supports_schema"] = True
    if model.facts.input is not None and "image" in model.facts.input:
        written["vision"] = True
    return written


CLIENT = Client(
    name="llm",
    files=(
        ClientFile("extra-openai-models.yaml", "llm.models.yaml.j2", models, parse_yaml),
        ClientFile(DEFAULT_MODEL, "llm.default_model.txt.j2", default_model, str),
    ),
    program="llm",
    install="`pip install llm`",
    launch=launch,
    about="[llm](clients.md#llm): every chat model under its id, and the default one.",
)
