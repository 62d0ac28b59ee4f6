"""The text of a new fleet.yaml. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fleet_compiler.edit.scalars import write_text, write_value

COMMENT_COLUMN = 36
"""The column of comments, unless an address is longer."""
EXAMPLE_URL = "http://127.0.0.1:8080"

HEAD = """\
# yaml-language-server: $schema=generated/fleet.schema.json
version: 1
"""
TAIL = """
# roles:                            # names for models, used as @task
#   task: {name}/MODEL

surfaces:                           # each has its own URL: /chat/v1
  chat:
  opencode: {{client: opencode}}      # `fleet run opencode`
"""


class Server(Protocol):
    """A provider in a new fleet.yaml."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def key_variable(self) -> str | None: ...


def starter_text(servers: Sequence[Server]) -> str:
    """Return a fleet.yaml for the servers, or an example if there are none. The first server that needs no
    key is the default."""
    lines = [(server.name, _provider(server), server.summary) for server in servers]
    lines = lines or [("local", EXAMPLE_URL, "the address of your server")]
    first = next((server.name for server in servers if server.key_variable is None), lines[0][0])
    parts = [
        HEAD,
        _commented(f"default_provider: {write_text(first, flow=False)}", "the provider of bare model ids"),
    ]
    parts += ["\n", _commented("providers:", "add one with `fleet add NAME URL`")]
    entries = [
        (f"  {write_text(name, flow=False)}: {provider}", summary) for name, provider, summary in lines
    ]
    column = max(COMMENT_COLUMN, *(len(entry) + 2 for entry, _ in entries))
    parts += [_commented(entry, summary, column) for entry, summary in entries]
    return "".join(parts) + TAIL.format(name=first)


def _provider(server: Server) -> str:
    if server.key_variable is None:
        return write_text(server.url, flow=False)
    return write_value({"url": server.url, "api_key_env": server.key_variable}, flow=True)


def _commented(line: str, comment: str, column: int = COMMENT_COLUMN) -> str:
    return f"{line:<{column - 1}} # {comment}\n"
