"""The log never holds up the gateway, whatever becomes of standard error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.telemetry.log_writer import QUEUE_BYTES, LogWriter
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.ports import free_port
from tests.support.raw_client import client, request
from tests.support.waiting import listens, until

LINE = b"x" * 999 + b"\n"
LINES = 3 * QUEUE_BYTES // len(LINE)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def read_all(fd: int) -> bytes:
    return b"".join(iter(lambda: os.read(fd, 65_536), b""))


def test_lines_arrive_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with LogWriter(writing) as writer:
        for number in range(100):
            writer(b"%d\n" % number)
    os.close(writing)
    assert read_all(reading).split() == [b"%d" % number for number in range(100)]
    assert writer.dropped == 0


def test_a_log_that_is_not_read_does_not_block_and_counts_what_it_drops(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with LogWriter(writing) as writer:
        for _ in range(LINES):
            writer(LINE)
    assert writer.dropped >= LINES - QUEUE_BYTES // len(LINE)
    left = (LINES - writer.dropped) * len(LINE)
    while left:
        left -= len(os.read(reading, min(left, 65_536)))


def test_a_log_that_cannot_be_written_counts_its_lines() -> None:
    with LogWriter(os.open("/dev/full", os.O_WRONLY)) as writer:
        writer(LINE)
        writer(3 * LINE, 3)
    assert writer.dropped == 4


@pytest.mark.anyio
async def test_a_gateway_whose_log_is_not_read_serves_and_stops(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    write_generated(tmp_path / "generated", gateway(connection("a", poll=False)))
    port = free_port()
    command = [sys.executable, "-m", "fleet_compiler", "serve", "--generated", str(tmp_path / "generated")]
    process = subprocess.Popen(
        [*command, "--listen", f"127.0.0.1:{port}"],
        stderr=pipe[1],
        env=os.environ | {"STATE_DIRECTORY": str(tmp_path)},
    )
    try:
        await until(lambda: listens(port), 30)
        async with client(port) as connected:
            for _ in range(400):
                await connected.send(request("/nowhere/" + "x" * 250, {}))
                assert (await connected.answer()).status == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(pipe[1])
