"""Remedies for malformed URLs, addresses and host names. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from fleet_runtime.urls import AddressError, bracket, parse_host, with_scheme

_CURLY = re.compile("[\u2018-\u201f\u00ab\u00bb]")
_LONG_PORT = re.compile(r"https?://[^/]*?:(?P<port>[0-9]{6,})(?:/|\Z)")
_BARE_IPV6 = re.compile(
    r"(?P<before>https?://)?(?P<host>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*?)(?::(?P<port>[0-9]{1,5}))?(?P<rest>/.*)?\Z"
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}\Z")
_HOST = re.compile(r"(?P<before>https?://)(?P<host>[^/:?#@\[\]\s]+)(?P<rest>.*)\Z")


def url_remedy(text: str, title: str) -> str | None:
    """Return a specific remedy for `text`, which is not a valid `title`; None if only the general one
    applies."""
    if title == "URL" and "@" in text:
        return "write it without user and password: a key comes from 'api_key_env' or 'api_key_file'"
    if (plain := _CURLY.sub("", text)) != text:
        return f"write it without the curly quotes: {plain.strip()}"
    if (plain := text.strip()) != text:
        return f"delete the space around it: {plain}"
    if title == "URL" and (match := _LONG_PORT.match(text)):
        return f"port {match['port'][:10]} is too large: ports end at 65535"
    if bracketed := _bracketed(text, title):
        return f"write the IPv6 address in brackets, and all of it in quotes: '{bracketed}'"
    if title == "host name" and (match := _HOST_AND_PORT.match(text)):
        return f"write the address without its port, in quotes: '{match['host']}'"
    if title == "URL" and ("?" in text or "#" in text):
        cut = re.split(r"[?#]", text)[0]
        return f"write {cut}: a key comes from 'api_key_env' or 'api_key_file', not from the URL"
    if title == "URL" and (url := with_scheme(text)):
        return f"write {url}"
    match = _HOST.match(text)
    if match and not match["host"].isascii():
        return _in_ascii(match)
    return None


def _bracketed(text: str, title: str) -> str | None:
    """Return the text with its IPv6 address in brackets; the last group is taken as the port if one is
    required."""
    match = _BARE_IPV6.match(text)
    if match is None or text.count(":") - text.count("://") < 2:
        return None
    for host, port in ((match["host"], match["port"]), (f"{match['host']}:{match['port']}", None)):
        if _is_ipv6(host) and not (title == "host name" and port is not None and _is_ipv6(text)):
            tail = f":{port}" if port is not None else ""
            return f"{match['before'] or ''}{bracket(host)}{tail}{match['rest'] or ''}"
    return None


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _in_ascii(match: re.Match[str]) -> str | None:
    try:
        host = parse_host(match["host"])
    except AddressError as error:
        return f"{error.message}: {error.remedy}"
    return f"write the name in ASCII: {match['before']}{host}{match['rest']}"
