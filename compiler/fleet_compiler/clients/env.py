"""client.env: the variables that the SDKs of OpenAI and Anthropic, and programs made with them, read.

``NAME=VALUE`` lines for a POSIX shell. A key is never written: it is a reference to the variable that holds
it, which shells, python-dotenv and docker compose expand.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientView, Launch

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
ANY_KEY = "fleet"
"""The SDKs do not start without a key; a gateway without keys accepts any."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def context(view: ClientView) -> Mapping[str, Any]:
    root = view.base_url.removesuffix("/v1")
    variables = {
        "OPENAI_BASE_URL": view.base_url,
        "OPENAI_API_BASE": view.base_url,
        "ANTHROPIC_BASE_URL": root,
    }
    first = view.first_choice("default")
    if first is not None:
        variables |= dict.fromkeys(("OPENAI_MODEL", "ANTHROPIC_MODEL"), str(first))
    written = {name: shlex.quote(value) for name, value in variables.items()}
    if view.key is None:
        written |= dict.fromkeys(KEYS, ANY_KEY)
    elif view.key.env is not None:
        written |= dict.fromkeys(KEYS, f"${{{view.key.env}}}")
    return {"variables": written, "keys": KEYS, "key_file": None if view.key is None else view.key.file}


def parse(text: str) -> dict[str, str]:
    """Return the variables of such a file; raises ValueError for anything else."""
    variables = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = _LINE.fullmatch(line)
            words = shlex.split(match[2]) if match is not None else []
            if match is None or len(words) != 1:
                raise ValueError(f"'{line}' is not a variable")
            variables[match[1]] = words[0]
    return variables


def launch(_: Path, content: bytes) -> Launch:
    """Return the variables themselves: the program is whatever follows ``fleet run env``."""
    variables = parse(content.decode())
    references = {
        name: match[1] for name, value in variables.items() if (match := _REFERENCE.fullmatch(value))
    }
    return Launch(
        {name: value for name, value in variables.items() if name not in references},
        references=references,
        keys=tuple(sorted(set(references.values()))),
        urls=(variables["OPENAI_BASE_URL"],),
    )


CLIENT = Client(
    name="env",
    files=(ClientFile("client.env", "env.j2", context, parse),),
    program="env",
    install="it is a part of every POSIX system",
    launch=launch,
    about="Variables for [any SDK](clients.md#env): base URLs, the default model, a reference to the key.",
    page="clients.md",
    options=frozenset(),
)
