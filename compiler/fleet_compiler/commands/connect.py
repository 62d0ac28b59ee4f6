"""``fleet connect``: print what to enter in a client."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from fleet_compiler.clients import CLIENTS
from fleet_compiler.commands.client_launch import (
    Source,
    Start,
    find_config,
    prepare_start,
    surface_option,
)
from fleet_compiler.commands.client_source import (
    ClientConfig,
    LaunchError,
    SurfaceFacts,
    local_facts,
    read_gateway,
    read_key,
)
from fleet_compiler.commands.fetched_surface import fetch_facts, fetch_surfaces
from fleet_compiler.commands.options import file_option, fleet_file, json_option
from fleet_compiler.commands.terminal import note, say, show_json, warn
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.project import locate_project
from fleet_runtime.client import open_gateway, url_option
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.text import escape, join_names
from fleet_runtime.urls import is_loopback


@click.command(
    epilog=epilog(
        "fleet connect",
        "fleet connect --surface boochat --qr",
        "fleet connect codex",
        "fleet connect --json | jq -r '.surfaces[].base_url'",
        exits={
            0: "success",
            1: "there are no generated files yet",
            2: "usage error",
            4: "the gateway did not respond",
        },
    ),
)
@click.argument("client", required=False, type=click.Choice(tuple(CLIENTS)))
@surface_option
@url_option
@file_option
@click.option("--qr", is_flag=True, help="Print the base URL as a QR code.")
@click.option("--with-key", is_flag=True, help="Include the key in the QR code.")
@json_option
def connect(
    client: str | None,
    surface: str | None,
    url: str | None,
    file: Path | None,
    qr: bool,
    with_key: bool,
    as_json: bool,
) -> None:
    """Print the base URL, key reference and model ids of a surface, or the generated files of CLIENT.

    The key itself is not printed, only the variable or file that holds it.
    """
    if with_key and not qr:
        raise UsageError("--with-key belongs to --qr: keys are not printed")
    if client is not None and (qr or as_json):
        raise UsageError("--qr and --json are for a surface, not for the files of a client")
    source = Source(None, file, surface, url)
    if client is not None:
        _show_client(find_config(client, source))
        return
    found = _surfaces(source)
    if as_json:
        show_json({"surfaces": [_data(each) for each in found]})
    elif qr:
        if len(found) > 1:
            names = join_names([each.name for each in found], "or")
            raise UsageError(f"a QR code is for one surface: add --surface {names}")
        _show_code(found[0], with_key)
    else:
        _show_surfaces(found)


def _surfaces(source: Source) -> list[SurfaceFacts]:
    """Return the wanted surface, or all; raises `UsageError`, `LaunchError` and what `open_gateway` does."""
    if source.gateway_url is not None:
        with open_gateway(source.gateway_url) as gateway:
            names = _names(source.surface, list(fetch_surfaces(gateway, source.surface)))
            return [fetch_facts(gateway, source.gateway_url, name) for name in names]
    project = locate_project(fleet_file(source.file))
    config = read_gateway(project)
    return [local_facts(project, config, name) for name in _names(source.surface, list(config.surfaces))]


def _names(wanted: str | None, names: list[str]) -> list[str]:
    if not names:
        raise LaunchError("no surfaces are configured: add one to fleet.yaml, like `surfaces: {chat: }`")
    if wanted is not None and wanted not in names:
        raise UsageError(f"unknown surface '{wanted}'; surfaces: {join_names(names)}")
    return names if wanted is None else [wanted]


def _show_surfaces(found: list[SurfaceFacts]) -> None:
    for index, each in enumerate(found):
        if index:
            click.echo()
        say(each.name, bold=True)
        say(f"  base URL   {each.base_url}")
        say(f"  Anthropic  {each.root_url}")
        say(f"  key        {_key_text(each)}")
        for client in each.clients:
            say(f"  start      fleet run --surface {each.name} {client}")
        if len(found) == 1:
            for id in each.models or ("none is known: run `fleet lock`",):
                click.echo(f"  model      {escape(id)}")
        else:
            click.echo(f"  models     {len(each.models)}, listed with --surface {each.name}")


def _key_text(facts: SurfaceFacts) -> str:
    if facts.key_file is not None:
        return f"the content of {facts.key_file}"
    return f"the value of ${facts.key_variable}" if facts.key_variable else "any: the gateway requires none"


def _data(facts: SurfaceFacts) -> dict[str, Any]:
    data = asdict(facts)
    return {**data, "key_file": None if facts.key_file is None else str(facts.key_file)}


def _show_code(facts: SurfaceFacts, with_key: bool) -> None:
    import segno

    content = facts.base_url
    if with_key and facts.key_variable is not None:
        content = json.dumps({"base_url": facts.base_url, "api_key": _key(facts)})
    if is_loopback(urlsplit(facts.base_url).hostname or ""):
        warn(f"other devices cannot reach '{facts.base_url}': set gateway.listen and gateway.url")
    image = io.StringIO()
    segno.make(content, micro=False).terminal(image, compact=True)
    click.echo(image.getvalue(), nl=False)
    click.echo(facts.base_url)


def _key(facts: SurfaceFacts) -> str:
    if facts.key_file is not None:
        return read_key(facts.key_file)
    value = os.environ.get(facts.key_variable or "")
    if not value:
        raise LaunchError(f"'{facts.key_variable}' is not set: `export {facts.key_variable}=…`")
    return value


def _show_client(found: ClientConfig) -> None:
    """Print the files, each with its path where there are several, and on stderr how to start."""
    start = prepare_start(found, shutil.which(found.client.program))
    for path, content in found.files.items():
        if len(found.files) > 1:
            say(f"# {path.resolve()}", bold=True)
        click.echo(content.decode(), nl=not content.endswith(b"\n"))
    note(f"to start it: {_command(found, start)}")


def _command(found: ClientConfig, start: Start) -> str:
    launch = start.launch
    variables = [f"{name}={shlex.quote(value)}" for name, value in launch.environment.items()]
    variables += [f'{name}="${other}"' for name, other in launch.references.items()]
    return " ".join([*variables, found.client.program, shlex.join(launch.leading)]).rstrip()
