"""Answers that carry a tag (RFC 9110, ``ETag``), so that who holds one already need not be sent it again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaggedBody:
    """The body of an answer; `tag` stands for its bytes, quotes included."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> TaggedBody:
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def held(self, if_none_match: str | None) -> bool:
        """Whether a client that sent this ``If-None-Match`` has the body already."""
        if if_none_match is None:
            return False
        held = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return self.tag in held or "*" in held
