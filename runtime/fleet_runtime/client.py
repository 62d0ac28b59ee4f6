"""A client of the gateway's API, for commands and the doctor."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet_runtime.text import quote

if TYPE_CHECKING:
    import httpx

    from fleet_runtime.api_shape import ApiShape

TIMEOUT_SECONDS = 30.0
KEY_VARIABLE = "FLEET_KEY"
URL_VARIABLE = "FLEET_URL"
CONFIG_VARIABLE = "FLEET_CONFIG"

_KEY_REMEDIES = {
    "unauthorized": f"; set {KEY_VARIABLE}",
    "surface_not_allowed": f"; set {KEY_VARIABLE} to a key without `surfaces`",
}

Command = TypeVar("Command", bound=Callable[..., Any])
Response = TypeVar("Response", bound="ApiShape")


class GatewayUnreachableError(click.ClickException):
    """Nothing responds at `url`, or it is not a gateway; `reason` follows the URL in a sentence."""

    exit_code = 4

    def __init__(self, url: str, reason: str) -> None:
        where = f"the gateway at {quote(url, 200)}"
        super().__init__(f"{where} {reason}: start it with `fleet serve`, or name another with --url")
        self.url = url
        self.reason = reason


class GatewayVersionError(click.ClickException):
    """The gateway is of a version of fleet whose responses this one cannot read."""

    def __init__(self, url: str) -> None:
        super().__init__(f"the gateway at {quote(url, 200)} is of another version of fleet than this command")


class GatewayResponseError(click.ClickException):
    """The gateway responded with an error; `code` is its code, `status` the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def url_option(command: Command) -> Command:
    """Add ``--url``, for the commands that ask a gateway."""
    option = click.option(
        "--url",
        metavar="URL",
        envvar=URL_VARIABLE,
        help=f"The gateway; by default ${URL_VARIABLE}, or the one of the nearest fleet.yaml.",
    )
    return option(command)


class GatewayClient:
    """Requests to one gateway, with the key in ``$FLEET_KEY`` if it is set.

    Every method raises `GatewayUnreachableError` and `GatewayResponseError`, and `GatewayVersionError` if the
    response does not have the shape.
    """

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url
        self._client = client

    def get(self, path: str, shape: type[Response]) -> Response:
        return self.request("GET", path, shape)

    def request(
        self, method: str, path: str, shape: type[Response], *, body: ApiShape | None = None, **headers: str
    ) -> Response:
        """Send `body` as JSON and return the response; `headers` with ``_`` for ``-``."""
        import msgspec

        content = self.send(method, path, None if body is None else msgspec.json.encode(body), **headers)
        try:
            return msgspec.json.decode(content, type=shape)
        except msgspec.ValidationError:
            raise GatewayVersionError(self.url) from None

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """Return the JSON of a response that is not an error."""
        import httpx

        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            response = self._client.request(method, f"{self.url}{path}", content=body, headers=sent)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise GatewayUnreachableError(self.url, f"does not respond ({_reason(error)})") from None
        self._require_success(response)
        return response.content

    @contextmanager
    def stream(self, path: str, body: bytes) -> Iterator[httpx.Response]:
        """POST JSON and yield the response as it comes; loading a model may take as long as it takes."""
        import httpx

        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=None)
        headers = {"content-type": "application/json"}
        request = self._client.stream(
            "POST", f"{self.url}{path}", content=body, headers=headers, timeout=timeout
        )
        try:
            with request as response:
                if not response.is_success:
                    response.read()
                    self._require_success(response)
                yield response
        except httpx.ConnectError as error:
            raise GatewayUnreachableError(self.url, f"does not respond ({_reason(error)})") from None

    def _require_success(self, response: httpx.Response) -> None:
        try:
            content = response.json()
        except ValueError:
            content = None
        if response.is_success and content is not None:
            return
        error_body = content.get("error") if isinstance(content, dict) else None
        if not isinstance(error_body, dict):
            raise GatewayUnreachableError(self.url, f"is not a gateway (HTTP {response.status_code})")
        code, message = str(error_body.get("code")), str(error_body.get("message"))
        raise GatewayResponseError(response.status_code, code, message + _KEY_REMEDIES.get(code, ""))


@contextmanager
def open_gateway(url: str | None) -> Iterator[GatewayClient]:
    """Yield a client of the gateway at `url`, or of the one that the nearest fleet.yaml was built for.

    Raises click.UsageError if neither is known.
    """
    import httpx

    key = os.environ.get(KEY_VARIABLE)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        yield GatewayClient((url or _configured_url()).rstrip("/"), client)


def nearest_generated() -> Path:
    """Return generated/ next to the fleet.yaml that ``$FLEET_CONFIG`` names, or to the nearest one."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named).parent / "generated"
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.lexists(folder / "fleet.yaml"):
            return folder / "generated"
    return here / "generated"


def require_generated(otherwise: str) -> Path:
    """Return `nearest_generated`; raises click.UsageError if there is neither it nor a fleet.yaml.

    `otherwise` is what to write to do without one.
    """
    folder = nearest_generated()
    if not os.path.lexists(folder) and not os.path.lexists(folder.parent / "fleet.yaml"):
        raise click.UsageError(
            f"no fleet.yaml in this folder or one above it: make one with `fleet init`, or {otherwise}"
        )
    return folder


def _configured_url() -> str:
    file = require_generated("name the gateway with --url") / "gateway.json"
    try:
        return str(json.loads(file.read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(
            f"'{file}' does not say where the gateway is: run `fleet build`, or name it with --url"
        ) from None


def _reason(error: Exception) -> str:
    """Return the system's own word for a failure, without its number: ``connection refused``."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror[:1].lower() + cause.strerror[1:]
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
