"""Embeddings and rankings: made from a hash of the text, so that equal texts are equal."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from typing import Any

SIZE = 8


def embeddings(model: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's shape, in llama-server's order of keys."""
    given = payload.get("input", payload.get("content", ""))
    texts = given if isinstance(given, list) and not _is_tokens(given) else [given]
    encoded = payload.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        values = vector(str(text))
        entry: dict[str, Any] = {"embedding": values, "index": index, "object": "embedding"}
        if encoded:
            packed = struct.pack(f"<{len(values)}f", *values)
            entry["embedding"] = base64.b64encode(packed).decode()
            entry["encoding_format"] = "base64"
        data.append(entry)
    spent = sum(max(1, len(str(text).split())) for text in texts)
    return {
        "model": model,
        "object": "list",
        "usage": {"prompt_tokens": spent, "total_tokens": spent},
        "data": data,
    }


def ranking(model: str, payload: Mapping[str, Any]) -> Any:
    """Best first; `texts` instead of `documents` asks for the bare form of text-embeddings-inference."""
    bare = "documents" not in payload
    documents = payload.get("texts" if bare else "documents")
    documents = documents if isinstance(documents, list) else []
    query = vector(str(payload.get("query", "")))
    scores = [sum(a * b for a, b in zip(query, vector(str(text)), strict=True)) for text in documents]
    order = sorted(range(len(documents)), key=lambda index: -scores[index])
    if bare:
        text = {index: {"text": documents[index]} if payload.get("return_text") else {} for index in order}
        return [{"index": index, "score": scores[index], **text[index]} for index in order]
    top = payload.get("top_n")
    spent = sum(max(1, len(str(text).split())) for text in documents)
    return {
        "model": model,
        "object": "list",
        "usage": {"prompt_tokens": spent, "total_tokens": spent},
        "results": [
            {"index": index, "relevance_score": scores[index]}
            for index in order[: top if isinstance(top, int) else None]
        ],
    }


def vector(text: str) -> list[float]:
    """A unit vector of SIZE numbers."""
    raw = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    values = [byte / 255 - 0.5 for byte in raw[:SIZE]]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _is_tokens(given: list[Any]) -> bool:
    return bool(given) and all(isinstance(item, int) for item in given)
