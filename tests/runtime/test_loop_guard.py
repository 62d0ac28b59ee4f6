"""What `CDN-Loop` says of a request, and which lists come from the gateway itself."""

from __future__ import annotations

import pytest

from fleet_runtime.loop_guard import LINE, MAX_PASSED, TOKEN, gateway_view, is_from_gateway, refusal

OWN, OTHER, THIRD = (b"fleet-" + digit * 12 for digit in (b"0", b"1", b"2"))


@pytest.mark.parametrize("value", [b"", b"cloudflare; loops=3", OTHER, OTHER + b", " + THIRD])
def test_a_request_of_others_passes(value: bytes) -> None:
    assert refusal(value, OWN) is None


@pytest.mark.parametrize(
    ("value", "through"),
    [(OWN, "it came back:"), (OWN + b", " + OTHER, "through 1 other gateway:"), (b"x, " + OWN, "came back:")],
)
def test_the_own_token_is_refused(value: bytes, through: str) -> None:
    refused = refusal(value, OWN)
    assert refused is not None
    assert (refused.answer.code, refused.answer.status) == ("loop_detected", 508)
    assert (b"x-should-retry", b"false") in refused.answer.headers
    assert through in refused.answer.message


def test_too_many_gateways_are_refused() -> None:
    assert refusal(b", ".join([OTHER] * MAX_PASSED), OWN) is None
    refused = refusal(b", ".join([OTHER] * (MAX_PASSED + 1)), OWN)
    assert refused is not None
    assert f"{MAX_PASSED + 1} gateways" in refused.answer.message


def test_the_token_is_one_header_line_that_says_nothing_of_the_gateway() -> None:
    assert LINE == b"cdn-loop: " + TOKEN + b"\r\n"
    assert len(TOKEN) == len(OWN)
    int(TOKEN.removeprefix(b"fleet-"), 16)


@pytest.mark.parametrize(("value", "is_one"), [(None, False), (b"cloudflare", False), (OTHER, True)])
def test_a_gateway_is_known_by_its_token(value: bytes | None, is_one: bool) -> None:
    assert is_from_gateway(value) is is_one


def test_a_provider_whose_list_comes_from_this_gateway_is_circular() -> None:
    own, other, third = OWN.decode(), OTHER.decode(), THIRD.decode()
    seen = gateway_view({"box": (), "b": (other, own), "c": (third,)}, OWN)
    assert seen.circular == {"b"}
    assert seen.line == f"x-fleet-gateways: {own}, {other}, {third}\r\n".encode()
