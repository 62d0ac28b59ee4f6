"""A PostgreSQL server for tests, and PgBouncer in front of it, from Debian's packages, on 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.waiting import eventually, listens

START_SECONDS = 30
USER = "postgres" if os.geteuid() == 0 else None
"""The server refuses to run as root."""


def require(program: str, package: str) -> str:
    """Return the path of a program, or skip the test, with a warning that names the package."""
    folders = ["/usr/sbin", "/usr/bin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *folders]))
    if found is None:
        warnings.warn(f"not tested: '{program}' is not installed (apt-get install {package})", stacklevel=2)
        pytest.skip(f"{program} is not installed")
    return found


@dataclass
class PostgresServer:
    """A cluster below `folder`; its one user has a password, its databases are made by the tests."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://fleet:canary-password@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start, recovering what a killed server left."""
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options |= {"fsync": "off", "max_connections": 50, "shared_buffers": "16MB"}
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        command = [require("postgres", "postgresql"), "-D", str(self.folder / "data"), *words]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=USER, process_group=0)
        eventually(lambda: listens(self.port), START_SECONDS)
        eventually(lambda: self.sql("SELECT 1").returncode == 0, START_SECONDS)

    def sql(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        command = [require("psql", "postgresql"), "-XAtqc", statement, self.url(database)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    def kill(self) -> None:
        """kill -9 of the server and everything that it started."""
        assert self.process is not None
        self.signal_all(signal.SIGKILL)
        self.process.wait()
        eventually(lambda: not listens(self.port))

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and its backends, each of which is a group for itself."""
        assert self.process is not None
        for process in (*self._backends(), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _backends(self) -> list[int]:
        assert self.process is not None
        with contextlib.suppress(FileNotFoundError):
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            return [int(number) for number in text.split()]
        return []

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal_all(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            self.process.wait(START_SECONDS)


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server with an empty database for each name that `PostgresServer.sql` creates."""
    initdb = require("initdb", "postgresql")
    folder = Path(tempfile.mkdtemp(prefix="fleet-postgres-"))
    try:
        if USER is not None:
            shutil.chown(folder, USER)
        (folder / "password").write_text("canary-password")
        command = [initdb, "-D", str(folder / "data"), "-U", "fleet", "-A", "scram-sha-256", "-E", "UTF8"]
        command += ["--pwfile", str(folder / "password"), "--no-sync", "--locale", "C"]
        subprocess.run(command, user=USER, check=True, capture_output=True)
        server = PostgresServer(folder)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def pgbouncer(server: PostgresServer) -> Iterator[int]:
    """PgBouncer in transaction mode in front of the server; yields its port."""
    program, port = require("pgbouncer", "pgbouncer"), free_port()
    folder = server.folder / "pgbouncer"
    folder.mkdir()
    (folder / "users.txt").write_text('"fleet" "canary-password"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = scram-sha-256\n"
        f"auth_file = {folder}/users.txt\npool_mode = transaction\nunix_socket_dir =\n"
        "default_pool_size = 2\n"
    )
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, user=USER
        )
    try:
        eventually(lambda: listens(port), START_SECONDS)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)
