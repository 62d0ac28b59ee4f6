"""The servers that can be simulated, one module each."""

from __future__ import annotations

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
    "llama-swap": llama_swap.PRODUCT,
    "llama-server": llama_server.PRODUCT,
    "llama-server-router": llama_router.PRODUCT,
    "cloud": cloud.PRODUCT,
    "ollama": ollama.PRODUCT,
    "vllm": vllm.PRODUCT,
    "lmstudio": lmstudio.PRODUCT,
}
