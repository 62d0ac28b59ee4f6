"""The shipped nginx and Caddy configurations, run as they are except for addresses and certificates: a stream
comes through them chunk by chunk, and a cut one without an end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from fleet_runtime.child_process import running
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.process import gateway_process
from tests.support.raw_client import Client, request
from tests.support.raw_server import Peer, raw_server
from tests.support.waiting import listens, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

DEPLOY = ROOT / "deploy"
NAME = "fleet.example.net"
CHAT = "/boochat/v1/chat/completions"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
START_SECONDS = 20

Configure = Callable[[Path, int, int, Path, Path], list[str]]
Connect = Callable[[], Awaitable[Client]]


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"'{old}' is not there once"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, behind: int, certificate: Path, key: Path) -> list[str]:
    server = replaced(
        (DEPLOY / "nginx.conf").read_text(),
        ("server 127.0.0.1:8400;", f"server 127.0.0.1:{behind};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        (f"/etc/letsencrypt/live/{NAME}/fullchain.pem", str(certificate)),
        (f"/etc/letsencrypt/live/{NAME}/privkey.pem", str(key)),
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""  # in a user namespace there may be nobody else
    whole = f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
    whole += f"http {{\naccess_log off;\n{temporary}{server}\n}}\n"
    (folder / "nginx.conf").write_text(whole)
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, behind: int, certificate: Path, key: Path) -> list[str]:
    site = replaced(
        (DEPLOY / "Caddyfile").read_text(),
        (f"{NAME} {{", f"https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}"),
        ("reverse_proxy 127.0.0.1:8400", f"reverse_proxy 127.0.0.1:{behind}"),
    )
    options = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(options + site)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def caddy_version() -> tuple[int, ...]:
    told = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", told)[:2])


@asynccontextmanager
async def front(configure: Configure, folder: Path, behind: int) -> AsyncIterator[Connect]:
    """The front server before a gateway; gives a way to connect to it."""
    folder.mkdir()
    authority = trustme.CA()
    issued = authority.issue_cert(NAME)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    port = free_port()
    command = configure(folder, port, behind, certificate, key)
    env = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder)}

    async def connect() -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=NAME)
        return Client(reader, writer)

    with running(command, folder / "log", env) as process:
        await until(lambda: listens(port) or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, (folder / "log").read_text()
        yield connect


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def configure(request: pytest.FixtureRequest) -> Configure:
    chosen: Configure = request.param
    name = request.node.callspec.id
    if shutil.which(name, path="/usr/sbin:/usr/bin:/bin") is None:
        pytest.skip(f"{name} is not installed")
    return chosen


@asynccontextmanager
async def fronted(
    configure: Configure, tmp_path: Path, script: Callable[[Peer], Awaitable[None]]
) -> AsyncIterator[Client]:
    """A connection through the front and a gateway to a provider that does what `script` says."""
    async with raw_server(script) as server:
        machine = connection("a", server.url, poll=False, declared={"m": {}})
        write_generated(tmp_path / "generated", gateway(machine, url=f"https://{NAME}"))
        async with (
            gateway_process(tmp_path / "generated") as served,
            front(configure, tmp_path / "front", served.port) as connect,
        ):
            client = await connect()
            try:
                yield client
            finally:
                client.writer.close()


async def test_a_stream_comes_chunk_by_chunk(configure: Configure, tmp_path: Path) -> None:
    seen = asyncio.Event()

    async def one_by_one(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"9\r\ndata: 0\n\n\r\n")
        for number in range(1, 5):
            await seen.wait()
            seen.clear()
            await peer.send(b"9\r\ndata: %d\n\n\r\n" % number)
        await peer.send(b"0\r\n\r\n")
        await peer.gone()

    async with asyncio.timeout(30), fronted(configure, tmp_path, one_by_one) as client:
        await client.send(request(CHAT, {"model": "a/m", "stream": True}, {"host": NAME}))
        head = await client.head()
        assert head.status == 200
        assert head.header(b"x-fleet-model") == [b"a/m"]
        for number in range(5):
            assert await client.chunk() == b"data: %d\n\n" % number
            seen.set()
        assert await client.chunk() == b""


async def test_a_stream_that_was_cut_comes_without_an_end(configure: Configure, tmp_path: Path) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"9\r\ndata: 0\n\n\r\n")
        await go.wait()
        peer.reset()

    if configure is caddy and caddy_version() < (2, 8):
        pytest.skip("caddy before 2.8 gives a cut answer an end (caddyserver/caddy#5951)")
    go = asyncio.Event()
    async with asyncio.timeout(30), fronted(configure, tmp_path, cut) as client:
        await client.send(request(CHAT, {"model": "a/m", "stream": True}, {"host": NAME}))
        await client.head()
        assert await client.chunk() == b"data: 0\n\n"
        go.set()
        rest = await client.rest()
        assert b"upstream_error" in rest
        assert b"[DONE]" not in rest
        assert not rest.endswith(b"0\r\n\r\n")


async def test_a_long_prompt_goes_through_and_our_own_errors_come_back(
    configure: Configure, tmp_path: Path
) -> None:
    sizes: list[int] = []

    async def measure(peer: Peer) -> None:
        while True:
            sizes.append(len((await peer.request()).body))
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async with asyncio.timeout(30), fronted(configure, tmp_path, measure) as client:
        prompt = "x" * 3_000_000
        await client.send(request(CHAT, {"model": "a/m", "prompt": prompt}, {"host": NAME}))
        assert (await client.answer()).body == b"{}"
        assert sizes[0] > 3_000_000
        await client.send(request(CHAT, {"model": "a/nothing"}, {"host": NAME, "x-request-id": "mine"}))
        refused = await client.answer()
        assert (refused.status, refused.header(b"x-request-id")) == (404, [b"mine"])
        assert json.loads(refused.body)["error"]["code"] == "model_not_found"
