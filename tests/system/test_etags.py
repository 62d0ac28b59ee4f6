"""Lists carry a tag: who holds one is not sent it again, until something about it changes."""

from __future__ import annotations

import httpx
import pytest

from fleet_runtime.catalog.etag import TaggedBody
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.system.conftest import SHARED

TAGGED = (
    "/api/models",
    "/api/models?surface=arena",
    "/api/models/embedding/qwen3-8b",
    "/api/picker?surface=boochat",
    "/v1/models",
    "/boochat/v1/models",
    "/providers/embedding/v1/models",
    "/v1/models/embedding/qwen3-8b",
)


def ask(stack: Stack, path: str, tag: str) -> httpx.Response:
    return stack.client.get(path, headers={"if-none-match": tag})


@pytest.mark.parametrize("path", TAGGED)
def test_a_list_that_the_client_holds_is_not_sent_again(stack: Stack, path: str) -> None:
    def is_held() -> bool:
        """Unless a probe has just found what an earlier test did."""
        tag = stack.client.get(path).headers["etag"]
        held = (tag, f"W/{tag}", f'"other", {tag}', "*")
        answers = [ask(stack, path, each) for each in held]
        return all(
            (each.status_code, each.content, each.headers["etag"]) == (304, b"", tag) for each in answers
        )

    eventually(is_held)
    whole = stack.client.get(path)
    tag = whole.headers["etag"]
    for other in ('"other"', "", tag.strip('"')):
        assert ask(stack, path, other).content == whole.content


def test_a_change_makes_a_new_tag_and_its_return_the_old_one(stack: Stack) -> None:
    def tag() -> str:
        return stack.client.get("/api/models").headers["etag"]

    before = tag()
    stack.client.put("/api/favorites/embedding/qwen3-8b").raise_for_status()
    assert tag() != before
    stack.client.delete("/api/favorites/embedding/qwen3-8b").raise_for_status()
    assert tag() == before
    stack.chat("embedding/qwen3-8b").raise_for_status()
    eventually(lambda: tag() != before)


def test_equal_bodies_have_equal_tags_and_others_do_not() -> None:
    bodies = [b"", *(model.encode() for model in SHARED)]
    assert len({TaggedBody(body).tag for body in bodies}) == len(bodies)
    assert TaggedBody(b"a").tag == TaggedBody(b"a").tag
    assert not TaggedBody(b"a").matches(None)
