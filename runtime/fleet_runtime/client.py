"""A client of the gateway's API, for commands and the doctor."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote as percent_encoded

import click

from fleet_runtime.files import MAX_ARTIFACT, UnreadableFileError, read_file
from fleet_runtime.interrupts import certain_interrupt
from fleet_runtime.targets import FLEET_FILE, GENERATED, URL_VARIABLE, find_config, find_gateway
from fleet_runtime.text import quote, shorten
from fleet_runtime.urls import AddressError, mask_url, parse_url

if TYPE_CHECKING:
    import httpx

    from fleet_runtime.api_shape import ApiShape

TIMEOUT_SECONDS = 30.0
MAX_RESPONSE = 64 * 1024 * 1024
MAX_URL = 2000
"""Bytes of a response, and characters of a gateway's URL."""

_SHOWN = 100
_SHOWN_MESSAGE = 500
"""The maximum lengths in messages: of a URL or reason, and of a message from the gateway."""
KEY_VARIABLE = "FLEET_KEY"

Command = TypeVar("Command", bound=Callable[..., Any])
Response = TypeVar("Response", bound="ApiShape")


class GatewayUnreachableError(click.ClickException):
    """Nothing responds at `url`, or it is not a gateway; `reason` completes the sentence after the URL.

    Here and below, `url` has no secrets, as `GatewayClient.url`.
    """

    exit_code = 4

    def __init__(self, url: str, reason: str) -> None:
        where = f"the gateway at {quote(url, _SHOWN)}"
        super().__init__(f"{where} {reason}: start it with `fleet up`, or name another with --url")
        self.url = url
        self.reason = reason


class GatewayVersionError(click.ClickException):
    """The gateway runs another version of fleet, whose responses this version cannot parse."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the gateway at {quote(url, _SHOWN)} runs another version of fleet than this command"
        )


class GatewayResponseError(click.ClickException):
    """The gateway responded with an error; `code` is its code, `status` the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(shorten(message, _SHOWN_MESSAGE))
        self.status = status
        self.code = code


def url_option(command: Command) -> Command:
    """Add ``--url``, for commands that send requests to a gateway."""
    option = click.option(
        "--url",
        metavar="URL",
        envvar=URL_VARIABLE,
        help=f"The gateway. Default: ${URL_VARIABLE}, the gateway of the nearest fleet.yaml, or the one set "
        "by `fleet use`.",
    )
    return option(command)


class GatewayClient:
    """Sends requests to one gateway; `url` is its URL for messages, without secrets.

    Every method raises `GatewayUnreachableError` and `GatewayResponseError`, and `GatewayVersionError` if the
    response does not have the shape.
    """

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = mask_url(url)
        self._root = url
        self._client = client

    def get(self, path: str, shape: type[Response]) -> Response:
        return self.request("GET", path, shape)

    def request(
        self, method: str, path: str, shape: type[Response], *, body: ApiShape | None = None, **headers: str
    ) -> Response:
        """Send `body` as JSON and return the response. Names in `headers` have ``_`` for ``-``."""
        import msgspec

        content = None if body is None else msgspec.json.encode(body)
        return self.parse(self.send(method, path, content, **headers), shape)

    def parse(self, content: bytes, shape: type[Response]) -> Response:
        """Parse the result of `send` as a `shape`."""
        import msgspec

        try:
            return msgspec.json.decode(content, type=shape)
        except (ValueError, RecursionError):
            raise GatewayVersionError(self.url) from None

    def post(self, path: str, body: ApiShape) -> bytes:
        """POST without a time limit, because the provider may take long; return the JSON of the response."""
        import msgspec

        with self.stream(path, msgspec.json.encode(body)) as response:
            return self._read(response)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """Return the JSON of a response that is not an error."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with self._open(method, path, body, sent, TIMEOUT_SECONDS) as response:
            content = self._read(response)
            self._require_success(response, content)
        return content

    @contextmanager
    def stream(self, path: str, body: bytes) -> Iterator[httpx.Response]:
        """POST JSON and yield the response as it arrives, without a time limit, because the model may have to
        be loaded."""
        headers = {"content-type": "application/json"}
        with self._open("POST", path, body, headers, None) as response:
            if not response.is_success:
                self._require_success(response, self._read(response))
            yield response

    @contextmanager
    def _open(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], read: float | None
    ) -> Iterator[httpx.Response]:
        """Yield a response with an unread body; each chunk must arrive within `read` seconds."""
        import httpx

        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=read)
        request = self._client.stream(
            method, f"{self._root}{path}", content=body, headers=headers, timeout=timeout
        )
        try:
            with request as response:
                # The request accepts none: a few bytes of one may decode to any number of them.
                if encoding := response.headers.get("content-encoding", "").strip():
                    raise self._not_a_gateway(f"content-encoding {quote(encoding)}")
                response.encoding = "utf-8"
                yield response
        except httpx.RemoteProtocolError as error:
            raise GatewayUnreachableError(
                self.url, f"does not respond as HTTP requires ({_reason(error)})"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayUnreachableError(self.url, f"does not respond ({_reason(error)})") from None

    def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > MAX_RESPONSE:
                raise self._not_a_gateway(f"its response has more than {MAX_RESPONSE} bytes")
        return bytes(content)

    def _require_success(self, response: httpx.Response, content: bytes) -> None:
        import msgspec

        try:
            document = msgspec.json.decode(content)
        except (ValueError, RecursionError):
            raise self._not_a_gateway(f"HTTP {response.status_code} without JSON") from None
        if response.is_success:
            return
        error_body = document.get("error") if isinstance(document, dict) else None
        if not isinstance(error_body, dict):
            raise self._not_a_gateway(f"HTTP {response.status_code}")
        code, message = str(error_body.get("code")), str(error_body.get("message"))
        raise GatewayResponseError(response.status_code, code, message + _key_remedy(code))

    def _not_a_gateway(self, why: str) -> GatewayUnreachableError:
        return GatewayUnreachableError(self.url, f"is not a gateway ({why})")


def _key_remedy(code: str) -> str:
    """Return the remedy for a key error, to be appended to the gateway's message; empty for other errors."""
    if code == "unauthorized":
        wrong = bool(os.environ.get(KEY_VARIABLE))
        return f"; set {KEY_VARIABLE}" + (" to one of its keys (`gateway.keys`)" if wrong else "")
    if code != "surface_not_allowed":
        return ""
    context = click.get_current_context(silent=True)
    named = context is not None and any(option.name == "surface" for option in context.command.params)
    return (
        f"; {'name a surface of the key with --surface, or ' if named else ''}"
        f"set {KEY_VARIABLE} to a key without `surfaces`"
    )


def api_path(*parts: str, **query: str | None) -> str:
    """Return a path from its parts and the parameters that are not None, percent-encoded.

    A part may be any command-line argument; one that is not UTF-8 is sent as bytes that match no name.
    """
    path = "".join(f"/{_encoded(part)}" for part in parts)
    given = "&".join(f"{name}={_encoded(value)}" for name, value in query.items() if value is not None)
    return f"{path}?{given}" if given else path


def _encoded(text: str) -> str:
    return percent_encoded(text, safe="", errors="surrogatepass")


@contextmanager
def open_gateway(url: str | None) -> Iterator[GatewayClient]:
    """Yield a client of the gateway at `url`, or of the one that the nearest fleet.yaml was built for.

    Requests hold the key in ``$FLEET_KEY`` if it is set. Raises click.UsageError if neither is known, and for
    a URL or a key that cannot be sent.
    """
    import httpx

    root = (url or _configured_url()).rstrip("/")
    if problem := _url_problem(root):
        raise click.UsageError(f"{quote(mask_url(root), _SHOWN)} is not the URL of a gateway: {problem}")
    headers = {"accept-encoding": "identity"}
    if key := os.environ.get(KEY_VARIABLE):
        if not (key.isascii() and key.isprintable()):
            raise click.UsageError(f"${KEY_VARIABLE} is not a key: it has characters that no header can hold")
        headers["authorization"] = f"Bearer {key}"
    # without TLS, not the 16 ms that it takes to read the certificates of all authorities
    verify = not root.lower().startswith("http:")
    with (
        certain_interrupt(),
        httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, verify=verify, trust_env=False) as client,
    ):
        yield GatewayClient(root, client)


def _url_problem(url: str) -> str | None:
    if len(url) > MAX_URL:
        return f"it has more than {MAX_URL} characters"
    if not url.isprintable():
        return "it has characters that are not visible"
    try:
        parse_url(url)
    except AddressError as error:
        return shorten(str(error), _SHOWN_MESSAGE)
    return None


def nearest_generated() -> Path:
    """Return generated/ next to the fleet.yaml in force (`find_config`), or in the current folder."""
    target = find_config(os.environ)
    folder = None if target is None else target.generated
    return Path.cwd() / GENERATED if folder is None else folder.absolute()


def require_generated(otherwise: str) -> Path:
    """Return `nearest_generated`; raises click.UsageError if there is neither it nor a fleet.yaml.

    `otherwise` is the option to use instead.
    """
    folder = nearest_generated()
    if not os.path.lexists(folder) and not os.path.lexists(folder.parent / FLEET_FILE):
        raise click.UsageError(
            f"no fleet.yaml in this folder or one above it: make one with `fleet init`, or {otherwise}"
        )
    return folder


def gateway_url(generated: Path) -> str:
    """Return the URL of the gateway that `generated` configures; raises click.UsageError."""
    file = generated / "gateway.json"
    try:
        return str(json.loads(read_file(file, MAX_ARTIFACT))["url"])
    except UnreadableFileError as error:
        raise click.UsageError(f"'{file}' {error.strerror}: delete it and run `fleet build`") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    if not generated.exists():
        raise click.UsageError(
            f"'{generated.parent}' has not been built yet: run `fleet up`, or name the gateway with --url"
        )
    raise click.UsageError(
        f"'{file}' does not say where the gateway is: run `fleet build`, or name it with --url"
    )


def _configured_url() -> str:
    target = find_gateway(os.environ)
    if target is not None and target.url is not None:
        return target.url
    return gateway_url(require_generated("name the gateway with --url or `fleet use URL`"))


def _reason(error: Exception) -> str:
    """Return the system's text of an error, without its number: ``connection refused``."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror[:1].lower() + cause.strerror[1:]
        cause = cause.__cause__ or cause.__context__
    return shorten(str(error) or type(error).__name__, _SHOWN)
