"""Old names that clients still use: what counts as one, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.routing.old_names import OldName, accepted_names, names_used
from fleet_runtime.routing.resolver import lock_view, resolve_model
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.store.old_names import OldNameUses
from fleet_runtime.store.store import Store
from tests.support.artifacts import connection, gateway, table
from tests.support.stack import Stack, running_stack

FLEET = gateway(connection("box"), connection("nas"))
PLAIN = table(FLEET, None)
BOX = table(
    FLEET,
    None,
    names={"box": "box", "pc": "box", "nas": "nas"},
    aliases={"short": "nas/q", "pc/odd": "pc/q"},
    namespaces=("llama-swap",),
)
ALIAS, FORMER, PREFIX = (
    OldName("alias", "short"),
    OldName("formerly", "pc"),
    OldName("namespace", "llama-swap"),
)


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("box/q", []),
        ("q", []),
        ("@default", []),
        ("", []),
        ("short", [ALIAS]),
        ("pc/q", [FORMER]),
        ("llama-swap/q", [PREFIX]),
        ("llama-swap/pc/q", [PREFIX, FORMER]),
        ("llama-swap/short", [PREFIX, ALIAS]),
        ("pc/odd", [OldName("alias", "pc/odd"), FORMER]),
        ("pc", []),
    ],
)
def test_a_model_name_uses_the_old_names_that_it_is_written_with(text: str, used: list[OldName]) -> None:
    assert list(names_used(BOX, text)) == used


@given(
    st.lists(st.sampled_from(["box", "pc", "nas", "llama-swap", "short", "odd", "q", "@", ""]), max_size=4)
)
def test_a_name_counts_as_the_resolver_reads_it(parts: list[str]) -> None:
    text = "/".join(parts)
    used = set(names_used(BOX, text))
    assert used <= accepted_names(BOX).keys()
    meant = resolve_model(BOX, lock_view(BOX), text)
    assert (meant.rule == "alias") == any(name.kind == "alias" for name in used)
    if not used:
        assert resolve_model(PLAIN, lock_view(PLAIN), text).id == meant.id


@pytest.mark.anyio
async def test_uses_are_kept_across_restarts_and_added_by_two_gateways(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "state.db") for _ in range(2)]
    for store in stores:
        store.open()
    first, second = OldNameUses(lambda: 100.0), OldNameUses(lambda: 200.0)
    for uses, store in ((first, stores[0]), (second, stores[1])):
        uses.follow(BOX)
        await uses.save(store)
    first.note(BOX, "pc/q", "chat")
    second.note(BOX, "pc/q", None)
    second.note(BOX, "short", "code")
    for uses, store in ((first, stores[0]), (second, stores[1]), (first, stores[0])):
        await uses.save(store)
    for uses in (first, second):
        pc, short = uses.uses[FORMER], uses.uses[ALIAS]
        assert (pc.since, pc.uses, pc.last_at, pc.surface, pc.unsaved) == (100.0, 2, 200.0, None, 0)
        assert (short.uses, short.last_at, short.surface) == (1, 200.0, "code")
        assert (uses.uses[PREFIX].since, uses.uses[PREFIX].uses) == (100.0, 0)
    later = OldNameUses(lambda: 900.0)
    later.follow(BOX)
    await later.save(stores[1])
    assert later.uses[FORMER] == first.uses[FORMER]

    later.follow(PLAIN)
    await later.save(stores[1])
    later.follow(BOX)
    await later.save(stores[0])
    assert (later.uses[FORMER].since, later.uses[FORMER].uses) == (900.0, 0)
    for store in stores:
        await store.close()


@pytest.mark.anyio
async def test_rows_that_mean_nothing_and_a_file_that_cannot_be_used_do_not_matter(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.open()
    odd = (
        "INSERT INTO old_name VALUES ('formerly', 'pc', 'soon', x'00', 'never', 7), ('x', x'01', 1, 1, 1, 1)"
    )
    await store.write(lambda connection: connection.execute(odd).close())
    uses = OldNameUses(lambda: 1.0)
    uses.follow(BOX)
    await uses.save(store)
    assert uses.uses[FORMER].since == 1.0
    await store.close()
    (tmp_path / "folder").mkdir()
    unusable = Store(tmp_path / "folder")
    unusable.open()
    uses.note(BOX, "pc/q", None)
    await uses.save(unusable)
    assert uses.uses[FORMER].unsaved == 1
    await unusable.close()


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers: {{box: {{url: "{machines.url("box")}", formerly: [pc]}}}}
aliases: {{short: box/m}}
namespaces: [llama-swap]
surfaces: {{chat: }}
gateway: {{listen: "{listen}"}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = [ServerSpec("box", models=(SimulatedModel("m"),))]
    with running_stack(tmp_path_factory.mktemp("old"), specs, fleet_yaml, online=["box"]) as running:
        yield running


def test_the_gateway_counts_every_request_with_an_old_name(stack: Stack) -> None:
    def ask(path: str, model: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        stack.client.post(path, json=body)

    for _ in range(3):
        ask("/chat/v1/chat/completions", "pc/m")
    for model in ("box/m", "m", "pc/none", "llama-swap/short"):
        ask("/v1/chat/completions", model)
    ask("/providers/box/v1/chat/completions", "pc/m")
    found = {each["name"]: each for each in stack.client.get("/api/old-names").json()["old_names"]}
    uses = {
        name: (each["kind"], each["means"], each["uses"], each["surface"]) for name, each in found.items()
    }
    assert uses == {
        "pc": ("formerly", "box", 4, None),
        "short": ("alias", "box/m", 1, None),
        "llama-swap": ("namespace", None, 1, None),
    }
    assert found["pc"]["since"] <= found["pc"]["last_at"]
