"""Read the memory that a server reports: loaded models, GPUs, RAM. Pure.

Nothing is measured, and no request loads a model or keeps one loaded. Unknown values are None. Sizes are
bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fleet_runtime.dialects.bounds import MAX_NAME, MAX_TOKENS

MAX_GPUS: Final = 32
_SAMPLE: Final = re.compile(
    rb"^llamaswap_(?P<name>memory_(?:total|used)_bytes|gpu_(?:memory_(?:total|used)_bytes|util_percent))"
    rb"(?:\{(?P<labels>[^}\n]{0,400})\})? (?P<value>[0-9.e+]{1,24})\s*$",
    re.MULTILINE,
)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """One loaded model: `size` in total, `vram` the part on GPUs. `expires_at` is when it unloads if no
    request uses it (RFC 3339, as the server says it), `ttl` after how many idle seconds."""

    size: int | None = None
    vram: int | None = None
    expires_at: str | None = None
    ttl: int | None = None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    total: int | None = None
    used: int | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """`max_loaded`: how many models the server has in memory at a time, by its own word. `no_gauges`: it says
    nothing of its RAM and GPUs, and need not be requested for them again."""

    models: Mapping[str, ModelMemory] = field(default_factory=dict)
    max_loaded: int | None = None
    ram_total: int | None = None
    ram_used: int | None = None
    gpus: tuple[Gpu, ...] = ()
    no_gauges: bool = False


def size(value: Any) -> int | None:
    """Return a number of bytes or of seconds; None for anything else."""
    return value if type(value) is int and 0 < value <= MAX_TOKENS else None


def moment(value: Any) -> str | None:
    """Return a time as a server writes it; None for what is none, and for "never" (the year 1 or 2318)."""
    known = isinstance(value, str) and re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", value)
    return value[:MAX_NAME] if known else None


def read_gauges(text: bytes) -> dict[str, Any]:
    """Return RAM and GPUs from llama-swap's ``/metrics`` as fields of `ServerMemory`."""
    fields: dict[str, Any] = {}
    gpus: dict[str, dict[str, Any]] = {}
    for sample in _SAMPLE.finditer(text):
        name, value = sample["name"].decode(), _number(sample["value"])
        if value is None:
            continue
        if name.startswith("memory_"):
            fields["ram_total" if "total" in name else "ram_used"] = int(value)
        else:
            labels = dict(_LABEL.findall((sample["labels"] or b"").decode("utf-8", "replace")))
            gpu = gpus.setdefault(labels.get("id", ""), {"name": labels.get("name", "GPU")[:MAX_NAME]})
            key = "percent" if "util" in name else "total" if "total" in name else "used"
            gpu[key] = value if key == "percent" else int(value)
    fields["gpus"] = tuple(_gpus(gpus.values()))
    return fields


def _gpus(found: Iterable[dict[str, Any]]) -> list[Gpu]:
    return [Gpu(**gpu) for gpu in found if gpu["name"].isprintable()][:MAX_GPUS]


def _number(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= MAX_TOKENS else None
