"""client.env: the variables of OpenAI's and Anthropic's SDKs.

``NAME=VALUE`` lines for a POSIX shell. A key is never written: it is a reference to the variable that holds
it, which shells, python-dotenv and docker compose expand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import env_holds, env_launch, env_quoted, parse_env
from fleet_compiler.clients.view import ClientView

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
ANY_KEY = "fleet"
"""The SDKs do not start without a key; a gateway without keys accepts any."""


def context(view: ClientView) -> Mapping[str, Any]:
    variables = {
        "OPENAI_BASE_URL": view.base_url,
        "OPENAI_API_BASE": view.base_url,
        "ANTHROPIC_BASE_URL": view.root_url,
    }
    first = view.choose(view.offered(holds=env_holds), "default")
    if first is not None:
        variables |= dict.fromkeys(("OPENAI_MODEL", "ANTHROPIC_MODEL"), first.id)
    written = {name: env_quoted(value) for name, value in variables.items()}
    key = ANY_KEY if view.key_variable is None else f"${{{view.key_variable}}}"
    written |= dict.fromkeys(KEYS, key)
    return {
        "variables": written,
        "key_variable": view.key_variable,
        "key_file": None if view.key is None else view.key.file,
    }


def launch(_: Path, content: bytes) -> Launch:
    """Return the variables; the program is the user's first argument."""
    return env_launch(content, "OPENAI_BASE_URL")


CLIENT = Client(
    name="env",
    files=(ClientFile("client.env", "env.j2", context, parse_env),),
    program="env",
    install="it is a part of every POSIX system",
    launch=launch,
    about="Variables for [any SDK](clients.md#env): base URLs, the default model, a reference to the key.",
    holds=env_holds,
    at_top=True,
)
