"""Favorites are hidden but never lost: providers that stop, start, leave fleet.yaml and are renamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.favorites_fleet import GRACE, MACHINES
from tests.support.stack import Stack, serving
from tests.support.waiting import eventually

FAVORITES = ["sam-desktop/qwen3-8b", "embedding/qwen3-8b", "nas/llama3:latest"]
WITHOUT_EMBEDDING = ["sam-desktop/qwen3-8b", "nas/llama3:latest"]


def picked(stack: Stack, surface: str) -> list[str]:
    picker = stack.client.get("/api/picker", params={"surface": surface}).json()
    return [model["id"] for model in picker["favorites"]]


def both_pick(stack: Stack, ids: list[str]) -> Callable[[], bool]:
    return lambda: picked(stack, "boochat") == picked(stack, "boocoder") == ids


def kept(stack: Stack) -> dict[str, dict[str, Any]]:
    found = stack.client.get("/api/favorites").json()["favorites"]
    return {item["id"]: item for item in found}


def favor(stack: Stack) -> None:
    for id in FAVORITES:
        assert stack.client.put(f"/api/favorites/{id}").status_code == 200


def edit(stack: Stack, old: str, new: str) -> None:
    """Change fleet.yaml, build it, and wait for the gateway to serve that."""
    file = stack.folder / "fleet.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    before = stack.client.get("/ready").json()["snapshot"]
    built = stack.fleet("build")
    assert built.returncode == 0, built.stderr
    eventually(lambda: stack.client.get("/ready").json()["snapshot"] != before)


def test_fault_31_the_story_of_a_favorite(own_stack: Stack) -> None:
    stack = own_stack
    favor(stack)
    assert picked(stack, "boochat") == FAVORITES
    assert picked(stack, "boocoder") == FAVORITES
    groups = stack.client.get("/api/picker", params={"surface": "boochat"}).json()["providers"]
    grouped = [model["id"] for group in groups for model in group["models"] if model["favorite"]]
    assert sorted(grouped) == sorted(FAVORITES)

    stack.machines.set("embedding", offline=True)
    eventually(both_pick(stack, WITHOUT_EMBEDDING), seconds=GRACE + 1)
    away = kept(stack)
    assert list(away) == FAVORITES
    assert (away["embedding/qwen3-8b"]["available"], away["embedding/qwen3-8b"]["reason"]) == (
        False,
        "provider_offline",
    )
    groups = stack.client.get("/api/picker", params={"surface": "boochat"}).json()["providers"]
    (group,) = [group for group in groups if group["name"] == "embedding"]
    assert (group["status"], group["models"]) == ("offline", [])

    stack.machines.set("embedding", offline=False)
    eventually(both_pick(stack, FAVORITES))

    stack.machines.set("embedding", offline=True)
    eventually(both_pick(stack, WITHOUT_EMBEDDING), seconds=GRACE + 1)
    version = stack.client.get("/api/favorites").json()["version"]
    stack.process.terminate()
    assert stack.process.wait(20) == 0
    with serving(stack.folder, stack.machines, stack.url.removeprefix("http://")) as again:
        eventually(both_pick(again, WITHOUT_EMBEDDING))
        assert list(kept(again)) == FAVORITES
        assert again.client.get("/api/favorites").json()["version"] == version
        again.machines.set("embedding", offline=False)
        eventually(both_pick(again, FAVORITES))


def test_fault_31_a_killed_gateway_has_every_favorite_again(own_stack: Stack) -> None:
    favor(own_stack)
    own_stack.process.kill()
    own_stack.process.wait()
    with serving(own_stack.folder, own_stack.machines, own_stack.url.removeprefix("http://")) as again:
        assert list(kept(again)) == FAVORITES


def test_fault_31_a_favorite_of_a_provider_that_left_is_an_orphan_until_it_is_back(own_stack: Stack) -> None:
    stack = own_stack
    favor(stack)
    line = f'  nas: {{url: "{stack.machines.url("nas")}"}}\n'
    edit(stack, line, "")
    assert both_pick(stack, FAVORITES[:2])()
    orphan = kept(stack)["nas/llama3:latest"]
    assert (orphan["orphan"], orphan["available"], orphan["reason"]) == (True, False, "orphan")
    assert not kept(stack)["embedding/qwen3-8b"]["orphan"]
    found = stack.client.get("/api/favorites")
    wanted = {"favorites": ["nas/llama3:latest", *FAVORITES[:2]]}
    moved = stack.client.put("/api/favorites", json=wanted, headers={"if-match": found.headers["etag"]})
    assert moved.status_code == 200, "an orphan can be moved"
    edit(stack, "aliases:", f"{line}aliases:")
    eventually(both_pick(stack, wanted["favorites"]))
    edit(stack, line, "")
    gone = stack.client.delete("/api/favorites/nas/llama3:latest")
    assert [item["id"] for item in gone.json()["favorites"]] == FAVORITES[:2]


def version(stack: Stack) -> int:
    return int(stack.client.get("/api/favorites").json()["version"])


def test_fault_31_favorites_follow_a_provider_that_is_renamed(own_stack: Stack) -> None:
    stack = own_stack
    favor(stack)
    before, url = version(stack), stack.machines.url("nas")
    edit(stack, f'nas: {{url: "{url}"}}', f'attic: {{url: "{url}", formerly: [nas]}}')
    renamed = [*FAVORITES[:2], "attic/llama3:latest"]
    eventually(both_pick(stack, renamed))
    assert list(kept(stack)) == renamed
    eventually(lambda: version(stack) > before)  # the new name is stored
    stored = version(stack)
    again = stack.client.put("/api/favorites/nas/llama3").json()
    assert again["version"] == stored, "it is a favorite by its former name too"
    edit(stack, ", formerly: [nas]", "")
    eventually(both_pick(stack, renamed))
    assert stack.client.delete("/api/favorites/attic/llama3").json()["favorites"][-1]["id"] == FAVORITES[1]


def test_favorites_follow_a_rename_that_is_undone(own_stack: Stack) -> None:
    stack = own_stack
    favor(stack)
    before = (stack.folder / "fleet.yaml").read_text()
    url = stack.machines.url("nas")
    edit(stack, f'nas: {{url: "{url}"}}', f'attic: {{url: "{url}", formerly: [nas]}}')
    eventually(both_pick(stack, [*FAVORITES[:2], "attic/llama3:latest"]))
    edit(stack, (stack.folder / "fleet.yaml").read_text(), before)
    eventually(both_pick(stack, FAVORITES))
    assert list(kept(stack)) == FAVORITES


def test_a_favorite_does_not_move_to_another_provider_that_gets_a_former_name(own_stack: Stack) -> None:
    stack = own_stack
    favor(stack)
    url, other = stack.machines.url("nas"), stack.machines.url("embedding")
    edit(stack, f'nas: {{url: "{url}"}}', f'attic: {{url: "{url}", formerly: [nas]}}')
    eventually(both_pick(stack, [*FAVORITES[:2], "attic/llama3:latest"]))
    edit(stack, f'attic: {{url: "{url}", formerly: [nas]}}', f'nas: {{url: "{other}"}}')
    eventually(both_pick(stack, FAVORITES[:2]))
    assert kept(stack)["attic/llama3:latest"]["orphan"]


def test_fault_31_a_sidecar_that_is_silent_hides_what_must_pass_it(own_stack: Stack) -> None:
    favor(own_stack)
    own_stack.machines.set("sam-desktop", sidecar_offline=True)
    eventually(both_pick(own_stack, FAVORITES[1:]))
    assert kept(own_stack)["sam-desktop/qwen3-8b"]["reason"] == "sidecar_unreachable"
    own_stack.machines.set("sam-desktop", sidecar_offline=False)
    eventually(both_pick(own_stack, FAVORITES))


def test_fault_30_a_gateway_without_a_usable_state_file_serves_and_says_so(own_stack: Stack) -> None:
    stack = own_stack
    favor(stack)
    stack.process.kill()
    stack.process.wait()
    folder = stack.folder / "state"
    for file in folder.iterdir():
        file.unlink()
    (folder / "state.db").mkdir()
    with serving(stack.folder, stack.machines, stack.url.removeprefix("http://")) as broken:
        for name in MACHINES:
            eventually(lambda name=name: broken.status(name) == "online")  # type: ignore[misc]
        assert broken.chat("embedding/qwen3-8b").status_code == 200
        refused = broken.client.put("/api/favorites/embedding/qwen3-8b")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert broken.client.get("/api/favorites").json()["favorites"] == []
        assert "state.db" in broken.client.get("/api/fleet").json()["store"]["reason"]
        (folder / "state.db").rmdir()
        assert broken.client.put("/api/favorites/embedding/qwen3-8b").status_code == 200
        assert broken.client.get("/api/fleet").json()["store"]["reason"] is None
