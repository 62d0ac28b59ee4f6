"""Mask credentials in captures.

Pure. A header is masked if its name is that of a credential, or if a provider gets a secret in it. In other
values, credentials in URLs are masked; in bodies, JSON members with credentials, such as those of tools in
OpenAI's Responses API. A secret found in this way is masked wherever it occurs again.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

MASK: Final = b"***"
SHORTEST: Final = 8
"""The minimum length of a secret that is masked in other values and in bodies; shorter ones occur in many
words."""

_CREDENTIAL: Final = re.compile(
    rb"auth|cookie|token|secret|key|passw|passp|credential|session|signature|jwt|assertion|cert|cf-access",
    re.IGNORECASE,
)
_SHORT_NAMES: Final = frozenset((b"sig", b"code", b"pass", b"pwd", b"access"))
_COUNT: Final = re.compile(rb"rate-?limit", re.IGNORECASE)
_SCHEME: Final = re.compile(rb"(Bearer|Basic|Digest|Negotiate|Token|ApiKey) +(.+)", re.IGNORECASE | re.DOTALL)
_PARAMETER: Final = re.compile(rb"([?&;])([^=&;#\s\"']+)=([^&;#\s\"']*)")
_MEMBER: Final = re.compile(
    rb'("(?:(?:proxy-)?authorization|(?:x-)?api[-_]?key|(?:access|refresh|auth|bearer|id)[-_]?token'
    rb'|client[-_]?secret|password|passwd|cookie)"\s*:\s*")((?:[^"\\]|\\.)*)',
    re.IGNORECASE | re.DOTALL,
)
"""Matches members of JSON, but not in a text within JSON, where quotes are escaped, because prompts are not
masked."""
_USER: Final = re.compile(rb"//([^/@\s?#]+)@")


class Masking:
    """Masks the messages of one exchange, and collects their secrets."""

    __slots__ = ("_names", "_secrets")

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._secrets: set[bytes] = set()

    def know(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Treat the values of these headers as secrets, and every header with these names as a credential."""
        for name, value in headers:
            self._names.add(name.lower())
            self._hide(name, value)

    def header(self, name: bytes, value: bytes) -> bytes:
        """Return the masked value of a header."""
        known = name.lower() in self._names
        if value and (known or (_CREDENTIAL.search(name) and not _COUNT.search(name))):
            return self._hide(name, value)
        return self.text(value)

    def text(self, value: bytes) -> bytes:
        """Return another value, or the first line of a request, with credentials in URLs masked."""
        if b"=" in value:
            value = _PARAMETER.sub(self._parameter, value)
        if b"@" in value:
            value = _USER.sub(self._user, value)
        return self._without_secrets(value)

    def body(self, body: bytes, *, is_cut: bool) -> bytes:
        """Return a body without secrets. `is_cut`: it is truncated, possibly within a secret."""
        body = _MEMBER.sub(lambda match: match[1] + self._hide(b"", match[2]) if match[2] else match[0], body)
        body = self._without_secrets(body)
        if is_cut:
            length = max((_overlap(body, secret) for secret in self._secrets), default=0)
            body = body[:-length] + MASK if length else body
        return body

    def _hide(self, name: bytes, value: bytes) -> bytes:
        """Remember a secret; return its masked form, which shows at most its scheme."""
        scheme = _SCHEME.fullmatch(value)
        secret = value if scheme is None else scheme[2]
        found = {value, secret, unquote_to_bytes(secret)}
        if scheme is not None and scheme[1].lower() == b"basic":
            found |= _user_and_password(secret)
        if name.lower() in (b"cookie", b"set-cookie"):
            found |= {each.partition(b"=")[2].strip() for each in value.split(b";")}
        self._secrets |= {each for each in found if len(each) >= SHORTEST}
        return MASK if scheme is None else scheme[1] + b" " + MASK

    def _parameter(self, match: re.Match[bytes]) -> bytes:
        name = unquote_to_bytes(match[2]).lower()
        if not match[3] or not (_CREDENTIAL.search(name) or name in _SHORT_NAMES):
            return match[0]
        return b"%b%b=%b" % (match[1], match[2], self._hide(name, match[3]))

    def _user(self, match: re.Match[bytes]) -> bytes:
        self._hide(b"", match[1].partition(b":")[2] or match[1])
        return b"//%b@" % MASK

    def _without_secrets(self, value: bytes) -> bytes:
        for secret in sorted(self._secrets, key=len, reverse=True):
            value = value.replace(secret, MASK)
        return value


def _overlap(body: bytes, secret: bytes) -> int:
    """Return how many bytes at the end of `body` are the beginning of `secret`; 0 if they are too few to be
    certain."""
    lengths = range(min(len(secret) - 1, len(body)), SHORTEST // 2 - 1, -1)
    return next((length for length in lengths if body.endswith(secret[:length])), 0)


def _user_and_password(encoded: bytes) -> set[bytes]:
    """Return the secrets encoded in Basic authentication (RFC 7617)."""
    try:
        pair = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return set()
    return {pair, pair.partition(b":")[2]}
