"""``fleet init``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from fleet_compiler.commands.options import json_option
from fleet_compiler.commands.progress import show_models
from fleet_compiler.commands.terminal import note, say, show_json, warn
from fleet_compiler.diagnostics.errors import ProviderSilentError, UsageError
from fleet_compiler.edit.starter import starter_text
from fleet_compiler.files import write_files
from fleet_compiler.process_lock import hold_process_lock
from fleet_compiler.scan.hosts import Host, parse_hosts, parse_tailnet
from fleet_compiler.scan.servers import USUAL_PORTS, ScanReport, scan_hosts
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.targets import CONFIG_VARIABLE, FLEET_FILE
from fleet_runtime.text import count, join_words

TAILSCALE = ("tailscale", "/Applications/Tailscale.app/Contents/MacOS/Tailscale")
TAILSCALE_SECONDS = 10
PORTS = join_words(map(str, USUAL_PORTS))


@click.command(
    epilog=epilog(
        "fleet init",
        "fleet init --scan 127.0.0.1 sam-desktop 192.168.1.21",
        "fleet init --scan http://sam-desktop:9001   # only this port",
        "fleet init --tailnet",
        exits={
            0: "success",
            1: "the file cannot be written",
            2: "usage error, or fleet.yaml already exists",
            4: "no server responded",
            130: "you declined, or pressed Ctrl-C",
        },
    ),
)
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option("--scan", is_flag=True, help=f"Look for servers on each HOST, on the ports {PORTS}.")
@click.option("--tailnet", is_flag=True, help="Also look for servers on the hosts of your tailnet.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before probing the hosts of --tailnet.")
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    help=f"The file to write. Default: ${CONFIG_VARIABLE}, or {FLEET_FILE} in this folder.",
)
@json_option
def init(
    hosts: tuple[str, ...], scan: bool, tailnet: bool, yes: bool, file: Path | None, as_json: bool
) -> None:
    """Write a first fleet.yaml. An existing file is never changed.

    With --scan or --tailnet, the file lists every server that responds: llama-swap, llama-server, Ollama,
    vLLM and LM Studio. Only the hosts that you name, or that --tailnet shows you, are contacted. No model is
    loaded.
    """
    if bool(hosts) != scan:
        raise UsageError(
            "--scan needs a HOST" if scan else f"hosts go with --scan: fleet init --scan {hosts[0]}"
        )
    file = file or Path(os.environ.get(CONFIG_VARIABLE) or FLEET_FILE)
    _require_new(file)
    chosen = parse_hosts(hosts)
    if tailnet:
        chosen += _tailnet_hosts(yes)
    report = _scan(chosen) if chosen else ScanReport()
    with hold_process_lock(
        [file.parent], lambda: note(f"waiting for another fleet command in '{file.parent}'")
    ):
        _require_new(file)
        write_files([(file, starter_text(report.found).encode())])
    if as_json:
        show_json({"file": str(file), "providers": [asdict(server) for server in report.found]})
        return
    say(f"wrote {file}" + (f" with {count(len(report.found), 'provider')}" if report.found else ""))
    for server in report.found:
        if server.key_variable is not None:
            warn(
                f"'{server.name}' requires an API key: `export {server.key_variable}=…` before `fleet up`,"
                f" or write `api_key_file: FILE` in place of `api_key_env` into {file}"
            )
    note("next: `fleet up`" if chosen else "next: write the address of your server into it, then `fleet up`")


def _require_new(file: Path) -> None:
    if file.is_dir():
        raise UsageError(f"'{file}' is a folder: name the file to write, like {file / FLEET_FILE}")
    if os.path.lexists(file):
        raise UsageError(f"'{file}' already exists: `fleet add NAME URL` adds a provider to it")


def _scan(hosts: Sequence[Host]) -> ScanReport:
    with wait_line(f"looking for servers on {count(len(set(hosts)), 'host')}") as line:
        report = scan_hosts(hosts, on_found=line.above(show_models))
    for host in report.closed_ollama:
        warn(
            f"{host.address} has no server on the ports {PORTS}; if Ollama runs there, it accepts "
            "connections from that host only: start it with OLLAMA_HOST=0.0.0.0"
        )
    for host in report.unknown:
        warn(f"the host name '{host.address}' cannot be resolved")
    if not report.found:
        raise ProviderSilentError("no server responded; nothing was written")
    return report


def _tailnet_hosts(yes: bool) -> Sequence[Host]:
    """Return the hosts of the tailnet after showing them and asking."""
    tailnet = parse_tailnet(_tailscale_status())
    for host in tailnet.hosts:
        note(f"  {host.address:<15}  {host.name}")
    if tailnet.offline:
        note(f"  ({count(tailnet.offline, 'host')} more offline)")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("cannot ask without a terminal: add --yes")
        question = f"probe the ports {PORTS} of {count(len(tailnet.hosts), 'host')}?"
        click.confirm(question, default=True, abort=True, err=True)
    return tailnet.hosts


def _tailscale_status() -> str:
    program = next(filter(None, map(shutil.which, TAILSCALE)), None)
    if program is None:
        raise UsageError("`tailscale` is not on PATH: install it, or name the hosts with --scan")
    try:
        ran = subprocess.run(  # noqa: S603 - the user's own tailscale, with constant arguments
            [program, "status", "--json"], capture_output=True, timeout=TAILSCALE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError("`tailscale status --json` timed out or cannot be run") from None
    return ran.stdout.decode("utf-8", "replace")
