"""The command that repeats a captured request, read back by a shell."""

from __future__ import annotations

import shlex

from fleet_runtime.api.curl import curl_command
from fleet_runtime.proxy.capture import CapturedHead

URL = "http://127.0.0.1:8400"


def words(
    *headers: tuple[bytes, bytes], start: bytes = b"POST /v1/x HTTP/1.1", body: bytes = b"{}"
) -> list[str]:
    return shlex.split(curl_command(URL, CapturedHead(start, headers), body, needs_key=False))


def test_a_shell_reads_back_what_a_client_sent() -> None:
    hostile = b"'$(touch x)`y`\"\\"
    found = words((b"x-a", hostile), start=b"P`O$ST /v1/'$(x) HTTP/1.1", body=b"{%b}" % hostile)
    assert found == [
        *("curl", "-sS", "-N", "-X", "P`O$ST", f"{URL}/v1/'$(x)"),
        *("-H", f"x-a: {hostile.decode()}", "--data-raw", f"{{{hostile.decode()}}}"),
    ]


def test_a_header_that_a_terminal_would_obey_is_left_out() -> None:
    assert words((b"x-a", b"\x9b2J"), (b"x-b", b"\xc2\x9b2J"), (b"x-c", b"a\tb"), (b"x-d", b"1"))[6:8] == [
        *("-H", "x-d: 1"),
    ]
