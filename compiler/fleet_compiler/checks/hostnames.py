"""Addresses that nobody can be reached at: host names that no resolver takes, ports that do not exist."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_LABEL = 63
LONGEST_NAME = 253
"""Characters of a part of a host name between dots, and of the whole (RFC 1035, without the last dot)."""

_LABEL = re.compile(r"[A-Za-z0-9_-]+")
_LIKE_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


@dataclass(frozen=True, slots=True)
class AddressProblem:
    """What is wrong with an address, and what to write instead."""

    message: str
    remedy: str


def url_problem(url: str) -> AddressProblem | None:
    """Why nothing can be reached at an http or https URL; None where something may be."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        if "out of range" in str(error):
            return AddressProblem("URL has a port that does not exist", "write a port from 1 to 65535")
        remedy = "write an IPv6 address in brackets, and a port from 1 to 65535"
        return AddressProblem("URL has no usable host and port", remedy)
    if port == 0:
        return AddressProblem("port 0 cannot be reached", "write a port from 1 to 65535")
    return None if ":" in host else host_problem(host)


def host_problem(host: str) -> AddressProblem | None:
    """Why a name or IPv4 address, without a port, can be nobody's; a last dot is fine.

    A name is labels of 1 to 63 letters, digits, `-` and `_`, 253 characters in all; one with other letters
    counts as IDNA writes it.
    """
    try:
        name = (
            host.encode("idna").decode().removesuffix(".") if not host.isascii() else host.removesuffix(".")
        )
    except UnicodeError:
        return AddressProblem("host name cannot be written in IDNA", "write the name that the resolver knows")
    labels = name.split(".")
    if not all(labels):
        return AddressProblem("host name has an empty part", "write one dot between two parts of a name")
    if any(len(label) > LONGEST_LABEL for label in labels):
        message = f"host name has a part of more than {LONGEST_LABEL} characters"
        return AddressProblem(message, f"write at most {LONGEST_LABEL} characters between two dots")
    if len(name) > LONGEST_NAME:
        message = f"host name has more than {LONGEST_NAME} characters"
        return AddressProblem(message, "write the name that the resolver knows")
    if not all(map(_LABEL.fullmatch, labels)):
        return AddressProblem(
            "host name has characters that no name has", "write letters, digits, '-' and '_'"
        )
    if _LIKE_IPV4.fullmatch(name) and not _is_ipv4(name):
        return AddressProblem("host is no IPv4 address", "write four numbers from 0 to 255")
    return None


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
