"""Where a connection goes, and what its failure is called."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from aiohappyeyeballs import AddrInfoType

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream import ConnectError, Upstream
from fleet_runtime.upstream.address import Address, system_names
from tests.runtime.upstream.conftest import Client, eventually
from tests.support.raw_server import Peer, raw_server, responding

pytestmark = pytest.mark.anyio

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


async def hello(upstream: Upstream) -> None:
    response = await upstream.send(b"POST", b"/", [], b"{}")
    assert await response.read(100) == b"hello"


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    with socket.socket(family) as sock:
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix", "host_header", "text"),
    [
        ("http://host", "host", 80, "", b"host", "host:80"),
        ("https://Host.example:443/", "host.example", 443, "", b"host.example", "host.example:443"),
        ("http://host:443/a/b/", "host", 443, "/a/b", b"host:443", "host:443"),
        ("http://10.1.2.3:8401", "10.1.2.3", 8401, "", b"10.1.2.3:8401", "10.1.2.3:8401"),
        ("http://[::1]", "::1", 80, "", b"[::1]", "[::1]:80"),
        ("https://[fe80::1%25lo]:8443", "fe80::1%lo", 8443, "", b"[fe80::1]:8443", "[fe80::1%lo]:8443"),
        (
            "http://bücher.example:81",
            "xn--bcher-kva.example",
            81,
            "",
            b"xn--bcher-kva.example:81",
            "xn--bcher-kva.example:81",
        ),
    ],
)
def test_a_url_says_where_a_server_is(
    url: str, host: str, port: int, prefix: str, host_header: bytes, text: str
) -> None:
    address = Address(url)
    found = (address.host, address.port, address.prefix, address.host_header, address.text)
    assert found == (host, port, prefix, host_header, text)


@pytest.mark.parametrize(
    "url",
    ["", "host:80", "ftp://host", "http://", "http://user:secret@host", "http://host:99999", "http://[::1"],
)
def test_what_is_not_a_url_of_a_server_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Upstream(url)


async def test_fault_01_a_refused_connection_fails_at_once_and_names_the_address(client: Client) -> None:
    port = free_port()
    with pytest.raises(ConnectError) as failure:
        async with asyncio.timeout(3):
            await hello(client(f"http://127.0.0.1:{port}"))
    assert str(failure.value) == f"cannot connect to 127.0.0.1:{port}: connection refused"
    assert failure.value.reason == "connect_failed"


async def test_fault_02_a_connection_that_never_comes_fails_at_the_connect_limit(client: Client) -> None:
    """A listener whose queue is full drops every SYN, as a provider asleep does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            upstream = client(f"http://127.0.0.1:{port}", timeouts=Timeouts(connect=0.1))
            with pytest.raises(ConnectError, match=r"no connection within 0.1 s"):
                await hello(upstream)
            assert repr(upstream).endswith("0 active, 0 idle>")
        finally:
            for filler in fillers:
                filler.close()


def has_ipv6() -> bool:
    try:
        free_port(socket.AF_INET6)
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_an_ipv6_address_in_brackets(client: Client) -> None:
    async with raw_server(responding(PLAIN), host="::1") as server:
        await hello(client(server.url))
        assert server.requests[0].header(b"host") == [b"[::1]:%d" % server.port]


class Names:
    """A resolver that knows one name, with `addresses`, and counts the questions."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0
        self.held: asyncio.Event | None = None

    async def __call__(self, host: str, port: int) -> list[AddrInfoType]:
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [info for address in self.addresses for info in await system_names(address, port)]


async def test_fault_03_a_name_without_an_address_fails(client: Client) -> None:
    with pytest.raises(ConnectError, match=r"cannot connect to machine:81: its host name cannot be resolved"):
        await hello(client("http://machine:81", resolve=Names()))


async def test_fault_03_a_lookup_that_hangs_ends_at_the_connect_limit(client: Client) -> None:
    names = Names()
    names.held = asyncio.Event()
    upstream = client("http://machine:81", timeouts=Timeouts(connect=0.05), resolve=names)
    results = await asyncio.gather(*(hello(upstream) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {ConnectError}
    assert names.asked == 1


async def test_closing_does_not_end_a_request_that_waits_for_its_name(client: Client) -> None:
    """A reload closes the upstream of the old snapshot while its requests go on."""
    names = Names("127.0.0.1")
    names.held = asyncio.Event()
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(f"http://machine:{server.port}", resolve=names)
        waiting = asyncio.create_task(hello(upstream))
        await eventually(lambda: names.asked == 1)
        await upstream.close()
        names.held.set()
        await waiting
        await server.until_open(0)


async def test_a_literal_address_is_never_looked_up(client: Client) -> None:
    names = Names()
    async with raw_server(responding(PLAIN)) as server:
        await hello(client(server.url, resolve=names))
        assert names.asked == 0


async def test_a_name_is_looked_up_once_for_concurrent_connections(client: Client) -> None:
    names = Names("127.0.0.1")
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(f"http://machine:{server.port}", resolve=names)
        await asyncio.gather(*(hello(upstream) for _ in range(10)))
        assert server.connections == 10
        assert names.asked == 1


async def test_a_name_is_looked_up_again_when_its_address_has_failed(client: Client) -> None:
    """The provider has moved: its old address refuses, its new one is found by the next request."""
    names = Names("::1")
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(f"http://machine:{server.port}", resolve=names)
        with pytest.raises(ConnectError, match="cannot connect"):
            await hello(upstream)
        names.addresses = ("127.0.0.1",)
        await hello(upstream)
        assert names.asked == 2


async def test_the_next_address_is_tried_when_one_refuses(client: Client) -> None:
    async with raw_server(responding(PLAIN)) as server:
        await hello(client(f"http://machine:{server.port}", resolve=Names("::1", "127.0.0.1")))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "machine").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.parametrize("name", ["127.0.0.1", "machine"])
async def test_tls_with_the_providers_own_authority(
    client: Client, server_tls: ssl.SSLContext, ca_file: str, name: str
) -> None:
    async with raw_server(responding(PLAIN), tls=server_tls) as server:
        upstream = client(f"https://{name}:{server.port}", ca_file=ca_file, resolve=Names("127.0.0.1"))
        for _ in range(2):
            await hello(upstream)
        assert server.connections == 1


async def test_a_certificate_of_an_unknown_authority_is_rejected(
    client: Client, server_tls: ssl.SSLContext
) -> None:
    async with raw_server(responding(PLAIN), tls=server_tls) as server:
        with pytest.raises(ConnectError, match="its certificate is not trusted"):
            await hello(client(server.url))
        assert server.requests == []


async def test_a_certificate_of_another_name_is_rejected(
    client: Client, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    async with raw_server(responding(PLAIN), tls=server_tls) as server:
        upstream = client(f"https://other:{server.port}", ca_file=ca_file, resolve=Names("127.0.0.1"))
        with pytest.raises(ConnectError, match="its certificate is not trusted: hostname mismatch"):
            await hello(upstream)
        assert server.requests == []


async def test_verify_false_takes_any_certificate(client: Client, server_tls: ssl.SSLContext) -> None:
    async with raw_server(responding(PLAIN), tls=server_tls) as server:
        await hello(client(server.url, verify=False))


async def test_a_ca_file_that_cannot_be_read_fails_the_request_and_not_the_start(client: Client) -> None:
    upstream = client("https://127.0.0.1:1", ca_file="/nonexistent/ca.pem")
    with pytest.raises(ConnectError, match=r"ca_file '.*' cannot be used"):
        await hello(upstream)


async def test_tls_to_a_server_that_speaks_none_is_a_failed_connection(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(PLAIN)
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url.replace("http:", "https:"), verify=False)
        with pytest.raises(ConnectError, match="it does not speak TLS: try http://"):
            await hello(upstream)
        await eventually(lambda: server.open == 0)


async def test_a_handshake_that_hangs_ends_at_the_connect_limit(client: Client) -> None:
    async with raw_server(Peer.gone) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(ConnectError, match="no connection within"):
            await hello(client(url, verify=False, timeouts=Timeouts(connect=0.1)))
        await server.until_open(0)


async def test_a_large_stream_over_tls_is_held_back_and_complete(
    client: Client, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    size = 5_000_000

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + request.body)

    async with raw_server(script, tls=server_tls) as server:
        body = bytes(range(250)) * (size // 250)
        response = await client(server.url, ca_file=ca_file).send(b"POST", b"/", [], body)
        assert await response.read(size) == body
