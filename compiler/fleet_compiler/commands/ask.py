"""``fleet ask``: send one question to a model through the gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote

import click

from fleet_compiler.commands.fleet_names import complete_model, complete_surface
from fleet_compiler.commands.options import json_option
from fleet_compiler.commands.terminal import note, show_json
from fleet_compiler.diagnostics.errors import FleetError
from fleet_runtime.client import MAX_RESPONSE, GatewayResponseError, open_gateway, url_option
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.text_input import STANDARD, read_input
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.routing.model_id import PROVIDER_NAME
from fleet_runtime.text import count, escape, quote, shorten

DEFAULT = "@default"
MAX_SPEED = 1e9
MAX_TOKENS = 10**9
MAX_MESSAGE = 500
"""The maximum length of a provider's message."""


class AskError(FleetError):
    """The response ended in an error, or without an end."""

    exit_code = 1


@dataclass(slots=True)
class Answer:
    """The text of a response, and the `id` (`provider/model`) of the model that sent it. `first_token_ms` and
    `total_ms` are measured from the request, None without a response. `tokens_per_second` is the provider's
    figure, otherwise the tokens after the first divided by their time."""

    provider: str | None = None
    id: str | None = None
    content: str = ""
    reasoning: str = ""
    first_token_ms: int | None = None
    total_ms: int | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    finish_reason: str | None = None
    is_complete: bool = field(default=False, repr=False)


@click.command(
    epilog=epilog(
        'fleet ask sam-desktop/qwen3-8b "why is the sky blue?"',
        'fleet ask "why is the sky blue?"   # the role @default',
        "fleet ask @task - < question.txt",
        "fleet ask --json embedding/qwen3-8b hi | jq .first_token_ms",
        exits={
            0: "success",
            1: "the request failed",
            2: "usage error",
            4: "the gateway did not respond",
        },
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[ID] TEXT|-", shell_complete=complete_model)
@click.option("--surface", help="Send the request to this surface.", shell_complete=complete_surface)
@url_option
@json_option
def ask(words: tuple[str, ...], surface: str | None, url: str | None, as_json: bool) -> None:
    """Send TEXT to the model ID through the gateway, and print the answer as it arrives.

    A single argument is always TEXT; it is sent to the role @default. At the end, print the model, the time
    to the first token and the total time. TEXT `-` reads standard input.
    """
    import httpx

    if len(words) > 2:
        raise click.UsageError("more than one ID and one TEXT: put the question in quotes")
    id, text = (DEFAULT, *words)[-2:]
    if surface is not None and not PROVIDER_NAME.match(surface):
        raise click.BadParameter(f"{quote(surface)} is not the name of a surface", param_hint="'--surface'")
    prompt = read_input(STANDARD) if text == "-" else text
    if not prompt.strip():
        raise click.UsageError("the question is empty")
    base = f"/{surface}" if surface is not None else ""
    body = {
        "model": id,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    with open_gateway(url) as gateway, wait_line(f"waiting for {shorten(id)}") as line:
        started = time.monotonic()
        path = f"{base}/v1/chat/completions"
        with _naming_a_model(words), gateway.stream(path, json.dumps(body).encode()) as response:
            model = response.headers.get("x-fleet-model")
            answer = Answer(
                response.headers.get("x-fleet-provider"), None if model is None else unquote(model)
            )

            def show(part: str) -> None:
                if not as_json:
                    line.end()
                    _show(part)

            try:
                read_answer(
                    answer, split_lines(response.iter_raw()), lambda: _milliseconds_since(started), show
                )
            except httpx.TransportError:
                answer.total_ms = _milliseconds_since(started)
    if as_json:
        show_json({name: value for name, value in asdict(answer).items() if name != "is_complete"})
    else:
        click.echo()
        note(_summary(answer))
    if not answer.is_complete:
        raise AskError("the response was cut before its end")
    if not (answer.content or answer.reasoning or answer.finish_reason):
        raise AskError(f"{_provider(answer)} sent no answer: its response has no `choices` with text")


@contextmanager
def _naming_a_model(words: tuple[str, ...]) -> Iterator[None]:
    """Add how to name a model to the error of a fleet without the role @default."""
    try:
        yield
    except GatewayResponseError as error:
        if len(words) > 1 or error.code != "model_not_found":
            raise
        message = f"{error.message}; name a model: `fleet ask ID TEXT` (`fleet models` lists all)"
        raise GatewayResponseError(error.status, error.code, message) from None


def read_answer(
    answer: Answer, lines: Iterable[str], elapsed_ms: Callable[[], int], show: Callable[[str], None]
) -> None:
    """Read the events of a chat completion into `answer`; raises `AskError` for an error event."""
    for line in lines:
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            answer.is_complete = True
        elif data:
            _take(answer, data, elapsed_ms, show)
    answer.total_ms = elapsed_ms()
    if answer.tokens_per_second is None and answer.tokens is not None and answer.first_token_ms is not None:
        milliseconds = answer.total_ms - answer.first_token_ms
        if answer.tokens > 1 and milliseconds > 0:
            answer.tokens_per_second = round(1000 * (answer.tokens - 1) / milliseconds, 1)


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield a stream's lines as they arrive; raises `AskError` beyond `MAX_RESPONSE` bytes."""
    received, line = 0, bytearray()
    for chunk in chunks:
        received += len(chunk)
        if received > MAX_RESPONSE:
            raise AskError(f"the response has more than {MAX_RESPONSE} bytes")
        first, *others = chunk.split(b"\n")
        line += first
        for other in others:
            yield line.decode(errors="replace")
            line = bytearray(other)
    yield line.decode(errors="replace")


def _take(answer: Answer, data: str, elapsed_ms: Callable[[], int], show: Callable[[str], None]) -> None:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise AskError("the response is not a stream of JSON") from None
    if not isinstance(event, dict):
        return
    if "error" in event:
        error = _object(event["error"])
        message = shorten(str(error.get("message", event["error"])), MAX_MESSAGE)
        raise AskError(f"the response ended in an error: {message}")
    choices = event.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    delta = _object(choice.get("delta"))
    content, reasoning = _text(delta.get("content")), _text(delta.get("reasoning_content"))
    if (content or reasoning) and answer.first_token_ms is None:
        answer.first_token_ms = elapsed_ms()
    answer.content += content
    answer.reasoning += reasoning
    answer.finish_reason = _text(choice.get("finish_reason")) or answer.finish_reason
    tokens = _object(event.get("usage")).get("completion_tokens")
    if isinstance(tokens, int) and 0 <= tokens <= MAX_TOKENS:
        answer.tokens = tokens
    speed = _object(event.get("timings")).get("predicted_per_second")
    if isinstance(speed, int | float) and 0 < speed < MAX_SPEED:
        answer.tokens_per_second = round(speed, 1)
    if content:
        show(content)


def _show(text: str) -> None:
    """Print a part of the answer; invisible characters except line breaks and tabs are shown as escapes."""
    click.echo("".join(c if c in "\n\t" else escape(c) for c in text), nl=False)


def _milliseconds_since(started: float) -> int:
    return round(1000 * (time.monotonic() - started))


def _summary(answer: Answer) -> str:
    parts = [shorten(answer.id) if answer.id else _provider(answer)]
    if answer.first_token_ms is not None:
        parts.append(f"{answer.first_token_ms} ms to the first token")
    parts.append(f"{answer.total_ms} ms total")
    if answer.tokens is not None:
        parts.append(count(answer.tokens, "token"))
    if answer.tokens_per_second is not None:
        parts.append(f"{answer.tokens_per_second:.1f} tokens/s")
    return ", ".join(parts)


def _provider(answer: Answer) -> str:
    return shorten(answer.provider) if answer.provider else "an unnamed provider"


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
