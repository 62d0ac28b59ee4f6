"""llama-swap's model list in each of its versions, running models, and events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

from fleet_runtime.simulator.engine import Engine
from fleet_runtime.simulator.reply import compact
from fleet_runtime.simulator.spec import ListVersion, SimulatedModel

_STATES = {"loading": "starting", "loaded": "ready"}
_MODEL_BYTES: Final = 4 * 1024**3
"""What each loaded model takes of the simulated GPU."""


def listed(engine: Engine) -> dict[str, Any]:
    items = [_item(engine, model, version_of(engine)) for model in engine.listed]
    return {"data": sorted(items, key=lambda item: str(item["id"])), "object": "list"}


def version_of(engine: Engine) -> ListVersion:
    return engine.behaviour.list_version or engine.spec.list_version


def _item(engine: Engine, model: SimulatedModel, version: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "llama-swap",
    }
    if model.name is not None:
        item["name"] = model.name
    if version == "v1":
        return item
    if model.peer is not None:
        item["name"] = f"{model.peer}: {model.name or model.id}"
        item["meta"] = {"llamaswap": {"type": "peer", "peerID": model.peer}}
        item["status"] = {"value": "unloaded"}
        return item
    inputs = ["text", "image"] if model.vision else ["text"]
    outputs = {"speech": ["audio"], "image": ["image"]}.get(model.purpose, ["text"])
    item["architecture"] = {
        "input_modalities": inputs,
        "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
        "output_modalities": outputs,
    }
    item["capabilities"] = _capabilities(model)
    if "function_calling" in item["capabilities"]:
        item["supported_parameters"] = ["tools", "tool_choice"]
    item["context_length"] = model.context
    if version == "2026-07":
        item["status"] = _status(engine, model)
        return item
    if version == "v3":
        item["context_window"] = model.context
    kind: dict[str, Any] = {"type": "model"}
    if model.aliases:
        kind["aliases"] = list(model.aliases)
    item["meta"] = {"llamaswap": kind, "n_ctx": model.context}
    item["status"] = _status(engine, model)
    return item


def _capabilities(model: SimulatedModel) -> dict[str, bool]:
    able = {
        "audio_speech": model.purpose == "speech",
        "audio_transcriptions": model.purpose == "transcription",
        "function_calling": model.tools and model.purpose == "chat",
        "image_generation": model.purpose == "image",
        "reranker": model.purpose == "rerank",
        "vision": model.vision,
    }
    return {name: True for name, has in able.items() if has}


def _status(engine: Engine, model: SimulatedModel) -> dict[str, str]:
    """A model that is still loading is called loaded too."""
    return {"value": "unloaded" if engine.memory.state(model.id) == "unloaded" else "loaded"}


def running(engine: Engine) -> list[dict[str, Any]]:
    return [
        {
            "model": model.id,
            "state": _STATES[engine.memory.occupied[model.id]],
            "cmd": f"llama-server --port 5800 -m /models/{model.id}.gguf --api-key canary-in-cmd",
            "proxy": "http://localhost:5800",
            "ttl": int(model.ttl),
            "name": model.name or "",
            "description": "",
        }
        for model in sorted(engine.spec.models, key=lambda model: model.id)
        if model.id in engine.memory.occupied
    ]


async def events(engine: Engine) -> AsyncGenerator[bytes, None]:
    """Server-sent events, the state of all models at each change of one; each value is JSON in JSON."""

    def event(kind: str, data: Any) -> bytes:
        inner = compact(data).decode()
        return b"event:message\ndata:" + compact({"type": kind, "data": inner}) + b"\n\n"

    recent = version_of(engine) in ("v2", "v3")

    def state(model: SimulatedModel) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": model.id,
            "name": model.name or "",
            "description": "",
            "state": _STATES.get(engine.memory.state(model.id), "stopped"),
            "unlisted": not model.listed,
            "peerID": model.peer or "",
        }
        known: dict[str, Any] = {"aliases": list(model.aliases), "capabilities": _capabilities(model)}
        if recent:
            known["context_length"] = model.context
        return told | {key: value for key, value in known.items() if value}

    def states() -> list[dict[str, Any]]:
        return [state(model) for model in engine.spec.models]

    def differ(before: list[dict[str, Any]]) -> bool:
        return states() != before

    yield event("logData", {"source": "proxy", "data": ""})
    yield event("logData", {"source": "upstream", "data": ""})
    told = states()
    yield event("modelStatus", told)
    if recent:
        yield event("uiConfig", {"activity": {"session_id": ["X-Session-ID", "X-Litellm-Session-Id"]}})
        yield event("profileChanged", {"active": None})
    yield event("inflight", {"operation": "snapshot", "requests": []} if recent else {"requests": []})
    while True:
        await engine.changes.until(partial(differ, told))
        told = states()
        yield event("modelStatus", told)


def gauges(engine: Engine, vram: int) -> bytes:
    """RAM, and a GPU with `vram` bytes of which each loaded model takes the same part."""
    used = min(vram, _MODEL_BYTES * len(engine.memory.occupied))
    gpu = '{id="0",name="Simulated GPU",uuid="GPU-0"}'
    samples = {
        "memory_total_bytes": ("Total memory in bytes", "", 64 * 1024**3),
        "memory_used_bytes": ("Used memory in bytes", "", 12 * 1024**3),
        "gpu_memory_used_bytes": ("GPU memory used in bytes", gpu, used),
        "gpu_memory_total_bytes": ("GPU memory total in bytes", gpu, vram),
    }
    lines: list[str] = []
    for name, (meaning, labels, value) in samples.items():
        metric = f"llamaswap_{name}"
        lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} gauge", f"{metric}{labels} {value}"]
    return "".join(f"{line}\n" for line in lines).encode()
