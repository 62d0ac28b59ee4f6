"""The names of keys whose values may be secrets."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_ALWAYS = frozenset({
    "apikey", "authorization", "bearer", "cookie", "credential", "credentials", "jwt", "passcode",
    "passphrase", "passwd", "password", "pwd", "secret", "secrets",
})  # fmt: skip
_LAST = frozenset({"auth", "key", "pass", "pat", "pw", "sig", "signature", "token"})
_REFERENCES = frozenset({"env", "file", "name", "path"})
ENVIRONMENTS = frozenset({"cookies", "env", "environ", "environment", "envs", "extra_headers", "headers"})
"""Names of collections that may contain secrets under any key, lower-case and with ``_``."""


def is_key_like(name: str) -> bool:
    """Return whether the value of `name` may be a secret, as with ``apiKey`` or ``HF_TOKEN``."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _REFERENCES:
        return False
    return words[-1] in _LAST or not _ALWAYS.isdisjoint(words)
