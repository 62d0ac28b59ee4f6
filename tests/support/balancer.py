"""The shipped balancers before two gateways, as they are except for addresses and ports."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fleet_runtime.child_process import running
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.postgres import require
from tests.support.waiting import eventually, listens

DEPLOY = ROOT / "deploy"
HOST = "fleet.lab"
START_SECONDS = 20


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"'{old}' is not there once"
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def haproxy(folder: Path, gateways: Sequence[int], more: str = "") -> Iterator[int]:
    """deploy/haproxy.cfg with `more` at its end; yields its port."""
    text = replaced(
        (DEPLOY / "haproxy.cfg").read_text(),
        ("    maxconn 20000", "    maxconn 2000"),
        ("bind :8400", "bind 127.0.0.1:PORT"),
        ("10.0.0.11:8400", f"127.0.0.1:{gateways[0]}"),
        ("10.0.0.12:8400", f"127.0.0.1:{gateways[1]}"),
    )
    with running_haproxy(folder, text + more) as port:
        yield port


@contextlib.contextmanager
def running_haproxy(folder: Path, text: str) -> Iterator[int]:
    """HAProxy with a configuration, where PORT becomes its port, which is yielded."""
    program, port = require("haproxy", "haproxy"), free_port()
    config = folder / "haproxy.cfg"
    config.write_text(text.replace("PORT", str(port)))
    with running([program, "-db", "-f", str(config)], folder / "haproxy.log") as process:
        eventually(lambda: listens(port) or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, (folder / "haproxy.log").read_text()
        yield port


@contextlib.contextmanager
def nginx(folder: Path, gateways: Sequence[int]) -> Iterator[int]:
    """deploy/nginx-upstream.conf; yields its port."""
    text = (DEPLOY / "nginx-upstream.conf").read_text()
    addresses = ("10.0.0.11:8400", "10.0.0.12:8400")
    to = [(address, f"127.0.0.1:{gateway}") for address, gateway in zip(addresses, gateways, strict=True)]
    with running_nginx(folder, replaced(text, ("listen 8400;", "listen 127.0.0.1:PORT;"), *to)) as port:
        yield port


@contextlib.contextmanager
def running_nginx(folder: Path, server: str) -> Iterator[int]:
    """nginx with the `server` of a site, where PORT becomes its port, which is yielded."""
    program, port = require("nginx", "nginx-light"), free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    whole = f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
    site = server.replace("PORT", str(port))
    (folder / "nginx.conf").write_text(f"{whole}http {{\naccess_log off;\n{temporary}{site}\n}}\n")
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    with running(command, folder / "nginx.log") as process:
        eventually(lambda: listens(port) or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield port


def documented(page: str, language: str, first: str) -> str:
    """The block of a page of docs/ in `language` that begins with `first`."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(first))
    return str(found)
