"""nginx, in both its parts: the machine that always gives the same answer, and the proxy to compare with."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.messages import ANSWER, LISTING

FRAME = """
{modules}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  client_max_body_size 0;
  client_body_buffer_size 4m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_timeout 75s;
  keepalive_requests 100000000;
{http}
}}
"""


def nginx_version() -> str:
    told = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return told.strip().rpartition("/")[2]


def nginx_command(folder: Path, http: str, modules: Sequence[str] = ()) -> list[str]:
    """nginx in the foreground with everything it writes in `folder`, which is made."""
    folder.mkdir()
    file = folder / "nginx.conf"
    loaded = "\n".join(f"load_module {module};" for module in modules)
    file.write_text(FRAME.format(folder=folder, http=http, modules=loaded))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(file)]


def answering(port: int) -> str:
    """The machine: one JSON answer, as fast as nginx gives it."""
    return f"""
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /v1/models {{ return 200 '{LISTING}'; }}
    location / {{ return 200 '{ANSWER}'; }}
  }}"""


def upstreams(machines: dict[str, int]) -> str:
    """One for each machine, its connections kept."""
    return "".join(
        f"  upstream {name} {{ server 127.0.0.1:{machine}; keepalive 512; keepalive_requests 100000000; }}\n"
        for name, machine in machines.items()
    )


def proxying(port: int, machines: dict[str, int]) -> str:
    """``proxy_pass`` of ``/<name>/`` to each machine, with connections kept and nothing held back."""
    locations = "".join(f"    location /{name}/ {{ proxy_pass http://{name}/; }}\n" for name in machines)
    return f"""{upstreams(machines)}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
{locations}
  }}"""
