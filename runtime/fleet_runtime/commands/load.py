"""``fleet load`` and ``fleet unload``: load or unload a model on its provider."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from fleet_runtime.client import GatewayClient, api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import count, escape

if TYPE_CHECKING:
    from fleet_runtime.api.shapes import ModelOutcome


def _epilog(command: str, *more: str) -> str:
    examples = (f"fleet {command} sam-desktop/qwen3-8b", f"fleet {command} @default --force")
    return epilog(*examples, *more, exits=GATEWAY_EXITS)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the JSON of the gateway's response."),
        url_option,
        click.option(
            "--force", is_flag=True, help="Do not reject the operation if it affects running requests."
        ),
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
    with open_gateway(url) as gateway:
        provider, model = resolve(gateway, id)
        content = _act(gateway, "load", provider, model, force=force, as_json=as_json)
    if as_json:
        show_document(content)


@click.command(epilog=_epilog("unload", "fleet unload sam-desktop   # all its models"))
@_options
def unload(id: str, force: bool, url: str | None, as_json: bool) -> None:
    """Unload the model ID on its provider, or all loaded models of the provider ID.

    ID is the name of a provider, or any name that resolves to a model. Without --force, this is rejected
    while requests through this gateway use the model. The gateway does not see other requests to the
    provider. For a provider, --json prints a list.
    """
    with open_gateway(url) as gateway:
        loaded = _loaded_models(gateway, id)
        targets = [resolve(gateway, id)] if loaded is None else loaded
        contents = [_act(gateway, "unload", *target, force=force, as_json=as_json) for target in targets]
    if as_json:
        show_document(contents[0] if loaded is None else b"[%b]" % b",".join(contents))
    elif not targets:
        click.echo(f"no model is loaded on {escape(id)}")


def _loaded_models(gateway: GatewayClient, id: str) -> list[tuple[str, str]] | None:
    """Return the provider `id` with each of its models that is loaded or loading; None if no provider has
    that name."""
    from fleet_runtime.api.shapes import FleetStatus

    name = id.removesuffix("/")
    if "/" in name or name.startswith("@"):
        return None
    for provider in gateway.get("/api/fleet", FleetStatus).providers:
        if name in (provider.name, *provider.formerly):
            return [(provider.name, model) for model in (*provider.loaded, *provider.loading)]
    return None


def _act(
    gateway: GatewayClient, command: str, provider: str, model: str, *, force: bool, as_json: bool
) -> bytes:
    """Load or unload a model, print the result unless `as_json`, and return the JSON of the response."""
    from fleet_runtime.api.shapes import ModelCommand, ModelOutcome

    started = time.monotonic()
    path = api_path("api", "fleet", provider, command)
    with wait_line(f"waiting for {provider} to {command} {model}"):
        content = gateway.post(path, ModelCommand(model=model, force=force))
    if not as_json:
        click.echo(escape(_said(gateway.parse(content, ModelOutcome), time.monotonic() - started)))
    return content


def _said(outcome: ModelOutcome, seconds: float) -> str:
    said = f"{outcome.provider}/{outcome.model} is {outcome.state} ({seconds:.1f} s)"
    if outcome.running:
        said += f"; affected {count(len(outcome.running), 'request')} that ran there"
    return said


def resolve(gateway: GatewayClient, id: str) -> tuple[str, str]:
    """Return the provider and model that a name resolves to on the gateway, available or not."""
    from fleet_runtime.catalog.shapes import ModelResolution

    found = gateway.get(api_path("api", "resolve", model=id), ModelResolution)
    if found.provider is None or found.model is None:
        raise click.ClickException(f"'{escape(id)}' does not resolve to a model: `fleet models` lists all")
    return found.provider, found.model
