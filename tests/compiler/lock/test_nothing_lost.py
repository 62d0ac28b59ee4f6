"""Whatever is done to the providers of fleet.yaml while they are offline, fleet.lock keeps its facts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from fleet_compiler.lock.entries import current_entries, undeclared_renames
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig


@dataclass(frozen=True, slots=True)
class Provider:
    """`born` is the one model that it serves, whatever it is called and wherever it is."""

    born: str
    name: str
    url: str
    formerly: tuple[str, ...] = ()

    def config(self) -> ProviderConfig:
        return ProviderConfig(
            name=self.name, label="", url=self.url, api_base=f"{self.url}/v1", formerly=self.formerly
        )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["move", "rename", "rename without formerly", "add", "reorder"]), st.integers(0, 9)
    ),
    max_size=8,
)


def change(fleet: list[Provider], step: str, which: int, fresh: int) -> list[Provider]:
    """One edit of fleet.yaml; every new name and url is one that was never used before."""
    at = which % len(fleet)
    one = fleet[at]
    match step:
        case "move":
            one = replace(one, url=f"http://10.0.0.1:{9000 + fresh}")
        case "rename":
            one = replace(one, name=f"n{fresh}", formerly=(*one.formerly, one.name))
        case "rename without formerly":
            one = replace(one, name=f"n{fresh}")
        case "add":
            return [*fleet, Provider(f"n{fresh}", f"n{fresh}", f"http://10.0.0.1:{9000 + fresh}")]
        case "reorder":
            return [*fleet[at:], *fleet[:at]]
    return [*fleet[:at], one, *fleet[at + 1 :]]


@given(STEPS)
def test_no_fact_is_lost_by_moves_renames_and_additions(steps: list[tuple[str, int]]) -> None:
    fleet = [Provider(name, name, f"http://10.0.0.1:{8000 + at}") for at, name in enumerate(("a", "b", "c"))]
    known = {each.born for each in fleet}
    lock = Lock(
        providers={
            each.name: LockedProvider(url=each.url, kind="openai", models={each.born: ModelFacts()})
            for each in fleet
        }
    )
    moved: set[str] = set()
    for fresh, (step, which) in enumerate(steps):
        before, fleet = fleet, change(fleet, step, which, fresh)
        moved |= {new.born for new in fleet for old in before if old.born == new.born and old.url != new.url}
        # a provider that was moved and not probed since is known by its name alone
        guessed = {rename.new for rename in undeclared_renames(lock, [each.config() for each in fleet])}
        renamed = {
            new.born for new in fleet for old in before if old.born == new.born and old.name != new.name
        }
        if step == "rename without formerly":
            known -= renamed & moved
            assert {each.born for each in fleet if each.name in guessed} == (renamed & known)
        lock = current_entries(lock, [each.config() for each in fleet])
    entries = {each.born: lock.providers[each.name] for each in fleet if each.name in lock.providers}
    assert {born: list(entry.models) for born, entry in entries.items()} == {born: [born] for born in known}
    assert {born for born, entry in entries.items() if entry.stale} == moved & known
