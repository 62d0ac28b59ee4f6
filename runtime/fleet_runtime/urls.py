"""Parse URLs of servers, host names and host:port addresses. Pure.

The compiler and all HTTP clients and servers of fleet use this module, so that every fleet.yaml that builds
can be served. A host has one form: an IPv6 address compressed and without brackets (its zone after ``%``), a
name in lower case and in ASCII (IDNA). `bracket` adds the brackets for URLs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec

LONGEST_LABEL = 63
LONGEST_NAME = 253
"""The maximum length of a label, and of a host name without a final dot (RFC 1035)."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?:(?P<credentials>[^/?#]*)@)?(?P<host>\[[^\]]*\]|[^:/?#@]*)(?::(?P<port>[^/?#]*))?"
    r"(?P<path>/[^?#]*)?(?P<rest>[?#].*)?\Z",
    re.IGNORECASE,
)
_ORIGIN = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[^\]]*\]|[^:/?#@\s]+)(?::(?P<port>[0-9]+))?/?\Z",
    re.ASCII,
)
_ADDRESS = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]+)\Z", re.ASCII)
_SECRETIVE = re.compile(
    r"(?P<scheme>(?:https?://)?)(?P<credentials>[^?#]*@)?(?P<place>[^?#]*)(?P<rest>[?#].*)?\Z",
    re.IGNORECASE | re.DOTALL,
)
_UNWRITABLE = re.compile(r"[\s\x00-\x1f\x7f\\]")
_LABEL = re.compile(r"[A-Za-z0-9_-]+\Z")
_LIKE_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}\Z")
_ZONE = re.compile(r"[A-Za-z0-9._~-]+\Z")
_PORTS = "write a port from 1 to 65535"


class AddressError(ValueError):
    """An invalid address; `remedy` is what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}: {remedy}")
        self.message = message
        self.remedy = remedy


class ServerUrl(msgspec.Struct, frozen=True):
    """An http or https URL of a server. `path` is the prefix of every target, without a final slash."""

    scheme: str
    host: str
    port: int
    path: str
    has_credentials: bool = False

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Return host and port for messages, always with the port."""
        return join_address(self.host, self.port)

    @property
    def host_header(self) -> str:
        """Return the Host of requests, without a zone, which is only valid locally (RFC 6874 §4)."""
        host = bracket(self.host.partition("%")[0])
        return host if self.port == _usual_port(self.scheme) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return the origin as in browsers, without the default port."""
        return f"{self.scheme}://{self.host_header}"


def parse_url(url: str) -> ServerUrl:
    """Return the parts of ``http[s]://host[:port][/path]``; raises `AddressError`.

    A query, a fragment, white space and a backslash are not part of a server's URL. `has_credentials` tells
    whether there were credentials, which are dropped. An ``@`` in the path means a password with an unencoded
    ``/``.
    """
    match = _URL.match(url)
    if match is None or _UNWRITABLE.search(url):
        example = with_scheme(url) or "it like http://192.168.1.20:8080"
        raise AddressError("not the http or https URL of a server", f"write {example}")
    if match["rest"]:
        raise AddressError("URL has a query or a fragment", "write the URL without what follows '?' or '#'")
    scheme = match["scheme"].lower()
    port = _usual_port(scheme) if match["port"] is None else _port(match["port"])
    if port == 0:
        raise AddressError("port 0 cannot be reached", _PORTS)
    path = (match["path"] or "").rstrip("/")
    has_credentials = match["credentials"] is not None or "@" in path
    return ServerUrl(scheme, parse_host(match["host"]), port, path, has_credentials)


def with_scheme(text: str) -> str | None:
    """Return HOST:PORT or HOST/PATH as the URL of a server, with its ``http://``; None for any other text."""
    if "://" in text or "@" in text or not re.search(r"[.:]", text):
        return None
    url = f"http://{text}"
    try:
        parse_url(url)
    except AddressError:
        return None
    return url


def parse_origin(text: str) -> str:
    """Return the origin of a web page as browsers send it; raises `AddressError`.

    Any scheme is allowed; the default port of http and https is dropped (RFC 6454 §6.1).
    """
    match = _ORIGIN.match(text)
    if match is None:
        raise AddressError("not an origin", "write scheme://host, with a port if it is not the default")
    scheme, host = match["scheme"].lower(), bracket(parse_host(match["host"]))
    port = _port(match["port"]) if match["port"] else None
    usual = _usual_port(scheme) if scheme in ("http", "https") else None
    return f"{scheme}://{host}" if port in (None, usual) else f"{scheme}://{host}:{port}"


def server_root(url: str) -> str:
    """Return a server's URL without a last slash and without a last ``/v1``."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def mask_url(url: str) -> str:
    """Return a URL for messages, with ``***`` for credentials, query and fragment.

    `url` may be any text: a possible unencoded password is masked too.
    """
    match = _SECRETIVE.match(url)
    assert match is not None, "every text matches"
    if match["rest"] and "@" in match["rest"]:
        return f"{match['scheme']}***"
    credentials = "***@" if match["credentials"] else ""
    rest = f"{match['rest'][0]}***" if match["rest"] else ""
    return f"{match['scheme']}{credentials}{match['place']}{rest}"


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, an IPv6 host in brackets; raises `AddressError`."""
    match = _ADDRESS.match(text)
    if match is None or not match["host"]:
        raise AddressError("not a host and a port", "write HOST:PORT, like 127.0.0.1:8400 or [::1]:8400")
    return parse_host(match["host"]), _port(match["port"])


def join_address(host: str, port: int) -> str:
    """Return ``host:port``, with an IPv6 host in brackets."""
    return f"{bracket(host)}:{port}"


def bracket(host: str) -> str:
    """Return a host as in URLs: an IPv6 address in brackets, anything else unchanged."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@lru_cache(maxsize=4096)
def parse_host(text: str) -> str:
    """Return a name, IPv4 address or IPv6 address (with or without brackets) in its one form.

    A name is labels of 1 to 63 letters, digits, ``-`` and ``_``, 253 characters in total; a final dot is
    kept. Raises `AddressError`.
    """
    if text.startswith("[") or ":" in text:
        return _ipv6(text.removeprefix("[").removesuffix("]") if text.startswith("[") else text)
    if not text:
        raise AddressError("host name is missing", "write the name or address of a host")
    try:
        name = (text if text.isascii() else text.encode("idna").decode()).lower()
    except UnicodeError:
        message = "host name cannot be written in IDNA"
        raise AddressError(message, "write the name that the resolver knows") from None
    _check_name(name.removesuffix("."))
    return name


def is_address(host: str) -> bool:
    """Return whether a host is a literal address, not a name; an IPv6 address may have brackets."""
    return _literal(host) is not None


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address or name; `host` may have brackets."""
    address = _literal(host)
    return address.is_loopback if address is not None else host == "localhost"


def is_wildcard(host: str) -> bool:
    """Return whether a host means all addresses of this computer, which is only valid for listening."""
    address = _literal(host)
    return address is not None and address.is_unspecified


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        if host.startswith("[") or ":" in host:
            return IPv6Address(_ipv6(host.removeprefix("[").removesuffix("]")))
        return ip_address(host)
    except ValueError:
        return None


def _ipv6(text: str) -> str:
    """Return the compressed address; its zone may be written as ``%eth0`` or, as in RFC 6874, ``%25eth0``."""
    address, percent, zone = text.partition("%")
    zone = zone[2:] if zone.startswith("25") and len(zone) > 2 else zone
    try:
        compressed = str(IPv6Address(address))
        if percent and not _ZONE.match(zone):
            raise ValueError
    except ValueError:
        raise AddressError(
            f"'{text}' is not an IPv6 address", "write one in brackets, like [fd00::20]"
        ) from None
    return f"{compressed}%{zone}" if percent else compressed


def _check_name(name: str) -> None:
    labels = name.split(".")
    if not all(labels):
        raise AddressError("host name has an empty part", "write one dot between two parts of a name")
    if any(len(label) > LONGEST_LABEL for label in labels):
        message = f"host name has a part of more than {LONGEST_LABEL} characters"
        raise AddressError(message, f"write at most {LONGEST_LABEL} characters between two dots")
    if len(name) > LONGEST_NAME:
        message = f"host name has more than {LONGEST_NAME} characters"
        raise AddressError(message, "write the name that the resolver knows")
    if not all(map(_LABEL.match, labels)):
        message = "host name has characters that no name has"
        raise AddressError(message, "write letters, digits, '-' and '_'")
    if _LIKE_IPV4.match(name) and _literal(name) is None:
        raise AddressError("host is not an IPv4 address", "write four numbers from 0 to 255")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise AddressError("port is not a number", _PORTS)
    port = int(text) if len(text) <= 10 else 65536
    if port > 65535:
        raise AddressError(f"port {text[:10]} does not exist", _PORTS)
    return port


def _usual_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
