"""Lists that many readers share: compressed from kept bytes, and the same whatever the favorites are."""

from __future__ import annotations

import gzip

import httpx
import pytest

from fleet_runtime.catalog.etag import TaggedBody, accepts_gzip
from tests.support.stack import Stack

LISTS = ("/api/models", "/api/picker?surface=boochat")


def read(stack: Stack, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """A response, and its body as it was sent."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with stack.client.stream("GET", path, headers={"accept-encoding": "identity"} | sent) as response:
        return response, b"".join(response.iter_raw())


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_compressed_for_a_client_that_takes_gzip(stack: Stack, path: str) -> None:
    plain, body = read(stack, path)
    compressed, packed = read(stack, path, accept_encoding="br, gzip;q=0.8")
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.headers["content-length"] == str(len(packed))
    assert gzip.decompress(packed) == body
    assert len(packed) < len(body)
    assert plain.headers["vary"] == compressed.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("path", LISTS)
def test_each_representation_has_a_tag_and_is_not_sent_twice(stack: Stack, path: str) -> None:
    tags = {}
    for coding in ("identity", "gzip"):
        response, _ = read(stack, path, accept_encoding=coding)
        tags[coding] = response.headers["etag"]
        again, body = read(stack, path, accept_encoding=coding, if_none_match=tags[coding])
        assert (again.status_code, body, again.headers["etag"]) == (304, b"", tags[coding])
        assert "content-encoding" not in again.headers
    assert tags["identity"] != tags["gzip"]
    other, _ = read(stack, path, accept_encoding="gzip", if_none_match=tags["identity"])
    assert other.status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_without_favorites_a_list_is_the_same_whatever_they_are(stack: Stack, path: str) -> None:
    shared = httpx.URL(path).copy_add_param("favorites", "none")
    before, mine = stack.client.get(shared), stack.client.get(path)
    stack.client.put("/api/favorites/attic/qwen3-8b").raise_for_status()
    after, other = stack.client.get(shared), stack.client.get(path)
    stack.client.delete("/api/favorites/attic/qwen3-8b").raise_for_status()
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert other.headers["etag"] != mine.headers["etag"]
    models = [model for provider in after.json()["providers"] for model in provider["models"]]
    assert {model["favorite"] for model in models} == {None}
    assert after.json().get("favorites", []) == []
    stripped = [
        {**model, "favorite": None} for provider in other.json()["providers"] for model in provider["models"]
    ]
    assert models == stripped


def test_another_word_for_favorites_is_an_invalid_request(stack: Stack) -> None:
    error = stack.client.get("/api/models?favorites=mine").json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "favorites")


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.1", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("deflate;q=1, *;q=0.5", True),
    ],
)
def test_which_clients_take_gzip(header: str | None, accepts: bool) -> None:
    assert accepts_gzip(header) is accepts


def test_a_body_is_compressed_once() -> None:
    tagged = TaggedBody(b"a" * 5000)
    assert tagged.compressed() is tagged.compressed()
    assert gzip.decompress(tagged.compressed().body) == tagged.body
