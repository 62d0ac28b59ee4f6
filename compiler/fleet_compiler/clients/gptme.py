"""The variables of gptme (0.35) for its provider ``local``, which is any server with OpenAI's chat API.

Its only configuration file is the user's own. If only the base URL were set, it would request OpenAI's
models.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet_compiler.clients.client_kind import Client, ClientFile, Launch
from fleet_compiler.clients.formats import env_holds, env_launch, env_quoted, parse_env
from fleet_compiler.clients.view import ClientView, OwnPrompt

ANY_KEY = "fleet"
PROMPT = OwnPrompt(9000, room=11000)
"""The first request of gptme 0.35.1 in an empty folder: 36.5 KB."""
ATTEMPTS = 5
"""The number of times that gptme sends a failing request, which takes 15 seconds. Its default of 11 takes 5
minutes, even if the provider is offline."""
PREFIX = "local/"
"""The prefix of these models' names in gptme."""


def context(view: ClientView) -> Mapping[str, Any]:
    main = view.choose(view.offered(PROMPT, holds=env_holds), "default")
    plain = {"OPENAI_BASE_URL": view.base_url} | ({"MODEL": f"{PREFIX}{main.id}"} if main else {})
    plain |= {"GPTME_CHECK_UPDATES": "false", "GPTME_LLM_MAX_RETRIES": str(ATTEMPTS)}
    plain = {name: env_quoted(value) for name, value in plain.items()}
    return {"plain": plain, "key_variable": view.key_variable, "any_key": ANY_KEY}


def launch(_: Path, content: bytes) -> Launch:
    return env_launch(content, "OPENAI_BASE_URL")


CLIENT = Client(
    name="gptme",
    files=(ClientFile("gptme.env", "gptme.env.j2", context, parse_env),),
    program="gptme",
    install="`pip install gptme`",
    launch=launch,
    about="[gptme](clients.md#gptme): variables with the address and the first model.",
    prompt=PROMPT,
    holds=env_holds,
)
