"""``fleet favorites``: the favorites that all surfaces share, asked of the running gateway."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from fleet_runtime.client import (
    GatewayClient,
    GatewayResponseError,
    gateway_command,
    url_option,
)
from fleet_runtime.commands.opencode_file import (
    OpencodeFileError,
    favorite_ids,
    model_file,
    read_model_file,
    with_favorites,
    write_model_file,
)

PATH = "/api/favorites"
TRIES = 10

json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, as the gateway's API has it.")
file_argument = click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))


def example(*lines: str) -> str:
    exits = "Exit codes: 0 fine, 1 refused, 2 usage, 4 no gateway answers."
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines), "", "\b", exits])


@click.group(short_help="Show and change the favorites of a running gateway.")
def favorites() -> None:
    """The favorites that all surfaces share, asked of the running gateway.

    A favorite whose machine is away is kept, and is back in its place with the machine. Where the gateway
    wants a key, it is read from FLEET_KEY.
    """


@favorites.command("list", epilog=example("fleet favorites list", "fleet favorites list --json"))
@url_option
@json_option
def list_favorites(url: str | None, as_json: bool) -> None:
    """Show all favorites in their order, and why one cannot be used."""
    with gateway_command(url) as gateway:
        _show(gateway.get(PATH), as_json)


@favorites.command(epilog=example("fleet favorites add embedding/qwen3-8b"))
@click.argument("id")
@url_option
@json_option
def add(id: str, url: str | None, as_json: bool) -> None:
    """Add a model at the end, by any name that resolves to it."""
    with gateway_command(url) as gateway:
        _show(gateway.request("PUT", _place(id)).json(), as_json)


@favorites.command(epilog=example("fleet favorites remove embedding/qwen3-8b"))
@click.argument("id")
@url_option
@json_option
def remove(id: str, url: str | None, as_json: bool) -> None:
    """Remove a model; fine if it is no favorite."""
    with gateway_command(url) as gateway:
        _show(gateway.request("DELETE", _place(id)).json(), as_json)


@favorites.command(epilog=example("fleet favorites move embedding/qwen3-8b --to 1"))
@click.argument("id")
@click.option("--to", type=click.IntRange(min=1), required=True, help="The place it gets, 1 being the first.")
@url_option
@json_option
def move(id: str, to: int, url: str | None, as_json: bool) -> None:
    """Give a favorite another place."""

    def moved(ids: list[str]) -> list[str]:
        if id not in ids:
            raise click.ClickException(f"'{id}' is not a favorite: `fleet favorites list` shows them")
        others = [other for other in ids if other != id]
        return [*others[: to - 1], id, *others[to - 1 :]]

    with gateway_command(url) as gateway:
        _show(_rearrange(gateway, moved), as_json)


@favorites.command(
    epilog=example("fleet favorites export > favorites.json", "fleet favorites export --to-opencode")
)
@file_argument
@click.option("--to-opencode", is_flag=True, help="Add them to opencode's own favorites.")
@url_option
def export(file: Path | None, to_opencode: bool, url: str | None) -> None:
    """Write the favorites to FILE, by default to standard output.

    With --to-opencode they are added to what opencode holds (FILE, by default its model.json), where nothing
    is changed or removed. Orphans are left out there.
    """
    with gateway_command(url) as gateway:
        found = gateway.get(PATH)["favorites"]
    if to_opencode:
        path = file or model_file(os.environ)
        _add_to_opencode(path, [item["id"] for item in found if not item["orphan"]])
        return
    text = json.dumps({"favorites": [item["id"] for item in found]}, indent=2, ensure_ascii=False)
    try:
        with click.open_file(str(file or "-"), "w", encoding="utf-8", atomic=file is not None) as output:
            output.write(f"{text}\n")
    except OSError as error:
        raise click.ClickException(f"'{file}' cannot be written: {error.strerror}") from None


@favorites.command(
    "import",
    epilog=example("fleet favorites import favorites.json", "fleet favorites import --from-opencode"),
)
@file_argument
@click.option("--from-opencode", is_flag=True, help="Take opencode's own favorites.")
@url_option
@json_option
def import_favorites(file: Path | None, from_opencode: bool, url: str | None, as_json: bool) -> None:
    """Add the favorites of FILE (- for standard input) after those that are there.

    With --from-opencode, FILE is by default opencode's model.json, and favorites of providers that are not in
    this fleet are skipped.
    """
    if from_opencode:
        ids = favorite_ids(_read_opencode(file or model_file(os.environ)))
    elif file is None:
        raise click.UsageError("name the FILE to import, or take opencode's with --from-opencode")
    else:
        ids = _read_ids(file)
    with gateway_command(url) as gateway:
        refused = _add_all(gateway, ids)
        _show(gateway.get(PATH), as_json)
    for refusal in refused:
        click.echo(f"{'skipped' if from_opencode else 'not added'}: {refusal}", err=True)
    if refused and not from_opencode:
        raise click.ClickException(f"{len(refused)} of {len(ids)} could not be added")


def _place(id: str) -> str:
    return f"{PATH}/{quote(id, safe='')}"


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not found["favorites"]:
        click.echo("no favorites", err=True)
    width = max((len(item["id"]) for item in found["favorites"]), default=0)
    for number, item in enumerate(found["favorites"], 1):
        reason = "" if item["available"] else f"  {item['reason']}"
        click.echo(f"{number:>3}  {item['id']:<{width if reason else 0}}{reason}")


def _rearrange(gateway: GatewayClient, arranged: Callable[[list[str]], list[str]]) -> Any:
    """Replace the list by what `arranged` makes of it, anew where somebody else changed it meanwhile."""
    for left in reversed(range(TRIES)):
        found = gateway.get(PATH)
        ids = arranged([item["id"] for item in found["favorites"]])
        headers = {"if-match": f'"{found["version"]}"'}
        try:
            return gateway.request("PUT", PATH, json={"favorites": ids}, headers=headers).json()
        except GatewayResponseError as refusal:
            if refusal.code != "version_conflict" or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _add_all(gateway: GatewayClient, ids: list[str]) -> list[str]:
    """Add each; what was said of those that mean nothing to the gateway."""
    refused = []
    for id in ids:
        try:
            gateway.request("PUT", _place(id))
        except GatewayResponseError as refusal:
            if refusal.status not in (400, 404):
                raise
            refused.append(refusal.message)
    return refused


def _read_ids(file: Path) -> list[str]:
    """The ids of a file that `export` wrote, of an answer of the API, or of a plain list."""
    try:
        with click.open_file(str(file), encoding="utf-8") as source:
            content = json.load(source)
    except OSError as error:
        raise click.ClickException(f"'{file}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(f"'{file}' is not JSON: {error}") from None
    entries = content.get("favorites") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise click.ClickException(f"'{file}' holds no list of favorites")
    found = [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]
    ids = [id for id in found if isinstance(id, str) and id]
    if len(ids) != len(found):
        raise click.ClickException(f"'{file}' holds favorites without an id")
    return ids


def _read_opencode(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise click.ClickException(f"there is no '{path}': opencode writes it with the first favorite")
    try:
        return read_model_file(path)
    except OpencodeFileError as error:
        raise click.ClickException(str(error)) from None


def _add_to_opencode(path: Path, ids: list[str]) -> None:
    try:
        held = read_model_file(path)
        merged = with_favorites(held, ids)
        added = len(merged["favorite"]) - len(held.get("favorite", []))
        if added:
            write_model_file(path, merged)
    except OpencodeFileError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{added} added to '{path}'", err=True)
    if added:
        click.echo("an opencode that is running does not see them and may undo this: restart it", err=True)
