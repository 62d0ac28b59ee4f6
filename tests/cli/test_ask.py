"""``fleet ask``: the answer as it arrives, its provider, and its times."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_compiler.commands.ask import Answer, AskError, read_answer, split_lines
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import run_fleet
from tests.support.stack import Stack, running_stack


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: desk
providers: {{desk: "{machines.url("desk")}"}}
surfaces: {{chat: {{roles: {{default: desk/m}}}}}}
gateway: {{listen: "{listen}"}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = [ServerSpec("desk", models=(SimulatedModel("m", context=4096),))]
    with running_stack(tmp_path_factory.mktemp("ask"), specs, fleet_yaml, online=["desk"]) as running:
        yield running


@pytest.mark.parametrize(
    "arguments",
    [
        ["desk/m", "hi"],
        ["--surface", "chat", "@default", "hi"],
        ["--surface", "chat", "m", "hi"],
        ["--surface", "chat", "say hi"],
        ["--surface", "chat", "desk/m"],
    ],
    ids=" ".join,
)
def test_the_answer_is_printed_with_its_model_and_times(stack: Stack, arguments: list[str]) -> None:
    ran = stack.fleet("ask", *arguments)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.strip()) > 0
    assert ran.stderr.startswith("desk/m, ")
    assert ran.stdout.strip().endswith(arguments[-1])
    assert " ms to the first token, " in ran.stderr
    assert ran.stderr.endswith(" tokens/s\n")


def test_the_answer_as_json_holds_its_measures(stack: Stack) -> None:
    ran = stack.fleet("ask", "--json", "desk/m", "hi")
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["provider"], told["id"]) == (0, "desk", "desk/m")
    assert told["finish_reason"] == "stop"
    assert told["content"]
    assert 0 <= told["first_token_ms"] <= told["total_ms"]


def test_a_request_that_is_rejected_says_why(stack: Stack) -> None:
    ran = stack.fleet("ask", "desk/nothing", "hi")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "'nothing'" in ran.stderr
    assert run_fleet("ask", "desk/m", "hi", "--url", "http://127.0.0.1:9", cwd=stack.folder).returncode == 4


def test_a_question_without_a_model_needs_the_role_default(stack: Stack) -> None:
    ran = stack.fleet("ask", "hi")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "unknown role '@default'; roles here: none; name a model: `fleet ask ID TEXT`" in ran.stderr


def test_a_question_without_quotes_is_not_sent(stack: Stack) -> None:
    ran = stack.fleet("ask", "desk/m", "say", "hi")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith("error: more than one ID and one TEXT: put the question in quotes\n")


def test_a_stream_that_is_cut_is_an_error(stack: Stack) -> None:
    stack.machines.set("desk", drop_at_byte=900)
    try:
        ran = stack.fleet("ask", "desk/m", "hi")
    finally:
        stack.machines.reset("desk")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("error: the response ")


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_not_sent(stack: Stack, question: str) -> None:
    ran = stack.fleet("ask", "desk/m", question)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (2, "error: the question is empty")


def take(*events: str) -> tuple[Answer, str]:
    answer = Answer()
    shown: list[str] = []
    read_answer(answer, [f"data: {event}" for event in events], lambda: 7, shown.append)
    return answer, "".join(shown)


def test_reasoning_counts_as_a_first_token_and_is_not_the_answer() -> None:
    answer, shown = take('{"choices": [{"delta": {"reasoning_content": "hm"}}]}', "[DONE]")
    assert (answer.first_token_ms, answer.reasoning, answer.content, shown) == (7, "hm", "", "")


@given(st.lists(st.binary(max_size=8)))
def test_lines_are_the_same_however_a_stream_is_cut(chunks: list[bytes]) -> None:
    assert list(split_lines(chunks)) == b"".join(chunks).decode(errors="replace").split("\n")


def test_an_endless_line_is_not_read_forever() -> None:
    with pytest.raises(AskError, match="more than 67108864 bytes"):
        list(split_lines(itertools.repeat(b"x" * (1 << 20))))


@pytest.mark.parametrize("tokens", [-1, 10**18, 10**400, 1.5, "1"])
def test_a_number_of_tokens_that_no_answer_has_is_not_known(tokens: object) -> None:
    times = iter(range(1000, 9000, 1000))
    answer = Answer()
    events = (
        '{"choices": [{"delta": {"content": "hi"}}]}',
        json.dumps({"usage": {"completion_tokens": tokens}}),
    )
    read_answer(answer, [f"data: {event}" for event in events], lambda: next(times), lambda _: None)
    assert (answer.tokens, answer.tokens_per_second) == (None, None)


def test_an_error_in_the_stream_is_reported() -> None:
    with pytest.raises(AskError, match="out of memory"):
        take('{"error": {"message": "out of memory"}}')


@given(st.recursive(st.none() | st.integers() | st.text(), lambda below: st.dictionaries(
    st.sampled_from(["choices", "delta", "content", "usage", "error", "finish_reason"]), below, max_size=3)
    | st.lists(below, max_size=2)))  # fmt: skip
def test_any_event_is_read_or_an_error(event: object) -> None:
    with suppress(AskError):
        take(json.dumps(event))
