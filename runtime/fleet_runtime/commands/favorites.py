"""``fleet favorites``: read and change the favorites of a running gateway."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet_runtime.client import GatewayClient, GatewayResponseError, api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.opencode_favorites import (
    favorite_ids,
    read_model_file,
    with_favorites,
    write_model_file,
)
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.text_input import STANDARD, read_input
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.files import replace_file
from fleet_runtime.opencode_files import OpencodeFileError, model_file
from fleet_runtime.text import escape, join_names, quote

if TYPE_CHECKING:
    from fleet_runtime.catalog.shapes import FavoriteList

PATH = "/api/favorites"
COLUMNS = (Column("number"), Column("id"), Column("", is_detail=True))
REASONS = {
    "orphan": "its provider is not in fleet.yaml",
    "provider_offline": "its provider is offline",
    "provider_disabled": "its provider is disabled",
    "model_not_found": "its provider does not list it",
    "surface_not_allowed": "not allowed on this surface",
    "sidecar_unreachable": "the sidecar of its provider does not respond",
}
"""Why a favorite cannot be used, by the API's code."""

TRIES = 10

json_option = click.option("--json", "as_json", is_flag=True, help="Print the JSON of `GET /api/favorites`.")
file_argument = click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))


def example(*lines: str) -> str:
    return epilog(*lines, exits=GATEWAY_EXITS)


@contextmanager
def waiting_gateway(url: str | None) -> Iterator[GatewayClient]:
    """Yield a client as `open_gateway` does, and show a line while waiting for it."""
    with open_gateway(url) as gateway, wait_line("waiting for the gateway"):
        yield gateway


@click.group()
def favorites() -> None:
    """Show and change the favorites, which all surfaces share.

    A favorite is kept while its provider is offline. If the gateway needs a key, it is read from $FLEET_KEY.
    """


@favorites.command("list", epilog=example("fleet favorites list", "fleet favorites list --json"))
@url_option
@json_option
def list_favorites(url: str | None, as_json: bool) -> None:
    """List the favorites in order, with the reason if one cannot be used."""
    with waiting_gateway(url) as gateway:
        document = gateway.send("GET", PATH)
    _show(gateway, document, as_json)


@favorites.command(epilog=example("fleet favorites add embedding/qwen3-8b"))
@click.argument("id")
@url_option
@json_option
def add(id: str, url: str | None, as_json: bool) -> None:
    """Append a model to the favorites. ID is any name that resolves to it."""
    with waiting_gateway(url) as gateway:
        document = gateway.send("PUT", _path(id))
        warning = _unlisted_warning(gateway, id)
    _show(gateway, document, as_json)
    if warning is not None:
        click.secho(f"warning: {warning}", fg="yellow", err=True)


@favorites.command(epilog=example("fleet favorites remove embedding/qwen3-8b"))
@click.argument("id")
@url_option
@json_option
def remove(id: str, url: str | None, as_json: bool) -> None:
    """Remove a model from the favorites."""
    with waiting_gateway(url) as gateway:
        document = gateway.send("DELETE", _path(id))
    _show(gateway, document, as_json)


@favorites.command(epilog=example("fleet favorites move embedding/qwen3-8b --to 1"))
@click.argument("id")
@click.option("--to", type=click.IntRange(min=1), required=True, help="The new position, from 1.")
@url_option
@json_option
def move(id: str, to: int, url: str | None, as_json: bool) -> None:
    """Move a favorite to another position."""

    def moved(ids: list[str]) -> list[str]:
        if id not in ids:
            raise click.ClickException(f"{quote(id)} is not a favorite: `fleet favorites list` shows them")
        others = [other for other in ids if other != id]
        return [*others[: to - 1], id, *others[to - 1 :]]

    with waiting_gateway(url) as gateway:
        document = _reorder(gateway, moved)
    _show(gateway, document, as_json)


@favorites.command(
    epilog=example("fleet favorites export > favorites.json", "fleet favorites export --to-opencode")
)
@file_argument
@click.option("--to-opencode", is_flag=True, help="Add the favorites to opencode's own.")
@url_option
def export(file: Path | None, to_opencode: bool, url: str | None) -> None:
    """Write the favorites to FILE, or to standard output.

    With --to-opencode, add them to opencode's favorites (FILE, or its model.json), which are kept. Favorites
    of providers that are no longer in fleet.yaml are skipped.
    """
    with waiting_gateway(url) as gateway:
        found = _list(gateway).favorites
    if to_opencode:
        _add_to_opencode(file or model_file(os.environ), [item.id for item in found if not item.orphan])
        return
    text = json.dumps({"favorites": [item.id for item in found]}, indent=2, ensure_ascii=False)
    if file is None or file == STANDARD:
        click.echo(text)
        return
    try:
        replace_file(file, f"{text}\n".encode())
    except OSError as error:
        raise click.ClickException(f"'{file}' cannot be written: {error.strerror}") from None


@favorites.command(
    "import",
    epilog=example("fleet favorites import favorites.json", "fleet favorites import --from-opencode"),
)
@file_argument
@click.option("--from-opencode", is_flag=True, help="Import opencode's favorites.")
@url_option
@json_option
def import_favorites(file: Path | None, from_opencode: bool, url: str | None, as_json: bool) -> None:
    """Append the favorites in FILE (`-` is standard input).

    With --from-opencode, FILE defaults to opencode's model.json, and favorites of other providers are
    skipped.
    """
    if from_opencode:
        ids = favorite_ids(_read_opencode(file or model_file(os.environ)))
    elif file is None:
        raise click.UsageError("name the FILE to import, or import opencode's with --from-opencode")
    else:
        ids = _read_ids(file)
    with waiting_gateway(url) as gateway:
        rejected = _add_all(gateway, ids)
        document = gateway.send("GET", PATH)
    _show(gateway, document, as_json)
    for message in rejected:
        click.echo(f"{'skipped' if from_opencode else 'not added'}: {escape(message)}", err=True)
    if rejected and not from_opencode:
        raise click.ClickException(f"{len(rejected)} of {len(ids)} could not be added")


def _path(id: str) -> str:
    return PATH + api_path(id)


def _list(gateway: GatewayClient) -> FavoriteList:
    from fleet_runtime.catalog.shapes import FavoriteList

    return gateway.get(PATH, FavoriteList)


def _show(gateway: GatewayClient, document: bytes, as_json: bool) -> None:
    """Print the list in a response, as JSON or as text."""
    from fleet_runtime.catalog.shapes import FavoriteList
    from fleet_runtime.commands.json_output import show_document

    if as_json:
        show_document(document)
        return
    items = gateway.parse(document, FavoriteList).favorites
    if not items:
        click.echo("no favorites", err=True)
    rows = [
        (f"{number:>3}", item.id, "" if item.available else REASONS.get(item.reason or "", item.reason or ""))
        for number, item in enumerate(items, 1)
    ]
    for line in layout(COLUMNS, rows, output_width(), has_header=False):
        click.echo(line)


def _unlisted_warning(gateway: GatewayClient, id: str) -> str | None:
    """Return a warning if a request for a new favorite would fail because its provider does not list it."""
    from fleet_runtime.catalog.shapes import ModelResolution

    found = gateway.get(api_path("api", "resolve", model=id), ModelResolution)
    if found.reason != "model_not_found":
        return None
    names = join_names(found.suggestions or (), "or", limit=3)
    hint = f"; did you mean {names}?" if names else ""
    return f"{quote(id)} is a favorite now, but its provider does not list it{hint}"


def _reorder(gateway: GatewayClient, order: Callable[[list[str]], list[str]]) -> bytes:
    """Replace the list by the result of `order`; repeat that if the list was changed meanwhile."""
    for left in reversed(range(TRIES)):
        found = _list(gateway)
        body = json.dumps({"favorites": order([item.id for item in found.favorites])}).encode()
        try:
            return gateway.send("PUT", PATH, body, if_match=found.etag)
        except GatewayResponseError as error:
            if error.code != "version_conflict" or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _add_all(gateway: GatewayClient, ids: list[str]) -> list[str]:
    """Add each id; return the gateway's message for each that is not a model."""
    rejected = []
    for id in ids:
        try:
            gateway.send("PUT", _path(id))
        except GatewayResponseError as error:
            if error.status not in (400, 404):
                raise
            rejected.append(error.message)
    return rejected


def _read_ids(file: Path) -> list[str]:
    """Return the ids of a file that `export` wrote, of a response of the API, or of a plain list."""
    try:
        content = json.loads(read_input(file))
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"'{file}' is not JSON: {error}") from None
    entries = content.get("favorites") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise click.ClickException(f"'{file}' does not contain a list of favorites")
    found = [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]
    ids = [id for id in found if isinstance(id, str) and id]
    if len(ids) != len(found):
        raise click.ClickException(f"'{file}' has favorites without an id")
    return ids


def _read_opencode(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise click.ClickException(f"'{path}' does not exist: opencode writes it with the first favorite")
    try:
        return read_model_file(path)
    except OpencodeFileError as error:
        raise click.ClickException(str(error)) from None


def _add_to_opencode(path: Path, ids: list[str]) -> None:
    try:
        present = read_model_file(path)
        merged = with_favorites(present, ids)
        added = len(merged["favorite"]) - len(present.get("favorite", []))
        if added:
            write_model_file(path, merged)
    except OpencodeFileError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{added} added to '{path}'", err=True)
    if added:
        click.echo("a running opencode does not see them and may undo this: restart it", err=True)
