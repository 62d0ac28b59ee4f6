"""``fleet demo``: a simulated fleet to try."""

from __future__ import annotations

import signal

import click

from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.demo.fleet import NEWCOMER, SERVERS
from fleet_runtime.demo.stage import DemoError, Stage, set_stage
from fleet_runtime.demo.tour import give_tour


@click.command(
    epilog=epilog(
        "fleet demo",
        "fleet demo --tour",
        exits={0: "success", 1: "a part of the demo did not start or work", 2: "usage error"},
    )
)
@click.option("--tour", is_flag=True, help="Run all steps automatically, check their results, and exit.")
def demo(tour: bool) -> None:
    """Try fleet without a server.

    Start three simulated providers with models of the same names, write a fleet.yaml for them to a temporary
    folder, build it and run the gateway. Ctrl-C stops everything and deletes the folder.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with wait_line("starting providers and a gateway") as line, set_stage() as stage:
            line.end()
            if tour:
                give_tour(stage, click.echo)
                return
            click.echo(introduction(stage))
            signal.pause()
    except DemoError as failure:
        raise click.ClickException(str(failure)) from None
    except KeyboardInterrupt:
        if tour:
            raise
        click.echo("\nstopped", err=True)


def introduction(stage: Stage) -> str:
    """Return the introduction: what is running, and commands to paste."""
    rows = [f"  {name:<12} {stage.servers.url(name)}{_beside(stage, name)}" for name in SERVERS]
    newcomer = stage.servers.url(NEWCOMER)
    edit = f"sed -i.bak 's|^namespaces:|  {NEWCOMER}: {newcomer}\\n&|' {stage.fleet_yaml}"
    return f"""\
Providers (simulated, each one serves a qwen3-8b):
{chr(10).join(rows)}
Gateway:
  {stage.url}    open it in a browser; configured by {stage.fleet_yaml}

fleet's commands, in a second terminal (without the first line, they use the nearest fleet.yaml):
  export FLEET_URL={stage.url}
  {stage.command("models")}
  {stage.command("ask", "sam-desktop/qwen3-8b", "say hi")}

Which models are where:
  curl -s {stage.url}/v1/models

The same name at two providers (see which one responds):
  {_chat(stage, "boochat", "sam-desktop/qwen3-8b")}
  {_chat(stage, "boochat", "embedding/qwen3-8b")}

An old bare id, a local model with a cloud's name, and a stream:
  {_chat(stage, "boocoder", "qwen3-8b")}
  {_chat(stage, "arena", "embedding/deepseek-r1-qwen3-8b")}
  {_chat(stage, "arena", "sam-desktop/gpt-oss-20b", stream=True)}

What a name means, and why:
  curl -s '{stage.url}/api/resolve?model=qwen3-8b&surface=arena'

Add a fourth provider with one line, and use it:
  {edit}
  {stage.build_command}
  {_chat(stage, "boochat", f"{NEWCOMER}/qwen3-8b")}

Ctrl-C stops everything."""


def _beside(stage: Stage, name: str) -> str:
    if name == "sam-desktop":
        return f"    chat goes through its sidecar {stage.servers.sidecar_url(name)}"
    return "    not in fleet.yaml yet" if name == NEWCOMER else ""


def _chat(stage: Stage, surface: str, model: str, *, stream: bool = False) -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]'
    body += ', "stream": true}' if stream else "}"
    flags = "-sN" if stream else "-s"
    return f"curl {flags} {stage.url}/{surface}/v1/chat/completions --json '{body}'"
