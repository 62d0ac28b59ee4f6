"""``fleet wake``: wake a provider, and wait until it responds."""

from __future__ import annotations

import time

import click

from fleet_runtime.client import api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import escape


@click.command(
    epilog=epilog(
        "fleet wake nas",
        "fleet wake nas --json | jq .status",
        exits={
            **GATEWAY_EXITS,
            0: "the provider responds",
            1: "the provider does not respond, or cannot be woken",
        },
    )
)
@click.argument("name")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of the gateway's response.")
def wake(name: str, url: str | None, as_json: bool) -> None:
    """Wake the provider NAME, and wait until it responds.

    `wake` in fleet.yaml configures how. An inference request for one of its models wakes it too.
    """
    from fleet_runtime.api.shapes import NoContent, ProviderReport

    with open_gateway(url) as gateway:
        started = time.monotonic()
        with wait_line(f"waiting for {name} to respond"):
            content = gateway.post(api_path("api", "fleet", name, "wake"), NoContent())
        if as_json:
            show_document(content)
            return
        provider = gateway.parse(content, ProviderReport)
    click.echo(escape(f"{provider.name} is {provider.status} ({time.monotonic() - started:.1f} s)"))
