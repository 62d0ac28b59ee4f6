"""The contenders: no gateway at all, nginx, this gateway, and LiteLLM's proxy. Each forwards to the same two
providers: `quick` sends one response at once, `paced` a stream of events."""

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
from bench.nginx import nginx_command, provider_server, proxy_server
from bench.processes import pinned, wait_for_response
from fleet_runtime.child_process import free_port, running

GATEWAY_CORE = 0
LOAD_CORE = 1
CHAT = "/v1/chat/completions"
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Providers:
    quick: int
    paced: int

    def ports(self) -> dict[str, int]:
        return {"quick": self.quick, "paced": self.paced}


@dataclass(frozen=True, slots=True)
class Contender:
    """`process` is None if requests go directly to the providers; `start_seconds` is the time from the start
    of the process to its first response to a chat request."""

    name: str
    quick: Target
    paced: Target
    process: subprocess.Popen[bytes] | None = None
    start_seconds: float = 0.0


@contextlib.contextmanager
def providers(folder: Path, pace_milliseconds: float) -> Iterator[Providers]:
    """Run both providers on the core of the load."""
    ports = Providers(free_port(), free_port())
    paced = [sys.executable, "-m", "bench.paced", str(ports.paced), str(pace_milliseconds)]
    quick = nginx_command(folder / "quick", provider_server(ports.quick))
    with (
        running(pinned(LOAD_CORE, quick), folder / "quick.log") as quick_process,
        running(pinned(LOAD_CORE, paced), folder / "paced.log") as paced_process,
    ):
        hello = b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        wait_for_response(quick_process, ports.quick, hello, START_SECONDS)
        wait_for_response(paced_process, ports.paced, hello, START_SECONDS)
        yield ports


def direct(ports: Providers) -> Contender:
    return Contender("direct", Target(ports.quick, CHAT, MODEL, {}), Target(ports.paced, CHAT, MODEL, {}))


@contextlib.contextmanager
def nginx(folder: Path, ports: Providers) -> Iterator[Contender]:
    port = free_port()
    quick = Target(port, f"/quick{CHAT}", MODEL, {})
    paced = Target(port, f"/paced{CHAT}", MODEL, {})
    command = nginx_command(folder / "nginx", proxy_server(port, ports.ports()))
    with started("nginx", command, folder / "nginx.log", quick, paced) as contender:
        yield contender


FLEET_YAML = """
version: 1
default_provider: quick
providers:
  quick:
    url: http://127.0.0.1:{quick}
    api_key_env: BENCH_PROVIDER_KEY
    max_concurrency: 2000
    models: {{{models}}}
  paced:
    url: http://127.0.0.1:{paced}
    api_key_env: BENCH_PROVIDER_KEY
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
"""Every feature that costs a request time is on: keys on both sides, a concurrency limit, polling, metrics,
and the access log, written to a file."""


@contextlib.contextmanager
def fleet(folder: Path, ports: Providers) -> Iterator[Contender]:
    home = folder / "fleet"
    port = free_port()
    if not home.exists():
        home.mkdir()
    models = ", ".join(f"{model}: {{context: 32768}}" for model in MODELS)
    (home / "fleet.yaml").write_text(
        FLEET_YAML.format(**ports.ports(), port=port, model=MODEL, models=models)
    )
    command = [str(Path(sys.executable).with_name("fleet")), "serve"]
    env = {**os.environ, "BENCH_PROVIDER_KEY": "provider-key", "BENCH_GATEWAY_KEY": "gateway-key"}
    subprocess.run([command[0], "build"], cwd=home, env=env, check=True, capture_output=True)
    headers = {"authorization": "Bearer gateway-key"}
    quick = Target(port, f"/boochat{CHAT}", f"quick/{MODEL}", headers)
    paced = Target(port, f"/boochat{CHAT}", f"paced/{MODEL}", headers)
    with started("fleet", command, folder / "fleet.log", quick, paced, env, home) as contender:
        yield contender


@contextlib.contextmanager
def litellm(folder: Path, ports: Providers, venv: Path) -> Iterator[Contender]:
    """Run LiteLLM's proxy with one worker and without logs; it can reach only the providers."""
    port = free_port()
    models = [
        {
            "model_name": f"{name}/{MODEL}",
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": f"http://127.0.0.1:{provider}/v1",
                "api_key": "provider-key",
            },
        }
        for name, provider in ports.ports().items()
    ]
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": models, "litellm_settings": {"telemetry": False}}))
    closed_port = "http://127.0.0.1:9"
    env = {
        **os.environ,
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "HTTP_PROXY": closed_port,
        "HTTPS_PROXY": closed_port,
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
    """Run a contender on the gateways' core; yield it after its first response to a chat request."""
    started = time.monotonic()
    with running(pinned(GATEWAY_CORE, command), log, env, cwd) as process:
        wait_for_response(process, quick.port, quick.request(prompt(quick.model, 1024)), START_SECONDS)
        yield Contender(name, quick, paced, process, time.monotonic() - started)
