"""``fleet bench``: measure models with test requests, one provider after another."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import click

from fleet_compiler.commands.ask import Answer, AskError, read_answer, split_lines
from fleet_compiler.commands.fleet_names import complete_model, complete_surface
from fleet_compiler.commands.options import json_option
from fleet_compiler.commands.terminal import note, show_json
from fleet_compiler.diagnostics.errors import FleetError
from fleet_runtime.client import GatewayClient, GatewayResponseError, api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import count, join_names, quote

if TYPE_CHECKING:
    from fleet_runtime.catalog.shapes import CatalogModel, ModelCatalog

RESPONSE_TOKENS: Final = 128
WORDS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
COLUMNS: Final = (
    Column("model"),
    Column("cold"),
    Column("warm"),
    Column("tokens/s"),
    Column("runs"),
)


class BenchError(FleetError):
    """No model can be measured, or no measurement succeeded."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """Medians over `runs` requests to a loaded model; `cold_ms` is the time of the request that loaded it,
    None if it was loaded before. `error` is the reason why measuring stopped."""

    id: str
    cold_ms: int | None
    warm_ms: int | None
    tokens_per_second: float | None
    runs: int
    error: str | None


@click.command(
    epilog=epilog(
        "fleet bench qwen3-8b",
        "fleet bench sam-desktop/qwen3-8b embedding/qwen3-8b --runs 5",
        "fleet bench qwen3-8b --prompt-tokens 4000 --json | jq '.[].warm_ms'",
        exits={
            0: "success",
            1: "a model could not be measured",
            2: "usage error",
            4: "the gateway did not respond",
        },
    ),
)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, shell_complete=complete_model)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(1, 1_000_000),
    default=256,
    show_default=True,
    help="The approximate length of the prompt.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="The number of requests to each loaded model.",
)
@click.option("--surface", help="Send the requests to this surface.", shell_complete=complete_surface)
@url_option
@json_option
def bench(
    models: tuple[str, ...],
    prompt_tokens: int,
    runs: int,
    surface: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Measure each MODEL through the gateway: time to the first token, and tokens per second.

    A MODEL without a provider is measured on every local provider that lists it, one after another. The first
    request loads a model that is not loaded, which may unload another one; it is reported separately (cold).
    """
    from fleet_runtime.catalog.shapes import ModelCatalog

    with open_gateway(url) as gateway:
        catalog = gateway.get(api_path("api", "models", surface=surface), ModelCatalog)
        chosen = choose_models(models, catalog)
        cold = [model.id for model in chosen if model.state != "loaded"]
        if cold:
            note(f"will be loaded first: {join_names(cold)}")
        path = api_path(*(part for part in (surface, "v1", "chat", "completions") if part is not None))
        measured = []
        for model in chosen:
            with wait_line(f"measuring {model.id}, {count(runs, 'run')}"):
                measured.append(_measure(gateway, path, model, prompt_tokens, runs))
    if as_json:
        show_json([asdict(each) for each in measured])
    else:
        click.echo("\n".join(layout(COLUMNS, [_row(each) for each in measured], output_width())))
    failed = [each for each in measured if each.error is not None]
    for each in failed:
        note(f"{each.id}: {each.error}")
    if failed:
        raise BenchError("not every model could be measured")


def choose_models(names: Sequence[str], catalog: ModelCatalog) -> list[CatalogModel]:
    """Return the models for `names` in order: each is an id, or a model of every local provider.

    Raises `BenchError` for a name that no provider has.
    """
    listed = [model for provider in catalog.providers for model in provider.models]
    chosen: dict[str, CatalogModel] = {}
    for name in names:
        found = [model for model in listed if model.id == name] or [
            model for model in listed if name in (model.model, *model.aliases) and model.class_ == "local"
        ]
        if not found:
            raise BenchError(f"no provider has a model {quote(name)}: `fleet models` lists all")
        chosen |= {model.id: model for model in found}
    return list(chosen.values())


def _measure(
    gateway: GatewayClient, path: str, model: CatalogModel, prompt_tokens: int, runs: int
) -> Measurement:
    cold: int | None = None
    answers: list[Answer] = []
    error: str | None = None
    try:
        if model.state != "loaded":
            cold = _ask(gateway, path, model.id, prompt_tokens).first_token_ms
        answers += (_ask(gateway, path, model.id, prompt_tokens) for _ in range(runs))
    except (AskError, GatewayResponseError) as failure:
        error = str(failure)
    first = [answer.first_token_ms for answer in answers if answer.first_token_ms is not None]
    speeds = [answer.tokens_per_second for answer in answers if answer.tokens_per_second is not None]
    return Measurement(
        id=model.id,
        cold_ms=cold,
        warm_ms=round(statistics.median(first)) if first else None,
        tokens_per_second=round(statistics.median(speeds), 1) if speeds else None,
        runs=len(answers),
        error=error,
    )


def _ask(gateway: GatewayClient, path: str, id: str, prompt_tokens: int) -> Answer:
    """Send one request with a prompt that is in no cache."""
    import httpx

    words = " ".join(itertools.islice(itertools.cycle(WORDS), prompt_tokens))
    body = {
        "model": id,
        "messages": [{"role": "user", "content": f"{uuid4()} Continue counting: {words}"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": RESPONSE_TOKENS,
    }
    answer = Answer()
    started = time.monotonic()
    with gateway.stream(path, json.dumps(body).encode()) as response:
        try:
            lines = split_lines(response.iter_raw())
            read_answer(answer, lines, lambda: round(1000 * (time.monotonic() - started)), lambda _: None)
        except httpx.TransportError:
            raise AskError("the response was cut before its end") from None
    if not answer.is_complete:
        raise AskError("the response was cut before its end")
    return answer


def _row(measured: Measurement) -> tuple[str, ...]:
    return (
        measured.id,
        "" if measured.cold_ms is None else f"{measured.cold_ms} ms",
        "" if measured.warm_ms is None else f"{measured.warm_ms} ms",
        "" if measured.tokens_per_second is None else f"{measured.tokens_per_second:.1f}",
        str(measured.runs),
    )
