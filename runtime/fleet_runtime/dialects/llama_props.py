"""llama-server's ``/props``, which servers that run several of them forward (recorded from llama.cpp commit
0c1e570)."""

from __future__ import annotations

from typing import Any

from fleet_runtime.artifacts.contract import InputKind, ModelFacts
from fleet_runtime.dialects.fields import context, mapping, tokens
from fleet_runtime.dialects.messages import ProbeResponse
from fleet_runtime.dialects.model_list_response import Item, decoded


def properties(response: ProbeResponse) -> Item:
    """Return the object in a response; an empty one if there is none."""
    return mapping(decoded(response))


def running_facts(response: ProbeResponse) -> ModelFacts:
    """Return what the properties of one running model say: its context, input kinds, tools and reasoning."""
    props = properties(response)
    return ModelFacts(**abilities(props), **context("running", running_context(props)))


def running_context(props: Item) -> int | None:
    """Return the context of one slot, which is what a request may use."""
    return tokens(mapping(props.get("default_generation_settings")).get("n_ctx"))


def abilities(props: Item) -> dict[str, Any]:
    """Return input kinds, tools and reasoning as far as the properties say them, as fields of ModelFacts."""
    facts: dict[str, Any] = {}
    modalities = props.get("modalities")
    if isinstance(modalities, dict):
        also: tuple[InputKind, ...] = ("image", "audio", "video")
        named = {"image": "vision", "audio": "audio", "video": "video"}
        facts["input"] = ("text", *(kind for kind in also if modalities.get(named[kind]) is True))
    template = mapping(props.get("chat_template_caps"))
    if isinstance(template.get("supports_tools"), bool):
        facts["tools"] = template["supports_tools"]
    if template.get("supports_reasoning_effort") is True:
        facts["reasoning"] = True
    return facts
