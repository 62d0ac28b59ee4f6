"""What `CDN-Loop` says of a request, and which lists come from the gateway itself."""

from __future__ import annotations

import os

import pytest

from fleet_runtime.loop_guard import MAX_PASSED, OWN, Identity, gateway_view, is_from_gateway, refusal

SELF = Identity()
OTHER, THIRD = (b"fleet-" + digit * 12 for digit in (b"1", b"2"))


@pytest.mark.parametrize("value", [b"", b"cloudflare; loops=3", OTHER, OTHER + b", " + THIRD])
def test_a_request_of_others_passes(value: bytes) -> None:
    assert refusal(value, SELF) is None


@pytest.mark.parametrize(
    ("value", "through"),
    [(b"%b", "came back:"), (b"%b, " + OTHER, "through 1 other gateway:"), (b"x, %b", "came back:")],
)
def test_the_own_token_is_rejected(value: bytes, through: str) -> None:
    rejected = refusal(value % SELF.token, SELF)
    assert rejected is not None
    assert (rejected.answer.code, rejected.answer.status) == ("loop_detected", 508)
    assert (b"x-should-retry", b"false") in rejected.answer.headers
    assert through in rejected.answer.message


def test_too_many_gateways_are_refused() -> None:
    assert refusal(b", ".join([OTHER] * MAX_PASSED), SELF) is None
    refused = refusal(b", ".join([OTHER] * (MAX_PASSED + 1)), SELF)
    assert refused is not None
    assert f"{MAX_PASSED + 1} gateways" in refused.answer.message


def test_the_token_is_one_header_line_that_says_nothing_of_the_gateway() -> None:
    assert OWN.line == b"cdn-loop: " + OWN.token + b"\r\n"
    assert len(OWN.token) == len(OTHER)
    int(OWN.token.removeprefix(b"fleet-"), 16)


def test_a_process_that_is_forked_has_a_token_of_its_own() -> None:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, OWN.token)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        theirs = pipe.read()
    assert theirs.startswith(b"fleet-")
    assert theirs != OWN.token


@pytest.mark.parametrize(("value", "is_one"), [(None, False), (b"cloudflare", False), (OTHER, True)])
def test_a_gateway_is_known_by_its_token(value: bytes | None, is_one: bool) -> None:
    assert is_from_gateway(value) is is_one


def test_a_provider_whose_list_comes_from_this_gateway_is_circular() -> None:
    own, other, third = SELF.token.decode(), OTHER.decode(), THIRD.decode()
    seen = gateway_view({"box": (), "b": (other, own), "c": (third,)}, SELF)
    assert seen.circular == {"b"}
    assert seen.line == f"x-fleet-gateways: {own}, {other}, {third}\r\n".encode()
