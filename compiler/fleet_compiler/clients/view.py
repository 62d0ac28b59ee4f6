"""The data for a client's configuration: the models of a surface that suit the client.

Pure. Only contexts from `USABLE_SOURCES` are used, because a trained context is only an upper bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self

import msgspec

from fleet_runtime.artifacts.contract import (
    GatewayConfig,
    KeyReference,
    Purpose,
    RoutedModel,
    RoutedProvider,
    RoutingTable,
)
from fleet_runtime.routing.model_id import CompositeId, split_id
from fleet_runtime.routing.resolver import listed_names

USABLE_SOURCES = frozenset({"configured", "running", "listed"})
MAX_DEFAULT_OUTPUT = 8192
SMALLEST_OUTPUT = 512
KEY_VARIABLE = "FLEET_KEY"
"""The variable for a key that is in a file: ``fleet run`` and ``fleet env`` set it from the file."""


class OwnPrompt(msgspec.Struct, frozen=True):
    """The tokens of a client's own first request, and those to leave for a prompt, for which the output is
    lowered."""

    tokens: int = 0
    room: int = 0


NO_PROMPT = OwnPrompt()


def holds_any(_: str) -> bool:
    """Whether a configuration can hold a model id; most can hold every one."""
    return True


class OfferedModel(msgspec.Struct, frozen=True):
    """A model for a client; `label` is its display name, which includes the provider.

    `context` and `output` are tokens, None if the context is not certain.
    """

    id: str
    provider: str
    label: str
    facts: RoutedModel
    context: int | None
    output: int | None


class ClientView(msgspec.Struct, frozen=True):
    """The data for a client's configuration.

    `url` is the gateway's root; `file` the path of the client's main file inside the generated folder; `key`
    the gateway's key that it refers to, if the gateway requires one; `options` are those of the kind; `root`
    is the path from the generated folder to that of fleet.yaml; `disabled` are providers that get no
    requests.
    """

    url: str
    table: RoutingTable
    file: str
    key: KeyReference | None
    options: Any
    root: str = ".."
    disabled: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        gateway: GatewayConfig,
        table: RoutingTable,
        *,
        file: str = "",
        key: KeyReference | None = None,
        options: Any = None,
    ) -> Self:
        disabled = frozenset(provider.name for provider in gateway.providers if not provider.enabled)
        return cls(gateway.url, table, file, key, options, gateway.root, disabled)

    @property
    def root_url(self) -> str:
        """Return the surface's root, which is the base URL for clients of Anthropic's API."""
        return f"{self.url}{self.table.base}"

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"

    @property
    def key_variable(self) -> str | None:
        """The variable from which the client reads the key; None if the gateway requires none."""
        return None if self.key is None else self.key.env or KEY_VARIABLE

    def models(self, *purposes: Purpose) -> Iterator[tuple[RoutedProvider, dict[str, RoutedModel]]]:
        """Yield each enabled provider with its listed models for `purposes` by id, also if it has none. A
        model of unknown purpose counts as a chat model."""
        for provider in self.table.providers:
            if provider.name not in self.disabled:
                yield (
                    provider,
                    {
                        id: facts
                        for id, facts in provider.models.items()
                        if not facts.hidden and (facts.purpose or "chat") in purposes
                    },
                )

    def chat_models(self) -> Iterator[tuple[RoutedProvider, dict[str, RoutedModel]]]:
        return self.models("chat")

    def offered(
        self,
        prompt: OwnPrompt = NO_PROMPT,
        purpose: Purpose = "chat",
        holds: Callable[[str], bool] = holds_any,
    ) -> tuple[OfferedModel, ...]:
        """Return the models for a purpose, in the order of fleet.yaml, without those into which the client's
        own prompt does not fit, and those whose id the configuration cannot hold."""
        every = self._every(prompt, purpose)
        return tuple(each for each in every if _fits(each.facts, prompt) and holds(each.id))

    def unwritable(self, prompt: OwnPrompt, holds: Callable[[str], bool]) -> Iterator[str]:
        """Yield the ids that the configuration cannot hold, of models that a client has settings for."""
        if holds is not holds_any:
            for purpose in CLIENT_PURPOSES:
                fitting = self.offered(prompt if purpose == "chat" else NO_PROMPT, purpose)
                yield from (each.id for each in fitting if not holds(each.id))

    def too_small(self, prompt: OwnPrompt) -> Iterator[tuple[CompositeId, int]]:
        """Yield the chat models that `offered` leaves out, each with its context in tokens."""
        for provider, models in self.chat_models():
            for id, facts in models.items():
                if facts.context is not None and not _fits(facts, prompt):
                    yield CompositeId(provider.name, id), facts.context

    def first_choice(self, role: str) -> CompositeId | None:
        """Return the first choice of a role with the id in its provider's list; None if it is not listed."""
        candidates = self.table.roles.get(role)
        first = split_id(candidates[0]) if candidates else None
        for provider, models in self.models(*_EVERY_PURPOSE):
            if first is not None and provider.name == first.provider:
                listed = listed_names(provider).get(first.model)
                return CompositeId(provider.name, listed) if listed in models else None
        return None

    def choose(self, offered: tuple[OfferedModel, ...], *roles: str) -> OfferedModel | None:
        """Return the first choice of the first of `roles` that has one among `offered`."""
        by_id = {each.id: each for each in offered}
        chosen = (by_id.get(str(self.first_choice(role))) for role in roles)
        return next((each for each in chosen if each is not None), None)

    def _every(self, prompt: OwnPrompt, purpose: Purpose) -> Iterator[OfferedModel]:
        found = [
            (provider, id, facts) for provider, models in self.models(purpose) for id, facts in models.items()
        ]
        labels = [f"{facts.name or id} ({provider.label})" for provider, id, facts in found]
        counts = Counter(labels)
        for (provider, id, facts), label in zip(found, labels, strict=True):
            composite = str(CompositeId(provider.name, id))
            context = facts.context if facts.context_source in USABLE_SOURCES else None
            yield OfferedModel(
                composite,
                provider.name,
                label if counts[label] == 1 else f"{facts.name or id} ({composite})",
                facts,
                context,
                None if context is None else output_within(context, facts.output, prompt),
            )


CLIENT_PURPOSES: tuple[Purpose, ...] = ("chat", "embedding", "rerank")
_EVERY_PURPOSE: tuple[Purpose, ...] = ("chat", "embedding", "rerank", "transcription", "speech", "image")


def output_within(context: int, output: int | None, prompt: OwnPrompt) -> int:
    """Return the largest output that leaves enough of the context for a prompt, but at least the minimum."""
    wanted = output if output is not None and output < context else min(MAX_DEFAULT_OUTPUT, context // 4)
    return min(wanted, max(context - prompt.room, SMALLEST_OUTPUT))


def _fits(facts: RoutedModel, prompt: OwnPrompt) -> bool:
    """Return whether the client's own prompt and some output fit into the context, or its upper bound."""
    if facts.context is None or prompt is NO_PROMPT:
        return True
    return facts.context - output_within(facts.context, facts.output, prompt) >= prompt.tokens
