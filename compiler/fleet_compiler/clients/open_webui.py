"""The variables of Open WebUI (0.12), for its process or its container.

Without ``ENABLE_PERSISTENT_CONFIG=false`` they would apply only at the first start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import env_holds, env_launch, env_quoted, parse_env
from fleet_compiler.clients.view import ClientView

ANY_KEY = "fleet"


def holds(id: str) -> bool:
    """``DEFAULT_MODELS`` is a list with commas."""
    return env_holds(id) and "," not in id


def context(view: ClientView) -> Mapping[str, Any]:
    chats = view.offered(holds=holds)
    vectors = view.offered(purpose="embedding", holds=holds)
    main, task = view.choose(chats, "default"), view.choose(chats, "task", "fast")
    embedding = view.choose(vectors, "embedding")
    rerank = view.choose(view.offered(purpose="rerank", holds=holds), "rerank")
    plain = {
        "OPENAI_API_BASE_URLS": view.base_url,
        "ENABLE_OLLAMA_API": "false",
        "ENABLE_PERSISTENT_CONFIG": "false",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ANONYMIZED_TELEMETRY": "false",
        "SCARF_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "true",
    }
    keys = ["OPENAI_API_KEYS"]
    plain |= {"DEFAULT_MODELS": main.id} if main is not None else {}
    plain |= {"TASK_MODEL_EXTERNAL": task.id} if task is not None else {}
    if embedding is not None:
        keys.append("RAG_OPENAI_API_KEY")
        plain |= {
            "RAG_EMBEDDING_ENGINE": "openai",
            "RAG_OPENAI_API_BASE_URL": view.base_url,
            "RAG_EMBEDDING_MODEL": embedding.id,
        }
    if rerank is not None:
        keys.append("RAG_EXTERNAL_RERANKER_API_KEY")
        plain |= {
            "RAG_RERANKING_ENGINE": "external",
            "RAG_EXTERNAL_RERANKER_URL": f"{view.base_url}/rerank",
            "RAG_RERANKING_MODEL": rerank.id,
        }
    plain = {name: env_quoted(value) for name, value in plain.items()}
    return {"plain": plain, "keys": keys, "key_variable": view.key_variable, "any_key": ANY_KEY}


def launch(_: Path, content: bytes) -> Launch:
    return replace(env_launch(content, "OPENAI_API_BASE_URLS"), subcommand="serve")


CLIENT = Client(
    name="open-webui",
    files=(ClientFile("open-webui.env", "open-webui.env.j2", context, parse_env),),
    program="open-webui",
    install="`pip install open-webui`",
    launch=launch,
    holds=holds,
    about="[Open WebUI](clients.md#open-webui): variables with models for chat, tasks and documents.",
)
