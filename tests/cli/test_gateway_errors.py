"""What commands say about a URL, a key and a server that is not a gateway: never a traceback or a secret."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest
from msgspec import structs

from fleet_runtime.api.examples import EXAMPLES
from fleet_runtime.api.shapes import FleetStatus
from tests.cli.conftest import Fleet
from tests.support.fleet_process import run_fleet
from tests.support.raw_server import raw_server, responding
from tests.support.stack import Stack

READERS = (["status"], ["status", "--json"], ["doctor", "--json"], ["favorites", "list"])
COMMANDS = (["status"], ["doctor", "--json"], ["ask", "desk/m", "hi"])
NOTHING = "http://127.0.0.1:9"
LONG = "x" * 100_000


def response(body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(("HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers))
    return f"{head}\r\n\r\n".encode() + body


async def at_server(answer: bytes, folder: Path, *command: str) -> CompletedProcess[str]:
    async with raw_server(responding(answer)) as server:
        return await asyncio.to_thread(run_fleet, *command, "--url", server.url, cwd=folder)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "url",
    [
        "../x",
        "http://127.0.0.1:9/\x1b[2J",
        f"{NOTHING}/{LONG}",
        f"http://[{LONG[:1900]}]",
        f"{NOTHING}/?key=SECRET",
    ],
    ids=["no scheme", "escape", "long", "long host", "query"],
)
def test_a_url_that_is_not_one_of_a_gateway_is_wrong_usage(
    command: list[str], url: str, tmp_path: Path
) -> None:
    ran = run_fleet(*command, "--url", url, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is not the URL of a gateway: " in ran.stderr
    assert "SECRET" not in ran.stderr
    assert len(ran.stderr) < 1000


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "code", "key", "remedy"),
    [
        (["status"], "unauthorized", None, "; set FLEET_KEY\n"),
        (["status"], "unauthorized", "wrong", "; set FLEET_KEY to one of its keys (`gateway.keys`)\n"),
        (["status"], "surface_not_allowed", "k", "no; set FLEET_KEY to a key without `surfaces`\n"),
        (
            ["ask", "desk/m", "hi"],
            "surface_not_allowed",
            "k",
            "no; name a surface of the key with --surface, or",
        ),
    ],
    ids=["missing", "wrong", "limited", "limited, with --surface"],
)
async def test_a_refused_key_is_followed_by_what_to_do(
    command: list[str], code: str, key: str | None, remedy: str, tmp_path: Path
) -> None:
    body = msgspec.json.encode({"error": {"message": "no", "code": code}})
    answer = response(body).replace(b"200 OK", b"403 No")
    async with raw_server(responding(answer)) as server:
        env = {} if key is None else {"FLEET_KEY": key}
        ran = await asyncio.to_thread(run_fleet, *command, "--url", server.url, cwd=tmp_path, env=env)
    assert remedy in ran.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("is_variable", [False, True], ids=["--url", "FLEET_URL"])
def test_the_credentials_of_a_url_are_never_shown(
    command: list[str], is_variable: bool, tmp_path: Path
) -> None:
    url = "http://u:SECRET@127.0.0.1:9"
    named = [] if is_variable else ["--url", url]
    ran = run_fleet(*command, *named, cwd=tmp_path, env={"FLEET_URL": url} if is_variable else None)
    shown = ran.stdout + ran.stderr
    assert ran.returncode == 4, shown
    assert "http://***@127.0.0.1:9" in shown
    assert "SECRET" not in shown


def test_a_long_url_of_a_gateway_that_does_not_respond_is_cut(tmp_path: Path) -> None:
    ran = run_fleet("doctor", "--url", f"{NOTHING}/{LONG[:1900]}", cwd=tmp_path)
    assert ran.returncode == 4
    assert "gateway 'http://127.0.0.1:9/xxx" in ran.stdout
    assert len(ran.stdout + ran.stderr) < 500


def test_the_secrets_of_a_gateway_to_take_contexts_from_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(f"version: 1\ndefault_provider: a\nproviders: {{a: {NOTHING}}}\n")
    for url, code in (("http://u:SECRET@127.0.0.1:9", 4), (f"{NOTHING}/?key=SECRET", 2)):
        ran = run_fleet("lock", "--from-gateway", url, cwd=tmp_path)
        assert ran.returncode == code, ran.stderr
        assert "***" in ran.stderr
        assert "SECRET" not in ran.stderr


@pytest.mark.parametrize("key", ["SECRET\nx", "SECRETé"])
def test_a_key_that_no_header_can_hold_is_wrong_usage_and_not_shown(key: str, tmp_path: Path) -> None:
    ran = run_fleet("status", "--url", NOTHING, cwd=tmp_path, env={"FLEET_KEY": key})
    assert ran.returncode == 2
    assert "FLEET_KEY" in ran.stderr
    assert "SECRET" not in ran.stderr


@pytest.mark.parametrize("surface", ["x\ny", "../api", "", LONG], ids=["line break", "path", "empty", "long"])
def test_a_surface_that_is_not_a_name_is_wrong_usage(surface: str, tmp_path: Path) -> None:
    ran = run_fleet("ask", "desk/m", "hi", "--surface", surface, "--url", NOTHING, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is not the name of a surface" in ran.stderr
    assert len(ran.stderr) < 1000


@pytest.mark.anyio
@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            response(b"[" * 100_000, "content-type: application/json"),
            "is not a gateway (HTTP 200 without JSON)",
        ),
        (response(b'"\xff"', "content-type: application/json"), "is not a gateway (HTTP 200 without JSON)"),
        (response(b"abc", "content-encoding: gzip"), "is not a gateway (content-encoding 'gzip')"),
        (
            response(gzip.compress(b"{}"), "content-encoding: GZIP"),
            "is not a gateway (content-encoding 'GZIP')",
        ),
        (b"\x00\x01\r\n\r\n", "does not respond as HTTP requires ("),
    ],
    ids=["deep", "not text", "broken gzip", "gzip", "not HTTP"],
)
async def test_what_is_not_a_gateway_ends_with_exit_code_4(
    command: list[str], answer: bytes, said: str, tmp_path: Path
) -> None:
    ran = await at_server(answer, tmp_path, *command)
    assert ran.returncode == 4, ran.stderr
    assert said in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(b"abc", "content-encoding: gzip"), "is not a gateway (content-encoding 'gzip')"),
        (b"\x00\x01\r\n\r\n", "does not respond as HTTP requires ("),
    ],
    ids=["broken gzip", "not HTTP"],
)
async def test_asking_a_server_that_is_not_a_gateway_ends_with_exit_code_4(
    answer: bytes, said: str, tmp_path: Path
) -> None:
    ran = await at_server(answer, tmp_path, "ask", "desk/m", "hi")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert said in ran.stderr


@pytest.mark.anyio
async def test_a_response_without_choices_is_an_error(tmp_path: Path) -> None:
    answer = response(b"data: {}\n\ndata: [DONE]\n\n", "content-type: text/event-stream; charset=hex")
    ran = await at_server(answer, tmp_path, "ask", "desk/m", "hi")
    assert (ran.returncode, ran.stdout.strip()) == (1, "")
    assert "an unnamed provider sent no answer: its response has no `choices`" in ran.stderr


@pytest.mark.anyio
@pytest.mark.parametrize("command", READERS, ids=" ".join)
async def test_a_long_error_is_cut(command: list[str], tmp_path: Path) -> None:
    body = msgspec.json.encode({"error": {"code": "odd", "message": LONG}})
    answer = response(body).replace(b"200 OK", b"400 Bad Request")
    ran = await at_server(answer, tmp_path, *command)
    assert ran.returncode == 1
    assert "xxx…" in ran.stdout + ran.stderr
    assert len(ran.stdout + ran.stderr) < 2000


@pytest.mark.anyio
@pytest.mark.parametrize("command", [["status"], ["doctor"]], ids=" ".join)
async def test_times_that_are_none_are_of_another_version(command: list[str], tmp_path: Path) -> None:
    (example,) = (each for each in EXAMPLES.values() if isinstance(each, FleetStatus))
    (provider, *_) = example.providers
    odd = structs.replace(example, now="soon", providers=(structs.replace(provider, since="soon"),))
    ran = await at_server(response(msgspec.json.encode(odd)), tmp_path, *command)
    assert ran.returncode == 1
    assert "runs another version of fleet" in ran.stdout + ran.stderr


@pytest.mark.anyio
async def test_favorites_of_another_shape_are_of_another_version(tmp_path: Path) -> None:
    ran = await at_server(response(b"{}"), tmp_path, "favorites", "list")
    assert ran.returncode == 1
    assert "runs another version of fleet" in ran.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["load", "desk/\udcff"],
        ["wake", "\udcff"],
        ["favorites", "add", "desk/\udcff"],
        ["favorites", "remove", "\udcff/x"],
        ["favorites", "move", "\udcff", "--to", "1"],
        ["activity", "--surface", "\udcff"],
        ["activity", "--model", "\udcff"],
        ["top", "--surface", "\udcff"],
        ["speed", "\udcff"],
        ["bench", "\udcff", "--surface", "\udcff"],
        ["models", "--surface", "\udcff"],
        ["ask", "desk/\udcff", "hi"],
        ["ask", "desk/m", "\udcff"],
        ["env", "codex", "--surface", "\udcff"],
        ["connect", "--surface", "a&b"],
    ],
    ids=str,
)
def test_an_argument_that_is_not_utf8_is_sent_as_no_name_has_it(
    fleet: Fleet, stack: Stack, command: list[str]
) -> None:
    ran = fleet(*command, "--url", stack.url)
    assert ran.code in (1, 2) or ran.out.startswith("no requests"), ran
    assert "Traceback" not in ran.err
