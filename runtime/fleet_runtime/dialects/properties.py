"""llama-server's ``/props``, which a machine that runs several of them passes on (llama.cpp, 2026-11)."""

from __future__ import annotations

from typing import Any

from fleet_runtime.artifacts.contract import InputKind
from fleet_runtime.dialects.listing import Item, decoded, mapping, tokens
from fleet_runtime.dialects.observation import ProbeResponse


def properties(answer: ProbeResponse) -> Item:
    """Its object; an empty one where there is none."""
    return mapping(decoded(answer))


def running_context(answer: ProbeResponse) -> int | None:
    """The context of one slot, which is what a request may use."""
    return tokens(mapping(properties(answer).get("default_generation_settings")).get("n_ctx"))


def abilities(props: Item) -> dict[str, Any]:
    """Input kinds, tools and reasoning as far as the properties say them, as fields of ModelFacts."""
    facts: dict[str, Any] = {}
    modalities = props.get("modalities")
    if isinstance(modalities, dict):
        kinds: list[InputKind] = ["text"]
        if modalities.get("vision") is True:
            kinds.append("image")
        if modalities.get("audio") is True:
            kinds.append("audio")
        if modalities.get("video") is True:
            kinds.append("video")
        facts["input"] = tuple(kinds)
    template = mapping(props.get("chat_template_caps"))
    if isinstance(template.get("supports_tools"), bool):
        facts["tools"] = template["supports_tools"]
    if template.get("supports_reasoning_effort") is True:
        facts["reasoning"] = True
    return facts
