"""The registry of dialects: one module each (`make new-dialect NAME=…` adds one)."""

from __future__ import annotations

from collections.abc import Mapping

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects import llama_server, llama_swap, lmstudio, ollama, openai, vllm
from fleet_runtime.dialects.dialect import Dialect

KINDS: Mapping[ProviderKind, Dialect] = {
    module.DIALECT.kind: module.DIALECT
    for module in (llama_swap, llama_server, ollama, vllm, lmstudio, openai)
}
