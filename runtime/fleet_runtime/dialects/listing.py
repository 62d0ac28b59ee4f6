"""Reading lists of models as servers really send them: nothing in an answer is taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeVar, get_args

from fleet_runtime.artifacts.contract import ContextSource, InputKind, ModelFacts, Purpose
from fleet_runtime.dialects.facts import merge
from fleet_runtime.dialects.observation import Observation, ProbeResponse
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.routing.model_id import model_id_problem

MAX_TOKENS = 2**53 - 1
MAX_MODELS = 2000
MAX_WARNINGS = 20
MAX_NAME = 200

_CREATED = re.compile(rb'"created"\s*:\s*\d+')

Item = Mapping[str, Any]
Meaning = TypeVar("Meaning")


@dataclass(frozen=True, slots=True)
class ModelListResponse:
    """A usable list. `items` are its objects in order, whatever they hold; `whole` is the answer they
    stood in, `server` its Server header. `empty_data`: there was a list without being one (``null``).
    `mark`: equal for answers that say the same."""

    items: tuple[Item, ...]
    whole: Item
    server: str = ""
    empty_data: bool = False
    mark: bytes = b""
    _known: dict[Callable[[ModelListResponse], Any], Any] = field(
        default_factory=dict, compare=False, repr=False
    )

    def once(self, read: Callable[[ModelListResponse], Meaning]) -> Meaning:
        """What `read`, a pure function, makes of this list; looks that find the same list share it."""
        if read not in self._known:
            self._known[read] = read(self)
        meaning: Meaning = self._known[read]
        return meaning


def mark_of(answer: ProbeResponse, *, dated: bool) -> bytes:
    """What tells an answer from others. Unless the list is `dated`, its `created` is the time of the answer
    with most servers, and means nothing."""
    body = answer.body if dated else _CREATED.sub(b"", answer.body)
    return blake2b(answer.headers.get("server", "").encode() + b"\n" + body, digest_size=16).digest()


def read_model_list(answer: ProbeResponse) -> ModelListResponse | StatusReason:
    """Return the list in a response of status 200, or why it holds none."""
    value = decoded(answer)
    if value is None:
        return _unreadable(answer)
    server = answer.headers.get("server", "")
    whole = value if isinstance(value, dict) else {}
    data = value if isinstance(value, list) else whole.get("data", "")
    if data is None:
        return ModelListResponse((), whole, server, empty_data=True)
    if not isinstance(data, list):
        return StatusReason("no_model_list")
    if len(data) > MAX_MODELS:
        return StatusReason("too_many_models", count=len(data), limit=MAX_MODELS)
    return ModelListResponse(_objects(data), whole, server)


def decoded(answer: ProbeResponse) -> Any:
    """The JSON of a response of status 200; None if it has none, or comes encoded in spite of the request."""
    plain = answer.headers.get("content-encoding", "identity").lower() == "identity"
    return parsed(answer.body) if answer.status == 200 and plain else None


def parsed(body: bytes) -> Any:
    """The JSON of a body; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def model_of(item: Item, key: str = "id") -> str:
    """The name under `key`, empty where there is none."""
    name = item.get(key)
    return name if isinstance(name, str) else ""


def word(value: Any, meanings: Mapping[str, Meaning]) -> Meaning | None:
    """What a word of a server's means; None for an unknown one and for what is no word at all."""
    return meanings.get(value) if isinstance(value, str) else None


def mapping(value: Any) -> Item:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> tuple[Item, ...]:
    """The objects in a list; none where it is no list."""
    return _objects(value) if isinstance(value, list) else ()


def tokens(*values: Any) -> int | None:
    """The first that is a number of tokens: a positive integer, not a truth value and not beyond 2^53."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if 0 < value <= MAX_TOKENS and value == int(value):
            return int(value)
    return None


def text(value: Any) -> str | None:
    """A name fit to be shown; None for anything else."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        return None
    return value if value.isprintable() else None


def words(value: Any) -> frozenset[str]:
    """The strings of a list, or the keys of an object whose value is true."""
    if isinstance(value, list):
        return frozenset(word for word in value if isinstance(word, str))
    return frozenset(word for word, able in mapping(value).items() if able is True)


def inputs(value: Any) -> tuple[InputKind, ...] | None:
    """Input kinds that fleet knows, in its own order; None where none is named."""
    named = words(value)
    return tuple(kind for kind in get_args(InputKind) if kind in named) or None


def purpose(*, outputs: frozenset[str] = frozenset(), abilities: Mapping[Purpose, bool]) -> Purpose | None:
    """The first purpose that a server says a model has; chat wins where several are named."""
    named = [name for name, able in abilities.items() if able]
    if not named and outputs == {"embeddings"}:
        return "embedding"
    return "chat" if "chat" in named else next(iter(named), None)


def context(source: ContextSource, value: int | None) -> dict[str, Any]:
    """The two fields of a context; none of them where it is not known."""
    return {} if value is None else {"context": value, "context_source": source}


def collect(
    items: Iterable[Item], facts: Callable[[Item, str], ModelFacts]
) -> tuple[dict[str, ModelFacts], list[str]]:
    """Facts by model id, and a warning for every item whose id cannot be one; equal ids are merged."""
    models: dict[str, ModelFacts] = {}
    warnings: list[str] = []
    for item in items:
        model = model_of(item)
        if not isinstance(item.get("id"), str):
            warnings.append("a listed model without an id is skipped")
            continue
        fault = model_id_problem(model)
        if fault is not None:
            warnings.append(f"model {quoted(model)} is skipped: its id {fault}")
            continue
        seen = facts(item, model)
        models[model] = merge(models[model], seen) if model in models else seen
    return models, warnings


def names(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    """As `collect`, for a list that says of its models only their ids."""
    return collect(listing.items, lambda _item, _model: ModelFacts())


def aliases(value: Any, model: str) -> tuple[str, ...]:
    """Other names of `model` that can be names at all."""
    if not isinstance(value, list):
        return ()
    usable = (name for name in value if isinstance(name, str) and model_id_problem(name) is None)
    return tuple(dict.fromkeys(name for name in usable if name != model))


def bounded(warnings: Iterable[str]) -> tuple[str, ...]:
    """Each warning once, and no more of them than one reads."""
    once = list(dict.fromkeys(warnings))
    if len(once) <= MAX_WARNINGS:
        return tuple(once)
    return (*once[:MAX_WARNINGS], f"and {len(once) - MAX_WARNINGS} more")


def keep_running(models: Mapping[str, ModelFacts], previous: Observation | None) -> dict[str, ModelFacts]:
    """The facts with the contexts that an earlier look saw running, where this one knows only weaker ones."""
    kept = dict(models)
    for model, before in (previous.models if previous is not None else {}).items():
        now = kept.get(model)
        if now is None or before.context_source != "running" or now.context_source == "running":
            continue
        kept[model] = now.model_copy(update={"context": before.context, "context_source": "running"})
    return kept


def quoted(name: str) -> str:
    """A name from outside, safe to show: escaped, in single quotes, cut when long."""
    shown = ascii(name[:60])[1:-1].replace("\\'", "'")
    return f"'{shown}…'" if len(name) > 60 else f"'{shown}'"


def _objects(values: list[Any]) -> tuple[Item, ...]:
    return tuple(item for item in values if isinstance(item, dict))


def _unreadable(answer: ProbeResponse) -> StatusReason:
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        return StatusReason("encoded_response", detail=quoted(encoding)[1:-1])
    start = answer.body[:200].lstrip().lower()
    if "html" in answer.headers.get("content-type", "") or start.startswith((b"<!doctype", b"<html")):
        return StatusReason("not_json", detail="an HTML page")
    return StatusReason("not_json", detail="something that is not JSON" if start else "an empty body")
