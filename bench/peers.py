"""nginx with Lua and HAProxy: peers that read a request's JSON, if they are installed.

nginx with Lua does what the gateway does to a request: it checks a key, reads the body, removes the provider
from the model's name, rewrites the body, inserts the provider's key and writes a log line. HAProxy reads the
model and routes by it; it cannot rewrite the body.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.contenders import CHAT, Contender, Providers, started
from bench.messages import MODEL, Target
from bench.nginx import nginx_command, upstreams
from fleet_runtime.child_process import free_port

MODULES: Final = Path("/usr/lib/nginx/modules")
LUA: Final = ("ndk_http_module.so", "ngx_http_lua_module.so")
CJSON: Final = Path("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so")

LUA_HTTP: Final = """
  lua_package_path "/usr/share/lua/5.1/?.lua;;";
  lua_package_cpath "/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;;";
  init_by_lua_block {{ cjson = require "cjson" }}
{upstreams}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    access_log {log} combined buffer=64k flush=1s;
    location /boochat/ {{
      set $provider "";
      access_by_lua_block {{
        if ngx.var.http_authorization ~= "Bearer gateway-key" then return ngx.exit(401) end
        ngx.req.read_body()
        local body = cjson.decode(ngx.req.get_body_data())
        local provider, model = body.model:match("^([^/]+)/(.+)$")
        body.model = model
        ngx.req.set_body_data(cjson.encode(body))
        ngx.req.set_header("Authorization", "Bearer provider-key")
        ngx.var.provider = provider
      }}
      rewrite ^/boochat(.*)$ $1 break;
      proxy_pass http://$provider;
      add_header x-request-id $request_id;
    }}
  }}"""

HAPROXY: Final = """
global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 600s
  http-reuse always
frontend gateway
  bind 127.0.0.1:{port} backlog 2048
  option http-buffer-request
  http-request deny deny_status 401 unless {{ req.hdr(authorization) -m str "Bearer gateway-key" }}
  http-request set-var(txn.model) req.body,json_query('$.model')
  http-request set-header authorization "Bearer provider-key"
  http-request replace-path /boochat(.*) \\1
  use_backend paced if {{ var(txn.model) -m beg paced/ }}
  default_backend quick
{backends}
"""


@contextlib.contextmanager
def nginx_with_lua(folder: Path, ports: Providers) -> Iterator[Contender]:
    port = free_port()
    http = LUA_HTTP.format(port=port, upstreams=upstreams(ports.ports()), log=folder / "lua.log")
    modules = [str(MODULES / module) for module in LUA]
    with _peer("nginx with Lua", nginx_command(folder / "lua", http, modules), folder, port) as contender:
        yield contender


@contextlib.contextmanager
def haproxy(folder: Path, ports: Providers) -> Iterator[Contender]:
    port = free_port()
    backends = "".join(
        f"backend {name}\n  server {name} 127.0.0.1:{provider}\n" for name, provider in ports.ports().items()
    )
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, backends=backends))
    with _peer("HAProxy", ["haproxy", "-db", "-f", str(config)], folder, port) as contender:
        yield contender


@contextlib.contextmanager
def peers(folder: Path, ports: Providers) -> Iterator[list[Contender]]:
    """Run the peers that are installed on this computer."""
    with contextlib.ExitStack() as running:
        found = []
        if shutil.which("nginx") and CJSON.exists() and all((MODULES / module).exists() for module in LUA):
            found.append(running.enter_context(nginx_with_lua(folder, ports)))
        if shutil.which("haproxy"):
            found.append(running.enter_context(haproxy(folder, ports)))
        yield found


@contextlib.contextmanager
def _peer(name: str, command: list[str], folder: Path, port: int) -> Iterator[Contender]:
    headers = {"authorization": "Bearer gateway-key"}
    quick = Target(port, f"/boochat{CHAT}", f"quick/{MODEL}", headers)
    paced = Target(port, f"/boochat{CHAT}", f"paced/{MODEL}", headers)
    with started(name, command, folder / f"{port}.log", quick, paced) as contender:
        yield contender
