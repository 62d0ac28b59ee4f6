"""The servers that can be simulated: one module each; for other dialects, a server made from their marks."""

from __future__ import annotations

from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.simulator.kinds import (
    cloud,
    llama_router,
    llama_server,
    llama_swap,
    lmstudio,
    ollama,
    vllm,
)
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.spec import SimulatedKind

PRODUCTS: dict[SimulatedKind, Product] = {
    **{kind: cloud.marked(dialect.marks) for kind, dialect in KINDS.items() if dialect.marks},
    "llama-swap": llama_swap.PRODUCT,
    "llama-server": llama_server.PRODUCT,
    "llama-server-router": llama_router.PRODUCT,
    "cloud": cloud.PRODUCT,
    "ollama": ollama.PRODUCT,
    "vllm": vllm.PRODUCT,
    "lmstudio": lmstudio.PRODUCT,
}
