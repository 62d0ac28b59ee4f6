"""``fleet load`` and ``fleet unload``: load or unload a model on its provider."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from fleet_runtime.client import GatewayClient, api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import count, escape


def _epilog(command: str) -> str:
    examples = (f"fleet {command} sam-desktop/qwen3-8b", f"fleet {command} @default --force")
    return epilog(*examples, exits=GATEWAY_EXITS)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the JSON of the gateway's response."),
        url_option,
        click.option("--force", is_flag=True, help="Do it even if running requests are affected."),
        click.argument("id"),
    ):
        command = option(command)
    return command


@click.command(epilog=_epilog("load"))
@_options
def load(id: str, force: bool, url: str | None, as_json: bool) -> None:
    """Load the model ID on its provider, and wait until it is loaded.

    ID is any name that resolves to a model. Works with llama-swap, llama.cpp's router and Ollama.
    """
    _act("load", id, url, force=force, as_json=as_json)


@click.command(epilog=_epilog("unload"))
@_options
def unload(id: str, force: bool, url: str | None, as_json: bool) -> None:
    """Unload the model ID on its provider.

    ID is any name that resolves to a model. Without --force, this is rejected while requests through this
    gateway use the model. The gateway does not see other requests to the provider.
    """
    _act("unload", id, url, force=force, as_json=as_json)


def _act(command: str, id: str, url: str | None, *, force: bool, as_json: bool) -> None:
    from fleet_runtime.api.shapes import ModelCommand, ModelOutcome

    with open_gateway(url) as gateway:
        provider, model = resolve(gateway, id)
        started = time.monotonic()
        path = api_path("api", "fleet", provider, command)
        with wait_line(f"waiting for {provider} to {command} {model}"):
            content = gateway.post(path, ModelCommand(model=model, force=force))
        if as_json:
            show_document(content)
            return
        outcome = gateway.parse(content, ModelOutcome)
    said = f"{outcome.provider}/{outcome.model} is {outcome.state} ({time.monotonic() - started:.1f} s)"
    if outcome.running:
        said += f"; affected {count(len(outcome.running), 'request')} that ran there"
    click.echo(escape(said))


def resolve(gateway: GatewayClient, id: str) -> tuple[str, str]:
    """Return the provider and its model that a name means to the gateway, available or not."""
    from fleet_runtime.catalog.shapes import ModelResolution

    found = gateway.get(api_path("api", "resolve", model=id), ModelResolution)
    if found.provider is None or found.model is None:
        raise click.ClickException(f"'{escape(id)}' does not resolve to a model: `fleet models` lists all")
    return found.provider, found.model
