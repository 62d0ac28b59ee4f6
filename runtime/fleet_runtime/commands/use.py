"""``fleet use``: set the user's default fleet.yaml or gateway."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from fleet_runtime.client import (
    GatewayClient,
    GatewayResponseError,
    GatewayUnreachableError,
    GatewayVersionError,
    gateway_url,
    open_gateway,
)
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.targets import (
    FLEET_FILE,
    Target,
    default_file,
    find_config,
    find_gateway,
    read_default,
    write_default,
)
from fleet_runtime.text import escape, escape_json, quote
from fleet_runtime.urls import mask_url, with_scheme
from fleet_runtime.user_folders import NoHomeError


@click.command(
    epilog=epilog(
        "fleet use ~/fleet",
        "fleet use http://100.101.41.16:8400",
        "fleet use                 # show what is used in this folder, and why",
        "fleet use --forget",
        exits={0: "success", 2: "usage error, or the fleet.yaml or gateway does not exist"},
    )
)
@click.argument("target", required=False, metavar="[PATH|URL]")
@click.option("--forget", is_flag=True, help="Remove the default.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def use(target: str | None, forget: bool, as_json: bool) -> None:
    """Set the default fleet.yaml or gateway for all commands.

    An option (-f, --url), a variable ($FLEET_CONFIG, or $FLEET_URL for the gateway) and the nearest
    fleet.yaml in this folder or above it take precedence over the default. With a URL, the commands that
    only need a gateway work without a fleet.yaml. Without an argument, show what is used in this folder.
    """
    if target is not None and forget:
        raise click.UsageError("PATH or URL and --forget cannot be used together")
    if forget:
        write_default(None)
    elif target is not None:
        write_default(_chosen(target))
    if as_json:
        click.echo(escape_json(json.dumps(_in_force(), indent=2, ensure_ascii=False)))
    else:
        _show()


def _chosen(target: str) -> Target:
    """Return the default that `target` names: a URL, a fleet.yaml, or the folder of one."""
    if "://" in target:
        with open_gateway(target) as gateway:  # rejects what cannot be the URL of a gateway
            _warn_if_silent(gateway)
        return Target("fleet use", url=target.rstrip("/"))
    try:
        path = Path(target).expanduser()
    except RuntimeError:
        raise click.UsageError(f"no {quote(target)}: its home folder is not known") from None
    config = path / FLEET_FILE if path.is_dir() else path
    if not config.is_file():
        url = None if path.exists() else with_scheme(target)
        remedy = f"write {url}" if url else "name a fleet.yaml, its folder, or the URL of a gateway"
        raise click.UsageError(f"no '{config}': {remedy}")
    return Target("fleet use", config=config.absolute())


def _warn_if_silent(gateway: GatewayClient) -> None:
    """Warn if no gateway responds at that URL now; it is set anyway, because the gateway may be off."""
    from fleet_runtime.api.shapes import Health

    try:
        gateway.get("/health", Health)
    except (GatewayUnreachableError, GatewayVersionError, GatewayResponseError) as error:
        reason = error.reason if isinstance(error, GatewayUnreachableError) else "is not a fleet gateway"
        click.echo(f"warning: {quote(gateway.url)} {escape(reason)}", err=True)


def _in_force() -> dict[str, Any]:
    """Return what commands use in this folder; a URL that is not known yet is null."""
    gateway, config, default = find_gateway(os.environ), find_config(os.environ), read_default()
    return {
        "gateway": None if gateway is None else {"url": _url(gateway), "source": gateway.source},
        "config": None if config is None else {"path": str(config.config), "source": config.source},
        "default": None if default is None else _name(default),
        "default_file": _default_file(),
    }


def _default_file() -> str | None:
    try:
        return str(default_file())
    except NoHomeError:
        return None


def _show() -> None:
    found = _in_force()
    gateway, config, default = found["gateway"], found["config"], found["default"]
    rows = [
        ("gateway", _row(gateway, "url") if gateway else "none: name one with --url or `fleet use URL`"),
        ("fleet.yaml", _row(config, "path") if config else "none: make one with `fleet init`"),
        ("default", f"{default}  ({found['default_file']})" if default else "none"),
    ]
    for name, value in rows:
        click.echo(f"{name:<10}  {escape(value)}")


def _row(entry: dict[str, Any], key: str) -> str:
    return f"{entry[key] or 'not built yet: run `fleet up`'}  ({entry['source']})"


def _url(target: Target) -> str | None:
    if target.generated is None:
        return mask_url(target.url or "")
    try:
        return mask_url(gateway_url(target.generated))
    except click.UsageError:
        return None


def _name(target: Target) -> str:
    return str(target.config) if target.url is None else mask_url(target.url)
