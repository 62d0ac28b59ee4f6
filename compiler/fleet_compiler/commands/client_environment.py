"""The variables with which a client starts on its generated configuration, beside whatever the user has.

opencode (1.18) merges the file in ``$OPENCODE_CONFIG`` over the user's own configuration and below that of a
project; nothing is written anywhere.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

CLIENTS = ("opencode",)
CONNECT_SECONDS = 1.0

_REFERENCE = re.compile(r"\{env:([^{}]+)\}")


def client_environment(client: str, config: Path) -> dict[str, str]:
    """What to export; raises click.ClickException where `config` is not such a client's configuration."""
    told = _read(client, config)
    variables = {"OPENCODE_CONFIG": str(config.resolve())}
    if "enabled_providers" in told:
        variables["OPENCODE_DISABLE_MODELS_FETCH"] = "1"
    return variables


def environment_warnings(client: str, config: Path, environ: Mapping[str, str]) -> list[str]:
    """What will keep the client from working, as far as can be told before it starts."""
    providers = _read(client, config).get("provider", {}).values()
    keys = {provider["options"].get("apiKey", "") for provider in providers}
    found = [
        f"the gateway wants a key, and '{name}' is not set"
        for key in sorted(keys)
        for name in _REFERENCE.findall(key)
        if not environ.get(name)
    ]
    found += [
        f"no gateway answers at '{url}': start it with `fleet serve`"
        for url in sorted({provider["options"]["baseURL"] for provider in providers})
        if not _listens(url)
    ]
    return found


def _read(client: str, config: Path) -> Any:
    try:
        return json.loads(config.read_bytes())
    except FileNotFoundError:
        raise click.ClickException(
            f"there is no '{config}': give a surface 'client: {client}' in fleet.yaml and run `fleet build`"
        ) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"'{config}' cannot be read: {error}") from None


def _listens(url: str) -> bool:
    address = urlsplit(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
