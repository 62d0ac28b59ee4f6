"""The gateway before a real llama.cpp server: `llama-server` on PATH, else `python -m llama_cpp.server`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet_runtime.child_process import running
from tests.integration.exchanges import Exchange, differences
from tests.integration.llama_cpp_exchanges import EXCHANGES, MODEL
from tests.integration.processes import answers
from tests.support.ports import free_port
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONTEXT = 512
SLOTS = 2
NO_SERVER = (
    "llama.cpp's server is not installed: put llama-server on PATH, or name in FLEET_LLAMA_PYTHON "
    "the Python of an environment that has llama-cpp-python[server]"
)


@dataclass(frozen=True, slots=True)
class Real:
    """`native`: it is llama.cpp's own server, which has more endpoints than its Python sibling."""

    url: str
    native: bool
    stack: Stack


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    pytest.importorskip("gguf", reason="gguf is not installed: run `make integration`")
    from tests.integration.tiny_model import write_tiny_model

    folder = tmp_path_factory.mktemp("llama-cpp")
    write_tiny_model(folder / "tiny.gguf")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command, native = _server(folder / "tiny.gguf", port)
    with running(command, folder / "server.log", dict(os.environ), folder):
        eventually(lambda: answers(f"{url}/v1/models"), 60)
        yaml = f'version: 1\ndefault_provider: box\nproviders: {{box: "{url}"}}\nsurfaces: {{boochat: }}\n'
        with running_stack(
            folder, (), lambda _, listen: f'{yaml}gateway: {{listen: "{listen}"}}\n', online=["box"]
        ) as stack:
            yield Real(url, native, stack)


def _server(model: Path, port: int) -> tuple[list[str], bool]:
    own = shutil.which("llama-server")
    if own is not None:
        options = f"--alias {MODEL} --ctx-size {CONTEXT * SLOTS} --parallel {SLOTS} --port {port}".split()
        embeds = ["--embeddings", "--pooling", "mean"]
        return [own, "--model", str(model), "--host", "127.0.0.1", *embeds, *options], True
    options = f"--model_alias {MODEL} --n_ctx {CONTEXT} --host 127.0.0.1 --port {port}".split()
    served = [_python(), "-m", "llama_cpp.server", "--model", str(model), "--embedding", "true"]
    return [*served, *options], False


def _python() -> str:
    """The interpreter that has llama-cpp-python[server]: that of $FLEET_LLAMA_PYTHON, else this one."""
    if named := os.environ.get("FLEET_LLAMA_PYTHON"):
        return named
    if importlib.util.find_spec("llama_cpp") is None or importlib.util.find_spec("sse_starlette") is None:
        pytest.skip(NO_SERVER)
    return sys.executable


def test_there_are_enough_of_them() -> None:
    assert len(EXCHANGES) >= 80
    assert len({exchange.name for exchange in EXCHANGES}) == len(EXCHANGES)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_a_response_is_the_same_directly_and_through_the_gateway(real: Real, exchange: Exchange) -> None:
    exchange.send(real.url, MODEL)  # what it remembers of a prompt changes its response
    one = exchange.send(real.url, MODEL)
    through = exchange.send(f"{real.stack.url}/boochat", f"box/{MODEL}")
    other = exchange.send(real.url, MODEL)
    assert differences(one, other, through) == []


def test_an_overflow_of_the_context_is_the_servers_own_error(real: Real) -> None:
    answer = real.stack.chat(f"box/{MODEL}", messages=[{"role": "user", "content": "xyz " * 400}])
    assert answer.status_code == 400
    assert str(CONTEXT) in answer.json()["error"]["message"]


def test_clients_get_the_context_of_one_slot(real: Real) -> None:
    if not real.native:
        pytest.skip("only llama-server says what context it has")
    model = real.stack.client.get(f"/api/models/box/{MODEL}").json()
    assert (model["context"], model["context_source"]) == (CONTEXT, "running")
