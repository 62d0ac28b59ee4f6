"""Broken requests on raw connections to a gateway in a separate process, in front of a server that notes
every byte, alone and behind nginx: nothing reaches a provider that was not sent as one request."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from fleet_runtime.artifacts.contract import PollSettings
from fleet_runtime.child_process import running
from tests.support import artifacts, raw_fuzz
from tests.support.ports import free_port
from tests.support.process import gateway_process
from tests.support.raw_client import ask
from tests.support.raw_fuzz import Seen
from tests.support.waiting import listens, turn, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

COUNT = int(os.environ.get("FLEET_FUZZ_COUNT", "3000"))
"""Connections for each kind of provider; 2 requests on each, give or take."""
SEED = int(os.environ.get("FLEET_FUZZ_SEED", "1"))
AT_ONCE = 128
PATIENCE = 0.3
"""Seconds without a byte after which the gateway is taken to wait for more."""
MOST_GROWTH = 40_000_000
FRONTS = ("none", "nginx", *filter(None, [os.environ.get("FLEET_FUZZ_FRONT")]))
"""Between gateway and server: nothing, nginx, or a command that takes its own port and the server's."""

FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\x00-\x08\x0a-\x1f\x7f]*")
LINE = re.compile(rb"[A-Z]+ /[!-~]* HTTP/1\.[01]")
LIST = b'{"object":"list","data":[{"id":"m","object":"model"}]}'


@dataclass
class Server:
    """A server that is as strict as can be: `malformed` holds the heads that are not what they should be."""

    seen: list[Seen] = field(default_factory=list)
    malformed: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await self._request(reader)
                told = (
                    LIST if request.method == b"GET" else b'{"canary":"%b"}' % request.canary.hex().encode()
                )
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(told) + (b"" if request.method == b"HEAD" else told))
                await writer.drain()
        writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> Seen:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].split(b"\r\n")
        pairs = [
            (name.lower(), value.strip()) for name, _, value in (item.partition(b":") for item in fields)
        ]
        names = Counter(name for name, _ in pairs)
        well_formed = LINE.fullmatch(line) and all(FIELD.fullmatch(item) for item in fields)
        if (
            not well_formed
            or names[b"host"] != 1
            or names[b"content-length"] > 1
            or names[b"transfer-encoding"]
        ):
            self.malformed.append(head)
        headers = dict(reversed(pairs))  # the first of a name counts
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        method, target, _ = line.split(b" ")
        request = Seen(method, target, raw_fuzz.canary_of(headers.get(b"x-canary"), body), body)
        if method != b"GET" or request.canary:
            self.seen.append(request)
        return request


async def converse(port: int, parts: Sequence[bytes]) -> bytes:
    """All that comes back for `parts`, sent one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        with suppress(ConnectionError, TimeoutError):
            for part in parts:
                writer.write(part)
                await turn()
            while piece := await asyncio.wait_for(reader.read(65_536), PATIENCE):
                received += piece
    finally:
        writer.transport.abort()
    return received


def command_of(front: str, folder: Path, port: int, behind: int) -> list[str]:
    """What starts the server between the gateway and ours."""
    if front != "nginx":
        return [front, str(port), str(behind)]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nevents {{}}\n"
        f"http {{ access_log off;\n{temporary}upstream ours {{ server 127.0.0.1:{behind}; keepalive 64; }}\n"
        f"server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000;\n"
        'location / { proxy_pass http://ours; proxy_http_version 1.1; proxy_set_header Connection ""; } } }\n'
    )
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


@dataclass
class Ledger:
    """The requests that were sent and have not reached the server yet, by canary; how many have."""

    open: dict[bytes, list[Seen]] = field(default_factory=dict)
    arrived: int = 0

    def add(self, sent: Sequence[Seen]) -> None:
        for request in sent:
            self.open.setdefault(request.canary, []).append(request)

    def settle(self, seen: Seen) -> bool:
        """Whether `seen` is one that was sent, and has not arrived before."""
        candidates = self.open.get(seen.canary, [])
        match = next((sent for sent in candidates if seen.same_as(sent)), None)
        if match is not None:
            candidates.remove(match)
            self.arrived += 1
        return match is not None


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.parametrize("front", FRONTS)
async def test_of_broken_requests_only_what_was_sent_as_one_reaches_a_provider(
    tmp_path: Path, front: str
) -> None:
    if front == "nginx" and shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    server, random = Server(), Random(SEED)
    async with AsyncExitStack() as stack:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 20)
        stack.callback(listener.close)
        port = listener.sockets[0].getsockname()[1]
        if front != "none":
            folder, behind, port = tmp_path / "front", port, free_port()
            folder.mkdir()
            stack.enter_context(running(command_of(front, folder, port, behind), tmp_path / "front.log"))
            await until(lambda: listens(port))
        provider = artifacts.connection("a", f"http://127.0.0.1:{port}")
        polls = PollSettings(interval=5, timeout=5, grace=60)
        artifacts.write_generated(tmp_path / "generated", artifacts.gateway(provider, inventory=polls))
        gateway = await stack.enter_async_context(gateway_process(tmp_path / "generated"))
        await until_routed(gateway.port)
        server.seen.clear()
        ledger, memory = Ledger(), 0
        for start in range(0, COUNT, AT_ONCE):
            sent = [raw_fuzz.payload(random, number) for number in range(start, min(start + AT_ONCE, COUNT))]
            requests = [raw_fuzz.readable(data) for data in sent]
            ledger.add([request for each in requests for request in each])
            parts = [raw_fuzz.pieces(random, data) for data in sent]
            received = await asyncio.gather(*(converse(gateway.port, each) for each in parts))
            odd = [request for request in server.seen if not ledger.settle(request)]
            server.seen.clear()
            assert odd == [], [data for data in sent if odd[0].canary.partition(b".")[0] + b"." in data]
            assert server.malformed == []
            for data, each, came in zip(sent, requests, received, strict=True):
                canaries = iter([request.canary for request in each])
                echoes = [bytes.fromhex(echo.decode()) for echo in re.findall(rb'"canary":"(\w*)"', came)]
                assert all(echo in canaries for echo in echoes), (data, came)
            if start <= COUNT // 10:
                memory = resident(gateway.process.pid)
        print(f"{front}: {COUNT} connections, {ledger.arrived} requests arrived")
        assert ledger.arrived > COUNT // 8
        assert gateway.process.poll() is None
        assert resident(gateway.process.pid) - memory < MOST_GROWTH
        assert not [line for line in gateway.lines if "Traceback" in line]
        assert (await ask(gateway.port, "/v1/chat/completions", {"model": "a/m"})).status == 200


async def until_routed(port: int) -> None:
    async with asyncio.timeout(20):
        while (await ask(port, "/v1/chat/completions", {"model": "a/m"})).status != 200:
            await turn()
