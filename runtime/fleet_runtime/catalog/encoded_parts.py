"""Parts of lists as JSON, each encoded again only if what it is made from has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from fleet_runtime.api_shape import ApiShape


@dataclass(slots=True, eq=False)
class EncodedParts:
    """One part for each key, kept with its inputs."""

    _parts: dict[tuple[str, str], tuple[tuple[object, ...], tuple[msgspec.Raw, ...]]] = field(
        default_factory=dict
    )

    def get(
        self, key: tuple[str, str], inputs: tuple[object, ...], build: Callable[[], Iterable[ApiShape]]
    ) -> tuple[msgspec.Raw, ...]:
        """Return the encoded shapes of `build`, kept as long as the `inputs` are the same objects."""
        known = self._parts.get(key)
        if known is None or not all(old is new for old, new in zip(known[0], inputs, strict=True)):
            known = self._parts[key] = inputs, tuple(msgspec.Raw(msgspec.json.encode(s)) for s in build())
        return known[1]
