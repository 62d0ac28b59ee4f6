"""What all simulated machines have in common: models in memory that answer, at the pace that is set."""

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

from fleet_runtime.simulator.gate import Gate
from fleet_runtime.simulator.generation import Generation, generate, prompt_tokens, tokens
from fleet_runtime.simulator.malformed import malform
from fleet_runtime.simulator.memory import Memory
from fleet_runtime.simulator.news import News
from fleet_runtime.simulator.reply import EVENTS, Reply, json_reply
from fleet_runtime.simulator.shapes import chat, dialogue, vectors
from fleet_runtime.simulator.spec import Behaviour, MachineSpec, SimulatedModel
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
    """One request as it came, and how its answer ended: ``complete``, ``client_gone``, ``dropped`` (by
    the machine), or null while it is under way. `model` is the model that answered or was to."""

    number: int
    machine: str
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
class Visit:
    """A request while it is being answered: what it keeps busy, and how to cut it off."""

    request: Request
    record: Record
    stack: AsyncExitStack
    cut: Callable[[], None]


class TooBusy(Exception):
    """More requests at once than the machine takes."""


class TooLong(Exception):
    """The prompt does not fit into the context."""

    def __init__(self, prompt: int, context: int) -> None:
        self.prompt = prompt
        self.context = context
        super().__init__(
            f"request ({prompt} tokens) exceeds the available context size ({context} tokens), "
            "try increasing it"
        )


class Engine:
    """The models of one machine. `by_name` finds a model by its id or an alias."""

    def __init__(
        self, spec: MachineSpec, behaviour: Behaviour, capacity: int, resident: bool, news: News
    ) -> None:
        self.spec = spec
        self.behaviour = behaviour
        self.gate = Gate(news)
        self.loading_gate = Gate(news)
        self.news = news
        self.memory = Memory(spec.models, spec.max_loaded or capacity, self._load, news)
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

    async def enter(self, visit: Visit, model: SimulatedModel, *, load: bool = True) -> None:
        """Count the request for `model` and have the model loaded until the visit ends.

        Raises TooBusy or memory.LoadFailed.
        """
        visit.record.model = model.id
        limit = self.behaviour.max_parallel
        if limit is not None and self._parallel[model.id] >= limit:
            raise TooBusy
        self._parallel[model.id] += 1
        visit.stack.callback(self._parallel.subtract, [model.id])
        if load and not self.resident:
            await visit.stack.enter_async_context(self.memory.use(model, visit.cut))

    async def answer(
        self, visit: Visit, endpoint: str, model: SimulatedModel, asked: dict[str, Any], *, llama_cpp: bool
    ) -> Reply:
        """The model's answer, as llama-server (`llama_cpp`) or most others write it; raises TooLong."""
        match endpoint:
            case "embeddings":
                return json_reply(vectors.embeddings(model.id, asked))
            case "rerank" | "reranking":
                return json_reply(vectors.ranking(model.id, asked))
            case "messages/count_tokens":
                return json_reply({"input_tokens": prompt_tokens(asked)})
            case "tokenize":
                words = tokens(str(asked.get("content", "")))
                return json_reply({"tokens": [len(word) for word in words]})
            case "detokenize":
                given = asked.get("tokens")
                return json_reply({"content": " ".join(map(str, given if isinstance(given, list) else []))})
            case "apply-template":
                return json_reply({"prompt": json.dumps(asked.get("messages"))})
            case "audio/transcriptions" | "audio/translations":
                return json_reply({"text": f"[{self.spec.name}] {model.id}: heard"})
            case "audio/speech":
                sound = f"[{self.spec.name}] {model.id}: spoken".encode()
                return Reply(200, sound, "audio/mpeg")
            case "images/generations" | "images/edits" | "images/variations":
                picture = base64.b64encode(f"[{self.spec.name}] {model.id}: drawn".encode()).decode()
                return json_reply({"created": int(time.time()), "data": [{"b64_json": picture}]})
        said = self.generate(model, asked)
        streamed = asked.get("stream") is True
        options = asked.get("stream_options")
        counted = isinstance(options, dict) and options.get("include_usage") is True
        match endpoint:
            case "completions":
                whole = partial(chat.completion, said, llama_cpp=llama_cpp)
                stream = partial(chat.completion_stream, said, llama_cpp=llama_cpp, include_usage=counted)
            case "completion" | "infill":
                whole = partial(chat.native_completion, said)
                stream = partial(chat.native_completion_stream, said)
            case "messages":
                whole = partial(dialogue.message, said)
                stream = partial(dialogue.message_stream, said)
            case "responses":
                whole = partial(dialogue.response, said)
                stream = partial(dialogue.response_stream, said)
            case _:
                whole = partial(chat.chat, said, llama_cpp=llama_cpp)
                stream = partial(chat.chat_stream, said, llama_cpp=llama_cpp, include_usage=counted)
        return self.stream(stream()) if streamed else Reply(200, whole())

    def generate(self, model: SimulatedModel, asked: dict[str, Any]) -> Generation:
        """Raises TooLong."""
        prompt = prompt_tokens(asked)
        if prompt > model.context:
            raise TooLong(prompt, model.context)
        self._numbers += 1
        return generate(
            self.spec.name,
            model,
            asked,
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
        """Wait as long as the behaviour has it before the first or a later piece of an answer."""
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
    """The JSON object in the body; None where there is none."""
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
