"""How a command finds the running gateway and talks to it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 30.0
KEY_VARIABLE = "FLEET_KEY"

Command = TypeVar("Command", bound=Callable[..., Any])


class GatewayUnreachableError(click.ClickException):
    """No gateway answers at the URL, or what answers is none."""

    exit_code = 4


class GatewayResponseError(click.ClickException):
    """The gateway's answer is an error; `code` is its code, `status` its HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def url_option(command: Command) -> Command:
    """``--url``, for the commands that ask a gateway."""
    option = click.option(
        "--url", metavar="URL", help="The gateway; by default the one of the nearest fleet.yaml."
    )
    return option(command)


class GatewayClient:
    """Requests to one gateway, with the key in ``$FLEET_KEY`` where it is set.

    Every method raises `GatewayUnreachableError` and `GatewayResponseError`.
    """

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url
        self._client = client

    def get(self, path: str) -> Any:
        return self.request("GET", path).json()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer that is JSON and no error; `options` are those of ``httpx.Client.request``."""
        import httpx

        try:
            answer = self._client.request(method, f"{self.url}{path}", **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise GatewayUnreachableError(
                f"the gateway at '{self.url}' does not answer ({error}): start it with `fleet serve`, "
                "or name another with --url"
            ) from None
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.is_success and content is not None:
            return answer
        told = content.get("error") if isinstance(content, dict) else None
        if not isinstance(told, dict):
            raise GatewayUnreachableError(
                f"what answers at '{self.url}' is not a gateway (HTTP {answer.status_code})"
            )
        message = str(told.get("message"))
        if answer.status_code == 401:
            message += f"; set {KEY_VARIABLE}"
        raise GatewayResponseError(answer.status_code, str(told.get("code")), message)


@contextmanager
def gateway_command(url: str | None) -> Iterator[GatewayClient]:
    """A client of the gateway at `url`, or of the one that the nearest fleet.yaml was built for."""
    import httpx

    key = os.environ.get(KEY_VARIABLE)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        yield GatewayClient((url or _configured_url()).rstrip("/"), client)


def nearest_generated() -> Path:
    """generated/ beside the fleet.yaml of this folder or the nearest one above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.lexists(folder / "fleet.yaml"):
            return folder / "generated"
    return here / "generated"


def _configured_url() -> str:
    file = nearest_generated() / "gateway.json"
    try:
        return str(json.loads(file.read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(
            f"'{file}' does not say where the gateway is: run `fleet build`, or name it with --url"
        ) from None
