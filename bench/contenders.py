"""What is compared: no gateway at all, nginx, this gateway, LiteLLM's proxy; each with the same two machines
behind it, `quick` (one answer, at once) and `paced` (a stream of events)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.messages import MODEL, MODELS, Target, prompt
from bench.nginx import answering, nginx_command, proxying
from bench.processes import pinned, wait_for_answer
from fleet_runtime.child_process import free_port, running

GATEWAY_CORE = 0
LOAD_CORE = 1
CHAT = "/v1/chat/completions"
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Machines:
    quick: int
    paced: int

    def ports(self) -> dict[str, int]:
        return {"quick": self.quick, "paced": self.paced}


@dataclass(frozen=True, slots=True)
class Contender:
    """`process` is None where requests go straight to the machines; `start_seconds` until the first answer
    to a chat request."""

    name: str
    quick: Target
    paced: Target
    process: subprocess.Popen[bytes] | None = None
    start_seconds: float = 0.0


@contextlib.contextmanager
def machines(folder: Path, pace_milliseconds: float) -> Iterator[Machines]:
    """Both machines, on the core of the load."""
    ports = Machines(free_port(), free_port())
    paced = [sys.executable, "-m", "bench.paced", str(ports.paced), str(pace_milliseconds)]
    quick = nginx_command(folder / "quick", answering(ports.quick))
    with (
        running(pinned(LOAD_CORE, quick), folder / "quick.log") as quick_process,
        running(pinned(LOAD_CORE, paced), folder / "paced.log") as paced_process,
    ):
        hello = b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        wait_for_answer(quick_process, ports.quick, hello, START_SECONDS)
        wait_for_answer(paced_process, ports.paced, hello, START_SECONDS)
        yield ports


def direct(ports: Machines) -> Contender:
    return Contender("direct", Target(ports.quick, CHAT, MODEL, {}), Target(ports.paced, CHAT, MODEL, {}))


@contextlib.contextmanager
def nginx(folder: Path, ports: Machines) -> Iterator[Contender]:
    port = free_port()
    quick = Target(port, f"/quick{CHAT}", MODEL, {})
    paced = Target(port, f"/paced{CHAT}", MODEL, {})
    command = nginx_command(folder / "nginx", proxying(port, ports.ports()))
    with started("nginx", command, folder / "nginx.log", quick, paced) as contender:
        yield contender


FLEET_YAML = """
version: 1
default_provider: quick
providers:
  quick:
    url: http://127.0.0.1:{quick}
    api_key_env: BENCH_MACHINE_KEY
    max_concurrency: 2000
    models: {{{models}}}
  paced:
    url: http://127.0.0.1:{paced}
    api_key_env: BENCH_MACHINE_KEY
    max_concurrency: 2000
    models: {{{models}}}
aliases: {{coder: quick/{model}}}
namespaces: [llama-swap]
roles: {{default: quick/{model}}}
surfaces: {{boochat: }}
gateway:
  listen: 127.0.0.1:{port}
  origins: [http://localhost:5173]
  keys: {{bench: {{env: BENCH_GATEWAY_KEY}}}}
"""
"""Everything on that a request may meet: keys on both sides, a bound on concurrency, polling, metrics, and
the access log, which goes to a file."""


@contextlib.contextmanager
def fleet(folder: Path, ports: Machines) -> Iterator[Contender]:
    home = folder / "fleet"
    port = free_port()
    if not home.exists():
        home.mkdir()
    models = ", ".join(f"{model}: {{context: 32768}}" for model in MODELS)
    (home / "fleet.yaml").write_text(
        FLEET_YAML.format(**ports.ports(), port=port, model=MODEL, models=models)
    )
    command = [str(Path(sys.executable).with_name("fleet")), "serve"]
    env = {**os.environ, "BENCH_MACHINE_KEY": "machine-key", "BENCH_GATEWAY_KEY": "gateway-key"}
    subprocess.run([command[0], "build"], cwd=home, env=env, check=True, capture_output=True)
    headers = {"authorization": "Bearer gateway-key"}
    quick = Target(port, f"/boochat{CHAT}", f"quick/{MODEL}", headers)
    paced = Target(port, f"/boochat{CHAT}", f"paced/{MODEL}", headers)
    with started("fleet", command, folder / "fleet.log", quick, paced, env, home) as contender:
        yield contender


@contextlib.contextmanager
def litellm(folder: Path, ports: Machines, venv: Path) -> Iterator[Contender]:
    """LiteLLM's proxy, one worker, quiet, kept from any other address than the machines'."""
    port = free_port()
    models = [
        {
            "model_name": f"{name}/{MODEL}",
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": f"http://127.0.0.1:{machine}/v1",
                "api_key": "machine-key",
            },
        }
        for name, machine in ports.ports().items()
    ]
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": models, "litellm_settings": {"telemetry": False}}))
    nowhere = "http://127.0.0.1:9"
    env = {
        **os.environ,
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
    }
    command = [str(venv / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    quick = Target(port, CHAT, f"quick/{MODEL}", {})
    paced = Target(port, CHAT, f"paced/{MODEL}", {})
    with started("litellm", command, folder / "litellm.log", quick, paced, env) as contender:
        yield contender


@contextlib.contextmanager
def started(
    name: str,
    command: list[str],
    log: Path,
    quick: Target,
    paced: Target,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Contender]:
    """The contender, pinned to its core, once it has answered a chat request."""
    started = time.monotonic()
    with running(pinned(GATEWAY_CORE, command), log, env, cwd) as process:
        wait_for_answer(process, quick.port, quick.request(prompt(quick.model, 1024)), START_SECONDS)
        yield Contender(name, quick, paced, process, time.monotonic() - started)
