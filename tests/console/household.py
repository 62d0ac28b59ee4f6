"""The fleet of the console's tests and screenshots: a household's servers, simulated, with credible names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.simulator.spec import Behaviour
from tests.support.stack import Stack, running_stack

ONLINE = ("workstation", "mac-studio", "closet", "gpu-box")
CLOUD_KEY = "HOUSEHOLD_CLOUD_KEY"
GRACE = 0.6

THINKING = "The user wants a short comparison. Name the trade-off first, then give one table and one example."
REPLY = """

A **write-ahead log** makes commits cheap and recovery simple: every change is appended before the pages
themselves are touched.

| Mode | Readers wait | Writers wait | Survives a crash |
|:--|:-:|:-:|--:|
| rollback journal | yes | yes | yes |
| write-ahead log | no | one at a time | yes |

```python
connection = sqlite3.connect("state.db")
connection.execute("PRAGMA journal_mode = WAL")
```

1. Readers keep their snapshot while a writer appends.
2. A checkpoint copies the pages back when nobody needs the old ones.

For a small service on one host, start with the log and `synchronous = NORMAL`.
"""


def specs(chunk_ms: float = 0) -> tuple[ServerSpec, ...]:
    """Return the servers; `chunk_ms` is the pause between two chunks of a response."""

    def chat(id: str, context: int = 32768, **more: object) -> SimulatedModel:
        return SimulatedModel(id, context=context, reply=REPLY, signed=False, **more)  # type: ignore[arg-type]

    calm = Behaviour(chunk_ms=chunk_ms)
    return (
        ServerSpec(
            "workstation",
            kind="llama-swap",
            sidecar=True,
            models=(
                chat("qwen3-coder-30b-a3b", 65536, loaded=True),
                chat("gpt-oss-20b", 131072, thinking=THINKING),
                chat("gemma-3-27b-it", vision=True),
                chat("devstral-small-24b", 65536),
                SimulatedModel("nomic-embed-text-v1.5", purpose="embedding"),
            ),
            behaviour=calm,
        ),
        ServerSpec(
            "mac-studio",
            kind="ollama",
            models=(
                chat("llama3.3:70b", 65536, loaded=True),
                chat("gpt-oss-20b", 131072, thinking=THINKING),
                chat("qwen3:8b", 40960, thinking=THINKING),
                SimulatedModel("mxbai-embed-large:latest", purpose="embedding"),
            ),
            behaviour=Behaviour(chunk_ms=chunk_ms * 1.4),
        ),
        ServerSpec(
            "closet", kind="llama-server", models=(chat("qwen3-4b-instruct", loaded=True),), behaviour=calm
        ),
        ServerSpec("gpu-box", kind="vllm", models=(chat("mistral-small-3.2-24b", 131072),), behaviour=calm),
        ServerSpec("lakehouse", kind="llama-swap", models=(chat("phi-4-mini"), chat("smollm3-3b"))),
        ServerSpec(
            "cloud", kind="cloud", models=(chat("deepseek-chat"), chat("deepseek-reasoner")), api_key="k"
        ),
    )


def household(machines: SimulationThread, listen: str, more: str = "") -> str:
    """Return the fleet.yaml of the household; `more` is put among the settings of the gateway."""
    return f"""\
version: 1
default_provider: workstation
providers:
  workstation:
    label: Workstation
    url: {machines.url("workstation")}
    sidecar: {machines.sidecar_url("workstation")}
    models:
      gemma-3-27b-it: {{input: [text, image]}}
      gpt-oss-20b: {{reasoning: true, tools: true}}
      nomic-embed-text-v1.5: {{purpose: embedding}}
  mac-studio: {{label: Mac Studio, url: "{machines.url("mac-studio")}"}}
  closet: {{label: Closet server, url: "{machines.url("closet")}"}}
  gpu-box: {{label: GPU box, url: "{machines.url("gpu-box")}"}}
  lakehouse: {{label: Lake house, url: "{machines.url("lakehouse")}"}}
  deepseek:
    label: DeepSeek
    url: {machines.url("cloud")}
    class: cloud
    api_key_env: {CLOUD_KEY}
    models:
      deepseek-chat: {{context: 131072, output: 8192}}
      deepseek-reasoner: {{context: 131072, reasoning: true}}
aliases: {{coder: workstation/qwen3-coder-30b-a3b}}
roles: {{default: workstation/gpt-oss-20b, task: [closet/qwen3-4b-instruct, workstation/gpt-oss-20b]}}
surfaces:
  boochat:
  boocoder:
  family: {{providers: [closet, mac-studio]}}
gateway: {{listen: "{listen}"{more}}}
inventory: {{interval: 0.2, timeout: 1, grace: {GRACE}}}
"""


@contextlib.contextmanager
def running_household(
    folder: Path,
    *,
    chunk_ms: float = 0,
    more: str = "",
    env: dict[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Stack]:
    """Run it; the lake house is switched off once it was seen."""
    environment = {CLOUD_KEY: "k", **(env or {})}
    servers = specs(chunk_ms)

    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        return household(machines, listen, more)

    with running_stack(folder, servers, fleet_yaml, environment, host=host) as stack:
        yield stack
