"""The SDKs as they are published, configured by the generated variables alone."""

from __future__ import annotations

import sys

import pytest

from tests.integration.conftest import MACHINES, answered
from tests.support.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]

OPENAI = """
import os, openai
client = openai.OpenAI()
hi = [{"role": "user", "content": "hi"}]
for model in (os.environ["OPENAI_MODEL"], "PINNED"):
    print(client.chat.completions.create(model=model, messages=hi).choices[0].message.content)
"""
ANTHROPIC = """
import os, anthropic
client = anthropic.Anthropic()
hi = [{"role": "user", "content": "hi"}]
for model in (os.environ["ANTHROPIC_MODEL"], "PINNED"):
    print(client.messages.create(model=model, max_tokens=100, messages=hi).content[0].text)
"""


@pytest.mark.parametrize(("sdk", "script"), [("openai", OPENAI), ("anthropic", ANTHROPIC)])
@pytest.mark.parametrize("machine", MACHINES)
def test_an_sdk_needs_nothing_but_the_variables(stack: Stack, sdk: str, script: str, machine: str) -> None:
    pytest.importorskip(sdk, reason="the SDK is not installed: run `make integration`")
    done = stack.fleet("run", "env", sys.executable, "-c", script.replace("PINNED", f"{machine}/qwen3-8b"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"[sam-desktop] qwen3-8b: hi\n[{machine}] qwen3-8b: hi\n"
    assert [where for where, _, _ in answered(stack)] == ["sam-desktop", machine]
