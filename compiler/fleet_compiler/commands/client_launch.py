"""Start a client with its configuration, for ``fleet run`` and ``fleet env``."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from msgspec.structs import replace

from fleet_compiler.clients import CLIENTS, Launch
from fleet_compiler.clients.view import KEY_VARIABLE
from fleet_compiler.commands.client_source import (
    ClientConfig,
    LaunchError,
    built_config,
    choose_surface,
    generated_config,
    read_gateway,
    read_key,
)
from fleet_compiler.commands.fetched_surface import fetch_config, fetch_surfaces
from fleet_compiler.commands.fleet_names import complete_surface
from fleet_compiler.commands.options import fleet_file
from fleet_compiler.files import write_files
from fleet_compiler.project import locate_project
from fleet_runtime.client import open_gateway, url_option
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.targets import find_gateway
from fleet_runtime.user_folders import state_folder

CHECK_SECONDS = 2.0
ASK_SECONDS = 30.0
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError)
"""The exceptions of reading a file that is not a client's configuration."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Command = TypeVar("Command", bound=Callable[..., Any])

client_argument = click.argument("client", type=click.Choice(tuple(CLIENTS)))


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a configuration as given by the options of a command."""

    config: Path | None
    file: Path | None
    surface: str | None
    url: str | None

    @property
    def gateway_url(self) -> str | None:
        """Return the URL of the gateway to use, None for a fleet.yaml; options take precedence."""
        if self.file is not None or self.url is not None:
            return self.url if self.file is None else None
        target = find_gateway(os.environ)
        return None if target is None else target.url


@dataclass(frozen=True, slots=True)
class Start:
    """A launch, and the key file whose content `KEY_VARIABLE` gets, if there is one."""

    launch: Launch
    key_file: Path | None


def surface_option(command: Command) -> Command:
    """Add ``--surface``."""
    return click.option(
        "--surface",
        help="The surface. Required if several surfaces have the client.",
        shell_complete=complete_surface,
    )(command)


def source_options(command: Command) -> Command:
    """Add ``--config``, ``--surface`` and ``--url``."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The client's generated configuration. Default: the one of the surface in generated/ next to "
        "fleet.yaml.",
    )
    return config(surface_option(url_option(command)))


def find_config(client: str, source: Source) -> ClientConfig:
    """Return a client's configuration; raises `LaunchError`, `UsageError` and what `open_gateway` does."""
    if source.config is not None:
        return built_config(client, "", source.config.parent, source.config.name)
    if source.gateway_url is not None:
        return _remote_config(client, source.gateway_url, source.surface)
    project = locate_project(fleet_file(source.file))
    gateway = read_gateway(project)
    surfaces = {name: [each.kind for each in gateway.clients.get(name, ())] for name in gateway.surfaces}
    surface = choose_surface(client, source.surface, surfaces)
    if surface is None:
        raise LaunchError(
            f"no surface of '{project.config}' has the client '{client}': give one `client: {client}` and "
            "run `fleet build`, or choose any with --surface"
        )
    found = generated_config(project, gateway, client, surface)
    return found if found is not None else _remote_config(client, gateway.url, surface)


def _remote_config(client: str, url: str, wanted: str | None) -> ClientConfig:
    with open_gateway(url) as gateway:
        surface = choose_surface(client, wanted, fetch_surfaces(gateway, wanted))
        if surface is None:
            raise LaunchError(
                f"no surface of the gateway at '{gateway.url}' has the client '{client}': choose one with "
                "--surface"
            )
        return fetch_config(gateway, url, client, surface, _private_folder(client, surface, url))


def prepare_start(found: ClientConfig, program: str | None) -> Start:
    """Write missing files to a private folder, and return how the client starts.

    `program` is its executable, which some kinds need to complete their files. Raises `LaunchError` and
    `OutputError`.
    """
    launch = _launch(found.client.name, found.main, found.files[found.main])
    files = found.files
    private = launch.home is not None or not found.on_disk
    if found.client.complete is not None and program is not None:
        files, private = _completed(found, program), True
    if private:
        folder = found.main.parent
        if found.on_disk:
            folder = _private_folder(found.client.name, found.surface, str(found.main.resolve()))
        files = {folder / path.name: content for path, content in files.items()}
        _write_private(folder, files)
        main = folder / found.main.name
        launch = _launch(found.client.name, main, files[main])
        if launch.home is not None:
            launch = replace(launch, environment={**launch.environment, launch.home: str(folder)})
    return Start(launch, found.key_file)


def _launch(client: str, main: Path, content: bytes) -> Launch:
    try:
        launch = CLIENTS[client].launch(main, content)
        variables = (*launch.environment, *launch.references.values(), *launch.keys)
        if not all(map(_VARIABLE.fullmatch, variables)):
            raise ValueError("a variable has no name that a shell takes")
        return launch
    except _MALFORMED:
        raise LaunchError(
            f"'{main}' is not a configuration of {client} that `fleet build` wrote: run `fleet build`"
        ) from None


def _completed(found: ClientConfig, program: str) -> dict[Path, bytes]:
    """Return the files completed by the program's own output; unchanged if it prints none."""
    complete = found.client.complete
    assert complete is not None
    by_name = {path.name: content for path, content in found.files.items()}
    command = [program, *found.client.asks]
    try:
        with wait_line(f"waiting for `{' '.join([found.client.program, *found.client.asks])}`"):
            asked = subprocess.run(  # noqa: S603
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=ASK_SECONDS, check=True
            )
        by_name = dict(complete(asked.stdout, by_name))
    except (OSError, subprocess.SubprocessError, RecursionError, *_MALFORMED):
        return dict(found.files)
    return {found.main.parent / name: content for name, content in by_name.items()}


def _private_folder(client: str, surface: str, origin: str) -> Path:
    """Return the private folder of a client, readable only by this user. Every run of the same client gets
    the same folder, with the files that the client stored there."""
    mark = hashlib.sha256(os.fsencode(origin)).hexdigest()[:12]
    return state_folder() / "clients" / f"{surface or 'file'}-{mark}" / client


def _write_private(folder: Path, files: Mapping[Path, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise LaunchError(f"cannot write '{folder}': {(error.strerror or '').lower()}") from None
    write_files(files.items())


def start_environment(start: Start, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the program: keys from their variables or their file."""
    known = dict(environ)
    if start.key_file is not None and not known.get(KEY_VARIABLE):
        known[KEY_VARIABLE] = read_key(start.key_file)
    launch = start.launch
    keys = {new: known[old] for new, old in launch.references.items() if old in known}
    return {**known, **launch.environment, **keys}


def launch_warnings(launch: Launch, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the problems that can be detected before the client starts."""
    missing = [name for name in launch.keys if not environ.get(name)]
    for name in missing:
        yield f"the gateway requires a key, and '{name}' is not set: `export {name}=…`"
    key = next((environ[name] for name in launch.keys if environ.get(name)), None)
    for url in launch.urls:
        problem = _gateway_problem(url, key)
        if problem is not None and not (missing and "key" in problem):
            yield problem


def _gateway_problem(url: str, key: str | None) -> str | None:
    """Return why no client can use `url`, None if the gateway responds with its models."""
    import httpx

    headers = {"authorization": f"Bearer {key}"} if key is not None and key.isascii() else {}
    models = f"{url.removesuffix('/v1')}/v1/models"
    try:
        response = httpx.get(models, headers=headers, timeout=CHECK_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return f"no gateway listens at '{url}': start it with `fleet up`"
    match response.status_code:
        case 200:
            return None
        case 401 | 403:
            return f"the gateway at '{url}' rejects the key"
        case 404:
            return (
                f"the gateway at '{url}' does not have this surface: run `fleet build`, or set another "
                "`gateway.listen` if it is the gateway of another fleet"
            )
        case status:
            return f"the server at '{url}' responds with HTTP {status}: it may not be a gateway"
