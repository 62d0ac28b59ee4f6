"""Response bodies with their entity tag (RFC 9110, ``ETag``), so that a client is not sent one again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaggedBody:
    """A response body; `tag` is made from its bytes, quotes included."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> TaggedBody:
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def matches(self, if_none_match: str | None) -> bool:
        """Return whether a client that sent this ``If-None-Match`` has the body already."""
        if if_none_match is None:
            return False
        sent = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return self.tag in sent or "*" in sent
