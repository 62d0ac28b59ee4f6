"""Which headers are forwarded to a provider and to the client."""

from __future__ import annotations

from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.proxy.request_head import percent_encoded, without_model
from tests.support.gateway import gateway_before
from tests.support.heads import read_head
from tests.support.raw_client import ask
from tests.support.raw_server import responding

CHAT = "/v1/chat/completions"
BODY = {"model": "a/m"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

CLIENTS_OWN = {
    "Authorization": "Bearer CANARY",
    "X-Api-Key": "CANARY",
    "Api-Key": "CANARY",
    "Cookie": "session=CANARY",
    "Proxy-Authorization": "Basic CANARY",
    "Proxy-Connection": "CANARY",
    "X-Forwarded-For": "CANARY",
    "X-Forwarded-Host": "CANARY",
    "X-Real-IP": "CANARY",
    "Forwarded": "for=CANARY",
    "X-Fleet-Provider": "CANARY",
    "Connection": "close, X-Foo",
    "X-Foo": "CANARY",
    "TE": "trailers",
    "Keep-Alive": "timeout=CANARY",
    "Trailer": "CANARY",
    "Referer": "http://127.0.0.1/CANARY",
}


@pytest.mark.anyio
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
@pytest.mark.parametrize("keys", [{}, {"a": "machines-own-key"}], ids=["without a key", "with a key"])
async def test_fault_24_a_provider_sees_its_own_key_and_nothing_of_who_the_client_is(
    path: str, keys: dict[str, str]
) -> None:
    async with gateway_before(responding(OK), keys=keys) as (machine, gateway):
        sent_on = {
            "User-Agent": "x/1",
            "anthropic-version": "2023-06-01",
            "X-Conversation-Id": "7",
            "Accept": "a",
        }
        assert (await ask(gateway.port, path, BODY, CLIENTS_OWN | sent_on)).status == 200
        [sent] = machine.requests
        assert b"CANARY" not in sent.head
        assert sent.header(b"host") == [f"127.0.0.1:{machine.port}".encode()]
        assert sent.header(b"authorization") == ([b"Bearer machines-own-key"] if keys else [])
        assert sent.header(b"x-api-key") == ([b"machines-own-key"] if keys and path != CHAT else [])
        for name, value in sent_on.items():
            assert sent.header(name.lower().encode()) == [value.encode()]
        for name in ("connection", "te", "keep-alive", "trailer", "x-foo"):
            assert sent.header(name.encode()) == []


@pytest.mark.anyio
async def test_a_providers_end_to_end_headers_come_back_with_duplicates_and_without_its_own_hop() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-Two: 1\r\nX-Two: 2\r\nX-Accel-Buffering: no\r\nX-Hop: 1\r\n"
        b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nEmpty:\r\n"
        b"X-Fleet-Provider: somebody else\r\nX-Request-Id: another\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    async with gateway_before(responding(head)) as (_, gateway):
        answer = await ask(gateway.port, CHAT, BODY)
        assert answer.header(b"set-cookie") == []
        assert answer.header(b"x-two") == [b"1", b"2"]
        assert answer.header(b"x-accel-buffering") == [b"no"]
        assert answer.header(b"empty") == [b""]
        assert answer.header(b"x-fleet-provider") == [b"a"]
        assert len(answer.header(b"x-request-id")) == 1
        assert answer.header(b"x-hop") == answer.header(b"keep-alive") == answer.header(b"connection") == []


ORIGINS = (
    *("Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Refresh", "Service-Worker-Allowed", "Accept-CH"),
    *("Strict-Transport-Security", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Expect-CT", "Alt-Svc"),
    *("Content-Security-Policy", "Content-Security-Policy-Report-Only", "NEL", "Report-To"),
    *("Reporting-Endpoints", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"),
    "Access-Control-Max-Age",
)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ORIGINS)
async def test_a_header_that_acts_on_the_gateways_origin_is_not_forwarded(name: str) -> None:
    lines = b"".join(b"%b: x\r\n" % spelled.encode() for spelled in (name, name.lower(), name.upper()))
    head = b"HTTP/1.1 200 OK\r\nX-Kept: 1\r\n%bContent-Length: 2\r\n\r\n{}" % lines
    async with gateway_before(responding(head)) as (_, gateway):
        response = await ask(gateway.port, CHAT, BODY)
        assert response.header(b"x-kept") == [b"1"]
        assert response.header(name.lower().encode()) == []


@pytest.mark.anyio
async def test_a_json_body_is_sent_as_json_whatever_its_content_type_said() -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        for given_type, onward in (
            ("application/x-www-form-urlencoded", b"application/json"),
            ("text/plain", b"application/json"),
            ("application/json; charset=utf-8", b"application/json; charset=utf-8"),
        ):
            await ask(gateway.port, CHAT, BODY, {"content-type": given_type})
            assert machine.requests.pop().header(b"content-type") == [onward]


@pytest.mark.anyio
async def test_a_valid_request_id_is_kept_and_any_other_replaced() -> None:
    """Ours can be read as a UUID: llama-cpp-python answers 400 to any other."""
    async with gateway_before(responding(OK)) as (machine, gateway):
        answer = await ask(gateway.port, CHAT, BODY, {"x-request-id": "req-1_a.b:c"})
        assert answer.header(b"x-request-id") == [b"req-1_a.b:c"]
        assert machine.requests.pop().header(b"x-request-id") == [b"req-1_a.b:c"]
        assert (await gateway.record()).request_id == "req-1_a.b:c"
        for unsound in ("a b", "x" * 129, "a;b", "\xe9"):
            answer = await ask(gateway.port, CHAT, BODY, {"x-request-id": unsound})
            [made] = answer.header(b"x-request-id")
            assert made != unsound.encode("latin-1")
            assert UUID(made.decode()).hex == made.decode()
            assert machine.requests.pop().header(b"x-request-id") == [made]
        first = await ask(gateway.port, "/v1/models")
        second = await ask(gateway.port, "/v1/nope")
        assert first.header(b"x-request-id") != second.header(b"x-request-id")


def test_a_model_in_a_header_is_percent_encoded() -> None:
    assert percent_encoded("a/qwen3:8b@q4") == b"a/qwen3:8b@q4"
    assert percent_encoded("a/x y\r\nz%é") == b"a/x%20y%0D%0Az%25%C3%A9"


@given(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")))
def test_no_query_leaves_with_a_model_in_it(query: bytes) -> None:
    onward = without_model(query)
    pairs = parse_qsl(onward.decode("latin-1"), keep_blank_values=True)
    assert not any(name.strip().lower() == "model" for name, _ in pairs)
    if b"model" not in query.lower() and b"%" not in query:
        assert onward == query


@given(st.lists(st.tuples(st.text("abc-xty", min_size=1), st.text("ab, -"))))
def test_any_headers_can_be_read(pairs: list[tuple[str, str]]) -> None:
    lines = [f"{name}: {value}".encode() for name, value in pairs]
    head = read_head(b"\r\n".join([b"GET / HTTP/1.1", b"host: a", *lines]))
    assert head.forwarded.count(b"\r\n") <= len(pairs) + 2
