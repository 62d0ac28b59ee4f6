"""``fleet favorites``, against a running gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result

from fleet_runtime.client import GatewayClient
from fleet_runtime.commands import favorites as command
from tests.support.favorites_fleet import HARD_ID
from tests.support.fleet_process import run_fleet
from tests.support.ports import free_port
from tests.support.raw_server import RawServer, raw_server, responding
from tests.support.stack import Stack

pytestmark = pytest.mark.anyio

Run: TypeAlias = Callable[..., Result]

THREE = ["embedding/qwen3-8b", "nas/llama3:latest", "sam-desktop/qwen3-4b"]


@pytest.fixture
def run(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``fleet favorites …`` in this process, opencode's state being in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(command.favorites, [*arguments, "--url", stack.url], input=text)

    return run


@pytest.fixture
def opencode(tmp_path: Path) -> Path:
    """Where opencode keeps its favorites."""
    path = tmp_path / "state" / "opencode" / "model.json"
    path.parent.mkdir(parents=True)
    return path


def listed(stack: Stack) -> list[str]:
    return [item["id"] for item in stack.client.get("/api/favorites").json()["favorites"]]


def keep(stack: Stack, *ids: str) -> None:
    answer = stack.client.put("/api/favorites", json={"favorites": ids}, headers={"if-match": "*"})
    assert answer.status_code == 200


def test_favorites_are_listed_in_their_order_with_what_is_wrong(stack: Stack, run: Run) -> None:
    keep(stack, "embedding/qwen3-8b", "unset/x")
    result = run("list")
    assert result.stdout == "  1  embedding/qwen3-8b\n  2  unset/x             its provider is disabled\n"
    assert result.exit_code == 0


def test_a_favorite_that_its_provider_does_not_list_is_added_with_a_warning(stack: Stack, run: Run) -> None:
    added = run("add", "embedding/qwen3-9b")
    assert (added.exit_code, listed(stack)) == (0, ["embedding/qwen3-9b"])
    assert added.stderr.startswith(
        "warning: 'embedding/qwen3-9b' is a favorite now, but its provider does not list it; did you mean "
    )
    assert "'embedding/qwen3-8b'" in added.stderr
    assert run("add", "embedding/qwen3-8b").stderr == ""


def test_as_json_the_answer_is_the_api_s(stack: Stack, run: Run) -> None:
    keep(stack, *THREE)
    assert json.loads(run("list", "--json").stdout) == stack.client.get("/api/favorites").json()


@pytest.mark.parametrize("id", ["embedding/qwen3-8b", HARD_ID])
def test_what_is_added_can_be_removed(stack: Stack, run: Run, id: str) -> None:
    assert id in run("add", id).stdout
    assert listed(stack) == [id]
    result = run("remove", id)
    assert (result.stdout, result.stderr, result.exit_code) == ("", "no favorites\n", 0)
    assert listed(stack) == []


def test_a_rejection_is_reported_in_the_gateway_s_words(run: Run) -> None:
    result = run("add", "elsewhere/x")
    assert result.exit_code == 1
    assert "unknown provider 'elsewhere'" in result.stderr


@pytest.mark.parametrize(
    ("place", "order"), [("1", [2, 0, 1]), ("2", [0, 2, 1]), ("3", [0, 1, 2]), ("99", [0, 1, 2])]
)
def test_a_favorite_is_moved_to_a_place(stack: Stack, run: Run, place: str, order: list[int]) -> None:
    keep(stack, *THREE)
    assert run("move", THREE[2], "--to", place).exit_code == 0
    assert listed(stack) == [THREE[number] for number in order]


def test_only_a_favorite_can_be_moved(stack: Stack, run: Run) -> None:
    keep(stack, THREE[0])
    result = run("move", THREE[1], "--to", "1")
    assert result.exit_code == 1
    assert "is not a favorite" in result.stderr


def test_a_move_is_made_again_if_somebody_else_changed_the_list(
    stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(stack, *THREE[:2])
    send = GatewayClient.send
    sent: list[str] = []

    def send_and_change(
        client: GatewayClient, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> bytes:
        found = send(client, method, path, body, **headers)
        sent.append(method)
        if len(sent) == 1:
            keep(stack, *THREE)
        return found

    monkeypatch.setattr(GatewayClient, "send", send_and_change)
    assert run("move", THREE[1], "--to", "1").exit_code == 0
    assert listed(stack) == [THREE[1], THREE[0], THREE[2]]
    assert sent == ["GET", "GET", "PUT"]


def test_what_is_exported_can_be_imported(stack: Stack, run: Run, tmp_path: Path) -> None:
    keep(stack, *THREE, HARD_ID)
    file = tmp_path / "favorites.json"
    assert run("export", str(file)).exit_code == 0
    assert run("export").stdout == file.read_text()
    keep(stack, THREE[1])
    assert run("import", str(file)).exit_code == 0
    assert listed(stack) == [THREE[1], THREE[0], THREE[2], HARD_ID]


def test_a_list_is_imported_from_standard_input(stack: Stack, run: Run) -> None:
    assert run("import", "-", text=json.dumps(THREE)).exit_code == 0
    assert listed(stack) == THREE


def test_an_import_adds_what_it_can_and_names_the_rest(stack: Stack, run: Run) -> None:
    result = run("import", "-", text=json.dumps(["elsewhere/x", THREE[0]]))
    assert result.exit_code == 1
    assert "'elsewhere'" in result.stderr
    assert "1 of 2 could not be added" in result.stderr
    assert listed(stack) == [THREE[0]]


@pytest.mark.parametrize("text", ["", "{", "7", '{"favorites": 1}', '{"favorites": [1]}', '[{"name": "x"}]'])
def test_a_file_of_another_shape_is_rejected(stack: Stack, run: Run, text: str) -> None:
    result = run("import", "-", text=text)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: '-'")
    assert listed(stack) == []


@pytest.mark.parametrize("arguments", [["import"], ["move", "x"], ["move", "x", "--to", "0"], ["add"]])
def test_wrong_use_exits_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_missing_file_is_named(run: Run, tmp_path: Path) -> None:
    for arguments in (["import", str(tmp_path / "no.json")], ["import", "--from-opencode"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert str(tmp_path) in result.stderr


HELD: dict[str, Any] = {
    "recent": [{"providerID": "opencode", "modelID": "big-pickle"}],
    "favorite": [
        {"providerID": "opencode", "modelID": "big-pickle"},
        {"providerID": "embedding", "modelID": "qwen3-8b", "note": "mine"},
        {"providerID": "nas", "modelID": "org/ü%2F ☃?#:x"},
        "what is this",
    ],
    "variant": {"embedding/qwen3-8b": "high"},
    "later": {"kept": True},
}


def test_opencode_s_favorites_are_imported_and_strangers_skipped(
    stack: Stack, run: Run, opencode: Path
) -> None:
    opencode.write_text(json.dumps(HELD), encoding="utf-8")
    result = run("import", "--from-opencode")
    assert result.exit_code == 0
    assert "skipped: unknown provider 'opencode'" in result.stderr
    assert listed(stack) == ["embedding/qwen3-8b", HARD_ID]


def test_favorites_are_added_to_opencode_s_and_nothing_there_is_changed(
    stack: Stack, run: Run, opencode: Path
) -> None:
    opencode.write_text(json.dumps(HELD), encoding="utf-8")
    opencode.chmod(0o640)
    keep(stack, *THREE, HARD_ID)
    for expected in ("2 added", "0 added"):
        result = run("export", "--to-opencode")
        assert (result.exit_code, result.stdout) == (0, "")
        assert expected in result.stderr
    merged = json.loads(opencode.read_bytes())
    added = [
        {"providerID": "nas", "modelID": "llama3:latest"},
        {"providerID": "sam-desktop", "modelID": "qwen3-4b"},
    ]
    assert merged == HELD | {"favorite": [*HELD["favorite"], *added]}
    assert opencode.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in opencode.parent.iterdir()] == ["model.json"]


def test_opencode_s_file_is_made_where_there_is_none(stack: Stack, run: Run, tmp_path: Path) -> None:
    keep(stack, THREE[0])
    assert run("export", "--to-opencode").exit_code == 0
    assert json.loads((tmp_path / "state" / "opencode" / "model.json").read_bytes()) == {
        "recent": [],
        "variant": {},
        "favorite": [{"providerID": "embedding", "modelID": "qwen3-8b"}],
    }


@pytest.mark.parametrize("text", ["", "{", "[]", '{"favorite": {}}', '{"favorite": [}'])
def test_a_file_that_opencode_did_not_write_is_left_alone(
    stack: Stack, run: Run, opencode: Path, text: str
) -> None:
    opencode.write_text(text)
    keep(stack, THREE[0])
    for arguments in (["export", "--to-opencode"], ["import", "--from-opencode"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert str(opencode) in result.stderr
    assert opencode.read_text() == text


def test_the_file_of_opencode_may_be_a_link(stack: Stack, run: Run, opencode: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    opencode.symlink_to(target)
    keep(stack, THREE[0])
    assert run("export", "--to-opencode").exit_code == 0
    assert opencode.is_symlink()
    assert b"embedding" in target.read_bytes()


def test_the_gateway_is_the_one_of_the_nearest_fleet_yaml(stack: Stack) -> None:
    keep(stack, THREE[0])
    below = stack.folder / "below"
    below.mkdir(exist_ok=True)
    result = run_fleet("favorites", "list", cwd=below)
    assert (result.returncode, result.stdout) == (0, f"  1  {THREE[0]}\n"), result.stderr


def test_without_a_fleet_yaml_the_url_is_required(tmp_path: Path) -> None:
    result = run_fleet("favorites", "list", cwd=tmp_path)
    assert result.returncode == 2
    assert "--url" in result.stderr


def test_no_gateway_exits_4(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = run_fleet("favorites", "list", "--url", url, cwd=tmp_path)
    assert result.returncode == 4
    assert url in result.stderr
    assert "Traceback" not in result.stderr


async def answered(answer: bytes) -> tuple[Result, RawServer]:
    """``fleet favorites list`` where a server gives `answer`."""
    async with raw_server(responding(answer)) as server:
        arguments = ["list", "--url", server.url]
        return await asyncio.to_thread(CliRunner().invoke, command.favorites, arguments), server


async def test_a_rejected_key_says_which_variable_to_set() -> None:
    body = b'{"error": {"message": "a key is needed", "code": "unauthorized"}}'
    result, _ = await answered(b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    assert result.exit_code == 1
    assert result.stderr == "Error: a key is needed; set FLEET_KEY\n"


async def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_KEY", "canary-key")
    body = b'{"version": 0, "etag": "", "favorites": []}'
    result, server = await answered(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    assert result.exit_code == 0
    assert server.requests[0].header(b"authorization") == [b"Bearer canary-key"]
    assert "canary-key" not in result.output


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_is_not_a_gateway_exits_4(answer: bytes) -> None:
    result, server = await answered(answer)
    assert result.exit_code == 4
    assert server.url in result.stderr


@pytest.mark.parametrize("text", ["[" * 100_000, '{"favorites": 1}', '["a", 1]', "\udcff"])
def test_a_response_that_is_not_a_list_of_favorites_is_reported(run: Run, text: str) -> None:
    ran = CliRunner().invoke(
        command.favorites, ["import", "-"], input=text.encode("utf-8", "surrogateescape")
    )
    assert (ran.exit_code, ran.output.partition(": ")[0]) == (1, "Error")


def test_a_failed_export_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "favorites.json"
    folder.mkdir()
    assert run("export", str(folder)).exit_code == 1
    assert list(tmp_path.rglob("*")) == [folder]
