"""One line per finished request, complete, and without a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.access_log import AccessLog, Line, LogFormat, json_line, text_line
from fleet_runtime.telemetry.logging_setup import JsonFormatter, TextFormatter
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.fleet_process import run_fleet
from tests.support.process import gateway_process
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import Peer, raw_server, responding
from tests.support.waiting import until

NOW = 1_795_300_000.25
MOMENT = "2026-11-21T22:26:40.250Z"
UNARY = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n"answer!"'
PAIR = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def record(**fields: Any) -> RequestRecord:
    told = RequestRecord("r1", "arena", "/v1/chat/completions", started_at=10.0, finished_at=12.5)
    for name, value in fields.items():
        setattr(told, name, value)
    return told


def whole() -> RequestRecord:
    return record(
        requested="old name",
        provider="a",
        model="m",
        via="sidecar",
        fallback=True,
        status=200,
        bytes_in=10,
        bytes_out=20,
        first_byte_at=10.25,
        gateway_seconds=0.000125,
    )


def test_a_line_of_json_holds_every_member() -> None:
    line = json.loads(json_line(whole(), NOW))
    assert tuple(line) == Line.__struct_fields__
    assert line == {
        "time": MOMENT,
        "level": "info",
        "message": "request",
        "request_id": "r1",
        "surface": "arena",
        "endpoint": "/v1/chat/completions",
        "requested": "old name",
        "provider": "a",
        "model": "m",
        "via": "sidecar",
        "fallback": True,
        "retried": False,
        "status": 200,
        "end_reason": "ok",
        "code": None,
        "bytes_in": 10,
        "bytes_out": 20,
        "first_byte": 0.25,
        "total": 2.5,
        "own": 0.000125,
    }


def test_a_line_of_text_says_the_same() -> None:
    assert text_line(whole(), NOW).decode() == (
        f'{MOMENT} INFO request id=r1 surface=arena endpoint="/v1/chat/completions" requested="old name"'
        ' provider=a model="m" via=sidecar fallback=yes retried=no status=200 end_reason=ok code=-'
        " bytes_in=10 bytes_out=20 first_byte=0.250000 total=2.500000 own=0.000125\n"
    )


def test_what_is_not_known_is_null_or_a_dash() -> None:
    told = record(surface=None, end_reason="refused", code="unauthorized", status=401)
    line = json.loads(json_line(told, NOW))
    assert [name for name, value in line.items() if value is None] == [
        "surface",
        "requested",
        "provider",
        "model",
        "via",
        "first_byte",
        "own",
    ]
    assert "requested=- provider=- model=- via=-" in text_line(told, NOW).decode()


@given(st.text(), st.text())
def test_whatever_a_client_calls_a_model_it_stays_one_line_of_known_members(sent_at: str, path: str) -> None:
    told = record(requested=sent_at, model=sent_at, endpoint="/" + path)
    text = text_line(told, NOW)
    assert text.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in text[:-1])
    pairs = dict(PAIR.findall(text.decode()))
    assert len(pairs) == 17
    assert json.loads(pairs["requested"]) == sent_at[:256]
    assert pairs["status"] == "0"
    line = json_line(told, NOW)
    assert line.count(b"\n") == 1
    assert json.loads(line)["model"] == sent_at[:256]


def test_a_very_long_name_is_truncated() -> None:
    assert len(json_line(record(requested="x" * 1_000_000), NOW)) < 1000
    assert len(text_line(record(requested="x" * 1_000_000), NOW)) < 1000


@pytest.mark.parametrize("line", [text_line, json_line])
def test_long_names_are_not_kept(line: Callable[[RequestRecord, float], bytes]) -> None:
    tracemalloc.start()
    try:
        for number in range(50):
            line(record(requested=f"{number}" * 100_000, endpoint=f"/{number}" * 100_000), NOW)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000


class Lines:
    """Takes lines as the writer of the log does."""

    def __init__(self) -> None:
        self.writes: list[tuple[bytes, int]] = []

    def __call__(self, lines: bytes, count: int, /) -> None:
        assert lines.count(b"\n") == count
        self.writes.append((lines, count))


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/api/fleet"])
def test_requests_of_monitoring_are_logged_only_if_rejected(path: str) -> None:
    lines = Lines()
    log = AccessLog("text", lines)
    log.add([record(endpoint=path, inference=False, status=200)])
    assert lines.writes == []
    log.add([record(endpoint=path, inference=False, status=401, end_reason="refused")])
    assert len(lines.writes) == 1


def test_a_sample_leaves_out_only_requests_that_ended_well() -> None:
    lines = Lines()
    log = AccessLog("json", lines, sample=5)
    log.add([record(status=200, bytes_in=number) for number in range(20)])
    for status, reason in ((404, "refused"), (200, "upstream_cut"), (500, "ok"), (200, "client_gone")):
        log.add([record(status=status, end_reason=reason)])
    told = [json.loads(line) for text, _ in lines.writes for line in text.splitlines()]
    assert [line["bytes_in"] for line in told[:4]] == [4, 9, 14, 19]
    assert [line["status"] for line in told[4:]] == [404, 200, 500, 200]


def test_the_moment_of_a_line_is_the_end_of_its_request() -> None:
    lines = Lines()
    log = AccessLog("json", lines)
    now = time.perf_counter()
    log.add([record(started_at=now - age - 1, finished_at=now - age) for age in (3600.0, 0.0)])
    first, second = (
        datetime.fromisoformat(json.loads(line)["time"]) for line in lines.writes[0][0].splitlines()
    )
    assert round((second - first).total_seconds()) == 3600
    assert abs((datetime.now(UTC) - second).total_seconds()) < 60


@pytest.mark.anyio
async def test_the_log_goes_to_a_file_that_sighup_opens_again(tmp_path: Path) -> None:
    async with raw_server(responding(UNARY)) as server:
        machine = connection("a", server.url, poll=False, declared={"m": {}})
        write_generated(tmp_path / "generated", gateway(machine))
        file, moved = tmp_path / "access.log", tmp_path / "access.log.1"
        async with gateway_process(tmp_path / "generated", "--access-log", str(file)) as served:
            await ask(served.port, "/v1/chat/completions", {"model": "a/m"}, {"x-request-id": "first"})
            await until(lambda: "id=first" in file.read_text())
            file.rename(moved)
            served.send(signal.SIGHUP)
            await until(file.exists)
            await ask(served.port, "/v1/chat/completions", {"model": "a/m"}, {"x-request-id": "second"})
            served.send(signal.SIGTERM)
            assert await served.ended() == 0
            assert not any("request id=" in line for line in served.lines)
        assert [dict(PAIR.findall(one.read_text()))["id"] for one in (moved, file)] == ["first", "second"]


@pytest.mark.anyio
async def test_a_log_that_is_off_is_off_and_one_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write_generated(tmp_path / "generated", gateway(connection("a", poll=False)))
    async with gateway_process(tmp_path / "generated", "--access-log", "off") as served:
        assert (await ask(served.port, "/nowhere", {})).status == 404
        served.send(signal.SIGTERM)
        assert await served.ended() == 0
        assert not any("request id=" in line for line in served.lines)
    result = run_fleet(
        *("serve", "--generated", "generated", "--listen", "127.0.0.1:0", "--access-log", "generated"),
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (
        1,
        "error: cannot write the access log to 'generated': Is a directory\n",
    )


def test_other_lines_have_the_form_of_the_log() -> None:
    told = logging.makeLogRecord(
        {
            "name": "fleet",
            "levelname": "WARNING",
            "msg": "%s\nx",
            "args": ("a",),
            "created": NOW,
            "msecs": 250,
        }
    )
    line = JsonFormatter().format(told)
    assert json.loads(line) == {"time": MOMENT, "level": "warning", "message": "a\nx", "logger": "fleet"}
    assert "\n" not in line
    assert TextFormatter().format(told) == f"{MOMENT} WARNING a\nx"


def test_a_traceback_in_json_stays_on_its_line() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    line = JsonFormatter().format(logging.makeLogRecord({"msg": "failed", "exc_info": info}))
    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ValueError: no")


@pytest.mark.anyio
@pytest.mark.parametrize("form", ["text", "json"])
async def test_the_log_shows_every_request_and_no_body_and_no_key(tmp_path: Path, form: LogFormat) -> None:
    async with raw_server(responding(UNARY)) as server:
        machine = connection("a", server.url, poll=False, declared={"m": {}}, api_key_env="MACHINE")
        generated = tmp_path / "generated"
        write_generated(generated, gateway(machine, keys={"laptop": {"env": "LAPTOP"}}))
        env = {"LAPTOP": "canary-laptop", "MACHINE": "canary-machine"}
        async with gateway_process(generated, "--log-format", form, env=env) as served:
            key = {"authorization": "Bearer canary-laptop"}
            wrong = {"authorization": "Bearer canary-wrong"}
            chat = {"model": "a/m", "messages": [{"role": "user", "content": "canary-question"}]}
            await ask(served.port, "/boochat/v1/chat/completions", chat, key | {"x-request-id": "first"})
            await ask(served.port, "/boochat/v1/chat/completions", chat, wrong | {"x-request-id": "second"})
            await ask(served.port, "/v1/models", headers=key | {"x-request-id": "third"})
            await ask(served.port, "/api/models", headers=key | {"x-request-id": "fourth"})
            await ask(served.port, "/nowhere?key=canary-query", headers=key | {"x-request-id": "fifth"})
            await ask(served.port, "/health", headers={"x-request-id": "sixth"})
            served.send(signal.SIGTERM)
            assert await served.ended() == 0
            lines = served.lines
    text = "".join(lines)
    assert "canary" not in text
    assert "answer!" not in text
    if form == "json":
        told = {line["request_id"]: line for line in map(json.loads, lines) if line["message"] == "request"}
    else:
        told = {pairs["id"]: pairs for line in lines if (pairs := dict(PAIR.findall(line))) and "id" in pairs}
    assert list(told) == ["first", "second", "third", "fourth", "fifth"]
    assert [(str(line["status"]), line["end_reason"]) for line in told.values()] == [
        ("200", "ok"),
        ("401", "refused"),
        ("200", "ok"),
        ("200", "ok"),
        ("404", "refused"),
    ]
    assert told["second"]["code"] == "unauthorized"
    assert str(told["first"]["bytes_out"]) == "9"


@pytest.mark.anyio
async def test_a_client_that_goes_is_reported_as_gone(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await peer.send(b"3\r\n: \n\r\n")
        await peer.gone()
        gone.set()

    async with raw_server(endless) as server:
        machine = connection("a", server.url, poll=False, declared={"m": {}})
        write_generated(tmp_path / "generated", gateway(machine))
        async with gateway_process(tmp_path / "generated") as served:
            async with client(served.port) as browser:
                await browser.send(request("/v1/chat/completions", {"model": "a/m", "stream": True}))
                await browser.head()
            await gone.wait()
            assert "status=200 end_reason=client_gone" in await served.said("INFO request ")
