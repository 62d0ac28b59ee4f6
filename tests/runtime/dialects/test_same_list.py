"""An unchanged model list is not parsed again."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.model_list_response import fingerprint
from fleet_runtime.dialects.observation import Observation, Probe, drive, step
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.dialects.registry import KINDS
from tests.runtime.dialects.probing import answer, probe
from tests.runtime.dialects.test_recognition import LISTS

ITEM = {"id": "m", "object": "model", "owned_by": "llama-swap", "context_length": 4096}


def listed(*items: Any, created: int = 1, server: str = "") -> dict[str, ProbeResponse]:
    return {"/models": answer({"data": [item | {"created": created} for item in items]}, server=server)}


@pytest.mark.parametrize("owner", ["llama-swap", "llamacpp", "vllm", "organization_owner", "nobody"])
def test_a_list_in_which_only_the_time_has_changed_is_not_read_again(
    owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ITEM | {"owned_by": owner}
    first = probe(listed(item, created=1)).seen
    monkeypatch.setattr("fleet_runtime.dialects.probe.read_model_list", None)
    second = probe(listed(item, created=2), previous=first).seen
    assert second == first
    assert second.listing is first.listing


@pytest.mark.parametrize(
    "answers",
    [
        listed(ITEM | {"context_length": 8192}),
        listed(ITEM, ITEM | {"id": "other"}),
        listed(ITEM | {"owned_by": "vllm"}),
        listed(ITEM | {"owned_by": "me"}, server="llama.cpp"),
    ],
)
def test_any_other_difference_is_seen(answers: dict[str, ProbeResponse]) -> None:
    first = probe(listed(ITEM)).seen
    assert probe(answers, previous=first).seen == probe(answers).seen
    assert probe(answers, previous=first).seen != first


@pytest.mark.parametrize("kind", LISTS)
def test_a_second_probe_at_the_same_list_sees_the_same(kind: str) -> None:
    answers = {"/models": LISTS[kind]}
    first = probe(answers).seen
    second = probe(answers, previous=first).seen
    assert (second, dict(second.states)) == (first, dict(first.states))
    assert probe(answers, previous=second).seen == first


def test_only_a_list_that_says_when_its_models_changed_is_distinguished_by_that() -> None:
    assert [kind for kind, dialect in KINDS.items() if dialect.dated] == ["ollama"]
    marks = {
        (dated, created): fingerprint(listed(ITEM, created=created)["/models"], dated=dated)
        for dated in (True, False)
        for created in (1, 2)
    }
    assert marks[False, 1] == marks[False, 2]
    assert marks[True, 1] != marks[True, 2]


@pytest.mark.anyio
async def test_a_probe_can_be_driven_with_its_reading_in_a_thread() -> None:
    readers: list[int] = []

    async def get(ask: ProbeRequest) -> ProbeResponse:
        return listed(ITEM).get(ask.path, ProbeResponse(404))

    async def read(probe_provider: Probe, found: ProbeResponse) -> ProbeRequest | Observation:
        def here() -> ProbeRequest | Observation:
            readers.append(threading.get_ident())
            return step(probe_provider, found)

        return await asyncio.to_thread(here)

    seen = await drive(probe_provider("auto"), get, read)
    assert (seen, set(seen.models)) == (probe(listed(ITEM)).seen, {"m"})
    assert len(readers) == 4
    assert threading.get_ident() not in readers
