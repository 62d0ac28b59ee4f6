"""The common engine of simulated servers: loaded models that respond at a configured pace."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from typing import Any

from fleet_runtime.simulator.changes import Changes
from fleet_runtime.simulator.gate import Gate
from fleet_runtime.simulator.generation import Generation, generate, prompt_tokens, tokens
from fleet_runtime.simulator.malformed import malform
from fleet_runtime.simulator.memory import Memory
from fleet_runtime.simulator.reply import EVENTS, Reply, json_reply
from fleet_runtime.simulator.shapes import chat, dialogue, vectors
from fleet_runtime.simulator.spec import Behaviour, ServerSpec, SimulatedModel
from fleet_runtime.simulator.wire import Request

OPENAI_PATHS = {
    f"/v1/{endpoint}": endpoint
    for endpoint in (
        "chat/completions",
        "completions",
        "responses",
        "embeddings",
        "rerank",
        "reranking",
        "messages",
        "messages/count_tokens",
        "audio/transcriptions",
        "audio/translations",
        "audio/speech",
        "images/generations",
        "images/edits",
        "images/variations",
    )
}
LLAMA_CPP_PATHS = {
    f"/{endpoint}": endpoint
    for endpoint in (
        "chat/completions",
        "completions",
        "embeddings",
        "rerank",
        "reranking",
        "infill",
        "completion",
        "tokenize",
        "detokenize",
        "apply-template",
    )
}
INFERENCE_PATHS = OPENAI_PATHS | LLAMA_CPP_PATHS


@dataclass(slots=True)
class Record:
    """One recorded request, and how its response ended: ``complete``, ``client_gone``, ``dropped`` (by the
    server), or null while it runs. `model` is the requested model."""

    number: int
    server: str
    request: Request
    sidecar: bool
    time: float
    model: str | None = None
    ended: str | None = None

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def json(self) -> Any:
        """The body, decoded; raises ValueError."""
        return json.loads(self.request.body)

    @property
    def inference(self) -> bool:
        return self.request.method == "POST" and self.endpoint is not None

    @property
    def endpoint(self) -> str | None:
        path = self.request.path
        if path.startswith("/upstream/"):
            return next((name for tail, name in INFERENCE_PATHS.items() if path.endswith(tail)), None)
        return INFERENCE_PATHS.get(path)

    def header(self, name: str) -> str | None:
        return self.request.header(name)


@dataclass(slots=True)
class ActiveRequest:
    """A running request: what it keeps busy, and how to abort it."""

    request: Request
    record: Record
    stack: AsyncExitStack
    cut: Callable[[], None]


class TooBusyError(Exception):
    """The server is at its limit of concurrent requests."""


class TooLongError(Exception):
    """The prompt does not fit into the context."""

    def __init__(self, prompt: int, context: int) -> None:
        self.prompt = prompt
        self.context = context
        super().__init__(
            f"request ({prompt} tokens) exceeds the available context size ({context} tokens), "
            "try increasing it"
        )


class Engine:
    """The models of one server. `by_name` finds a model by its id or an alias."""

    def __init__(
        self, spec: ServerSpec, behaviour: Behaviour, capacity: int, resident: bool, changes: Changes
    ) -> None:
        self.spec = spec
        self.behaviour = behaviour
        self.gate = Gate(changes)
        self.loading_gate = Gate(changes)
        self.changes = changes
        self.memory = Memory(spec.models, spec.max_loaded or capacity, self._load, changes)
        self.resident = resident
        self._parallel: Counter[str] = Counter()
        self._numbers = 0
        self.by_name: dict[str, SimulatedModel] = {}
        for model in spec.models:
            for name in (*model.aliases, model.id):
                self.by_name[name] = model

    @property
    def listed(self) -> list[SimulatedModel]:
        return [model for model in self.spec.models if model.listed]

    def state(self, model: SimulatedModel) -> str:
        return "loaded" if self.resident else self.memory.state(model.id)

    async def enter(self, active: ActiveRequest, model: SimulatedModel, *, load: bool = True) -> None:
        """Count the request for `model`, and keep the model loaded until the request ends.

        Raises TooBusyError or memory.LoadFailedError.
        """
        active.record.model = model.id
        limit = self.behaviour.max_parallel
        if limit is not None and self._parallel[model.id] >= limit:
            raise TooBusyError
        self._parallel[model.id] += 1
        active.stack.callback(self._parallel.subtract, [model.id])
        if load and not self.resident:
            await active.stack.enter_async_context(self.memory.use(model, active.cut))

    async def respond(
        self,
        active: ActiveRequest,
        endpoint: str,
        model: SimulatedModel,
        payload: dict[str, Any],
        *,
        llama_cpp: bool,
    ) -> Reply:
        """Return the model's response, as llama-server (`llama_cpp`) or most others write it; raises
        TooLongError."""
        match endpoint:
            case "embeddings":
                return json_reply(vectors.embeddings(model.id, payload))
            case "rerank" | "reranking":
                return json_reply(vectors.ranking(model.id, payload))
            case "messages/count_tokens":
                return json_reply({"input_tokens": prompt_tokens(payload)})
            case "tokenize":
                words = tokens(str(payload.get("content", "")))
                return json_reply({"tokens": [len(word) for word in words]})
            case "detokenize":
                given = payload.get("tokens")
                return json_reply({"content": " ".join(map(str, given if isinstance(given, list) else []))})
            case "apply-template":
                return json_reply({"prompt": json.dumps(payload.get("messages"))})
            case "audio/transcriptions" | "audio/translations":
                return json_reply({"text": f"[{self.spec.name}] {model.id}: heard"})
            case "audio/speech":
                sound = f"[{self.spec.name}] {model.id}: spoken".encode()
                return Reply(200, sound, "audio/mpeg")
            case "images/generations" | "images/edits" | "images/variations":
                picture = base64.b64encode(f"[{self.spec.name}] {model.id}: drawn".encode()).decode()
                return json_reply({"created": int(time.time()), "data": [{"b64_json": picture}]})
        generation = self.generate(model, payload)
        streamed = payload.get("stream") is True
        options = payload.get("stream_options")
        counted = isinstance(options, dict) and options.get("include_usage") is True
        match endpoint:
            case "completions":
                whole = partial(chat.completion, generation, llama_cpp=llama_cpp)
                stream = partial(
                    chat.completion_stream, generation, llama_cpp=llama_cpp, include_usage=counted
                )
            case "completion" | "infill":
                whole = partial(chat.native_completion, generation)
                stream = partial(chat.native_completion_stream, generation)
            case "messages":
                whole = partial(dialogue.message, generation)
                stream = partial(dialogue.message_stream, generation)
            case "responses":
                whole = partial(dialogue.response, generation)
                stream = partial(dialogue.response_stream, generation)
            case _:
                whole = partial(chat.chat, generation, llama_cpp=llama_cpp)
                stream = partial(chat.chat_stream, generation, llama_cpp=llama_cpp, include_usage=counted)
        return self.stream(stream()) if streamed else Reply(200, whole())

    def generate(self, model: SimulatedModel, payload: dict[str, Any]) -> Generation:
        """Raises TooLongError."""
        prompt = prompt_tokens(payload)
        if prompt > model.context:
            raise TooLongError(prompt, model.context)
        self._numbers += 1
        return generate(
            self.spec.name,
            model,
            payload,
            chunks=self.behaviour.chunks,
            call=self.behaviour.call,
            created=int(time.time()),
            key=f"{self.spec.name}-{self._numbers:06}",
        )

    def stream(self, pieces: list[bytes]) -> Reply:
        if self.behaviour.malformed is not None:
            pieces = malform(pieces, self.behaviour.malformed)
        return Reply(200, self.paced(pieces), EVENTS)

    async def paced(self, pieces: list[bytes]) -> AsyncGenerator[bytes, None]:
        for number, piece in enumerate(pieces):
            await self.pace(first=number == 0)
            yield piece

    async def pace(self, *, first: bool) -> None:
        """Wait for the configured time before the first or a later chunk of a response."""
        delay = self.behaviour.first_byte_ms if first else self.behaviour.chunk_ms
        if delay:
            await asyncio.sleep(delay / 1000)
        if self.behaviour.hold:
            await self.gate.wait()

    async def _load(self, model: SimulatedModel) -> None:
        seconds = self.behaviour.load_seconds
        await asyncio.sleep(model.load_seconds if seconds is None else seconds)
        if self.behaviour.hold_loading:
            await self.loading_gate.wait()


def decoded(request: Request) -> dict[str, Any] | None:
    """Return the JSON object in the body; None if there is none."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def form(request: Request) -> dict[str, Any]:
    """The text fields of a multipart body; files are left out."""
    content_type = (request.header("content-type") or "").encode()
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type + b"\r\n\r\n" + request.body
    )
    fields: dict[str, Any] = {}
    if message.is_multipart():
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            if isinstance(name, str) and part.get_filename() is None:
                payload = part.get_payload(decode=True)
                fields[name] = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return fields
