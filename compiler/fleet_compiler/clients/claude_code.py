"""The settings of Claude Code (2.1), for ``claude --settings``: models, key and address of the surface.

Its base URL is the surface without ``/v1``. Variables in the settings are not expanded, so the key is the
output of a command. Claude Code assumes a context of 200 000 tokens for every model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientOptions, Launch
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt

ANY_TOKEN = "fleet"  # noqa: S105 - a gateway without keys accepts any, and Claude Code needs one
PROMPT = OwnPrompt(25000, room=30000)
"""The first request of Claude Code 2.1.197 in an empty folder: 78 to 90 KB."""
HELPER = "printenv "
"""The command that prints a key; the name of its variable follows."""
FAMILIES = {"OPUS": ("large", "default"), "SONNET": ("default",), "HAIKU": ("fast", "task", "default")}
"""Claude Code's names for a large, a default and a small model, and the roles whose models they get."""


class Options(ClientOptions):
    true_context: bool = Field(False, examples=[True])
    """Whether Claude Code uses the smallest known context of its models instead of 200 000 tokens. Then it
    does not compact conversations automatically."""


def context(view: ClientView) -> Mapping[str, Any]:
    offered = view.offered(PROMPT)
    main = view.choose(offered, "default") or next(iter(offered), None)
    variables: dict[str, str] = {"ANTHROPIC_BASE_URL": view.root_url}
    if view.key_variable is None:
        variables["ANTHROPIC_AUTH_TOKEN"] = ANY_TOKEN
    for family, roles in FAMILIES.items():
        model = view.choose(offered, *roles) or main
        variables |= _family(f"ANTHROPIC_DEFAULT_{family}_MODEL", model)
    agent = view.choose(offered, "task", "default") or main
    variables |= {"CLAUDE_CODE_SUBAGENT_MODEL": agent.id} if agent is not None else {}
    outputs = [model.output for model in offered if model.output is not None]
    variables |= {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(min(outputs))} if outputs else {}
    contexts = [model.context for model in offered if model.context is not None]
    if view.options.true_context and contexts:
        variables |= {"DISABLE_COMPACT": "1", "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(min(contexts))}
    variables |= {
        "CLAUDE_CODE_DISABLE_1M_CONTEXT": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    return {
        "model": main.id if main is not None else None,
        "models": [model.id for model in offered],
        "key_helper": f"{HELPER}{view.key_variable}" if view.key_variable is not None else None,
        "variables": variables,
    }


def launch(config: Path, content: bytes) -> Launch:
    written = json.loads(content)
    helper = written.get("apiKeyHelper", "")
    return Launch(
        {},
        arguments=("--settings", str(config.resolve())),
        keys=(helper.removeprefix(HELPER),) if helper else (),
        urls=(written["env"]["ANTHROPIC_BASE_URL"],),
    )


def _family(variable: str, model: OfferedModel | None) -> dict[str, str]:
    return {} if model is None else {variable: model.id, f"{variable}_NAME": model.label}


CLIENT = Client(
    name="claude-code",
    files=(ClientFile("claude.json", "claude-code.json.j2", context),),
    program="claude",
    install="`npm install -g @anthropic-ai/claude-code`",
    launch=launch,
    about="[Claude Code](clients.md#claude-code): settings with the models for its own names.",
    options=Options,
    prompt=PROMPT,
)
