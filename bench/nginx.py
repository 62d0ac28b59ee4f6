"""nginx in two roles: a provider that always sends the same response, and a proxy to compare with."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.messages import MODEL_LIST, RESPONSE

CONFIG = """
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
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return version.strip().rpartition("/")[2]


def nginx_command(folder: Path, http: str, modules: Sequence[str] = ()) -> list[str]:
    """Create `folder` with a configuration, and return the command of nginx in the foreground that writes
    only there."""
    folder.mkdir()
    file = folder / "nginx.conf"
    loaded = "\n".join(f"load_module {module};" for module in modules)
    file.write_text(CONFIG.format(folder=folder, http=http, modules=loaded))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(file)]


def provider_server(port: int) -> str:
    """Return a server block that sends one JSON response to every request."""
    return f"""
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /v1/models {{ return 200 '{MODEL_LIST}'; }}
    location / {{ return 200 '{RESPONSE}'; }}
  }}"""


def upstreams(providers: dict[str, int]) -> str:
    """Return an upstream block for each provider, with keep-alive connections."""
    return "".join(
        f"  upstream {name} {{ server 127.0.0.1:{provider}; keepalive 512; keepalive_requests 100000000; }}\n"
        for name, provider in providers.items()
    )


def proxy_server(port: int, providers: dict[str, int]) -> str:
    """Return a server block that forwards ``/<name>/`` to each provider, with keep-alive and without
    buffering."""
    locations = "".join(f"    location /{name}/ {{ proxy_pass http://{name}/; }}\n" for name in providers)
    return f"""{upstreams(providers)}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
{locations}
  }}"""
