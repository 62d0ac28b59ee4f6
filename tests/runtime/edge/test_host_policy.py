"""Host names and browser origins: known ones are accepted, all others rejected, also for inference."""

from __future__ import annotations

import pytest

from fleet_runtime.edge.host_policy import HostPolicy
from fleet_runtime.errors import RequestError
from tests.support import artifacts
from tests.support.artifacts import connection
from tests.support.gateway import running_gateway
from tests.support.heads import read_head
from tests.support.raw_client import ask, client
from tests.support.raw_server import raw_server, responding

CHAT = "/v1/chat/completions"
OK = b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\n{}"


def code(host: str, origin: str | None = None, *, listen: str = "127.0.0.1:8400") -> str | None:
    gateway = artifacts.gateway(
        connection("a"),
        listen=listen,
        url="http://fleet.example:8400",
        hosts=("box", "fd00::5", "bücher.example"),
        origins=("https://chat.example",),
    )
    head = b"GET / HTTP/1.1\r\nhost: " + host.encode("latin-1")
    if origin is not None:
        head += b"\r\norigin: " + origin.encode()
    try:
        HostPolicy(gateway).check(read_head(head))
    except RequestError as refusal:
        return refusal.answer.code
    return None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8400",
        "127.0.0.1:1",
        "localhost:8400",
        "LOCALHOST",
        "[::1]:8400",
        "fleet.example",
        "Fleet.Example:8400",
        "box:80",
        "[fd00::5]",
        "xn--bcher-kva.example",
    ],
)
def test_names_of_the_gateway_are_accepted_with_any_port(host: str) -> None:
    assert code(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8400",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[fd00::6]",
        "box.",
    ],
)
def test_other_names_are_rejected(host: str) -> None:
    assert code(host) == "forbidden_host"


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "user@box", "box:80:80", "box:x", "[::1", "[box]", "[::1]x", "b\xfccher", "a,b"],
)
def test_an_invalid_host_is_a_bad_request(host: str) -> None:
    assert code(host) == "bad_request"


def test_on_a_wildcard_address_any_literal_address_is_ours_and_a_foreign_name_is_not() -> None:
    for listen in ("0.0.0.0:8400", "[::]:8400"):
        assert code("10.0.0.1:8400", listen=listen) is None
        assert code("[fd00::6]:8400", listen=listen) is None
        assert code("evil.example:8400", listen=listen) == "forbidden_host"


def test_origins_are_those_configured_and_the_gateway_itself() -> None:
    assert code("box", "https://chat.example") is None
    assert code("box:8400", "http://box:8400") is None
    for origin in (
        "https://evil.example",
        "http://chat.example",
        "null",
        "http://localhost:3000",
        "file://",
        "",
    ):
        assert code("box", origin) == "forbidden_origin"


@pytest.mark.anyio
async def test_a_foreign_origin_reaches_no_provider_and_a_foreign_host_neither() -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        origin = await ask(gateway.port, CHAT, {"model": "a/m"}, {"origin": "https://evil.example"})
        assert (origin.status, origin.code) == (403, "forbidden_origin")
        host = await ask(gateway.port, CHAT, {"model": "a/m"}, {"host": "evil.example"})
        assert (host.status, host.code) == (403, "forbidden_host")
        assert machine.requests == []


@pytest.mark.anyio
async def test_a_configured_origin_may_send_requests_and_read_the_responses() -> None:
    origin = "https://chat.example"
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url), origins=(origin,)) as gateway,
    ):
        asking = {"origin": origin, "access-control-request-method": "POST"}
        asking["access-control-request-headers"] = "authorization,x-stainless-os"
        before = await ask(gateway.port, CHAT, None, asking, method="OPTIONS")
        assert before.status == 204
        assert before.header(b"access-control-allow-origin") == [origin.encode()]
        assert b"POST" in before.header(b"access-control-allow-methods")[0]
        assert before.header(b"access-control-allow-headers") == [b"authorization,x-stainless-os"]
        answer = await ask(gateway.port, CHAT, {"model": "a/m"}, {"origin": origin})
        assert answer.status == 200
        assert answer.header(b"access-control-allow-origin") == [origin.encode()]
        assert b"x-fleet-model" in answer.header(b"access-control-expose-headers")[0]
        assert answer.header(b"vary") == [b"origin"]
        [sent] = machine.requests
        assert sent.header(b"origin") == []
        refused = await ask(gateway.port, CHAT, {"model": "a/nope"}, {"origin": origin})
        assert refused.status == 404
        assert refused.header(b"access-control-allow-origin") == [origin.encode()]


@pytest.mark.anyio
async def test_without_an_origin_there_are_no_cors_headers_even_if_the_provider_sends_some() -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        answer = await ask(gateway.port, CHAT, {"model": "a/m"})
        assert answer.header(b"access-control-allow-origin") == []


@pytest.mark.anyio
async def test_two_origins_are_rejected_whichever_would_be_allowed() -> None:
    async with running_gateway(connection("a"), origins=("https://chat.example",)) as gateway:
        for first, second in (
            (b"https://chat.example", b"http://evil.example"),
            (b"http://evil.example", b"https://chat.example"),
        ):
            async with client(gateway.port) as browser:
                origins = b"origin: %b\r\norigin: %b\r\n" % (first, second)
                await browser.send(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n" + origins + b"\r\n")
                answer = await browser.answer()
                assert (answer.status, answer.code) == (400, "bad_request")
                assert answer.header(b"access-control-allow-origin") == []
