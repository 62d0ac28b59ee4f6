"""Prometheus' text format, version 0.0.4. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; the name of a counter ends in ``_total``. `labels` are the names of its labels, in the
    order of the alphabet."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help_text: str
    labels: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        return f"# HELP {self.name} {self.help_text}\n# TYPE {self.name} {self.kind}\n"

    def sample(self, value: float, *labels: str) -> str:
        """Return one line; `labels` are the values of the labels."""
        pairs = self._pairs(labels)
        return f"{self.name}{{{pairs}}} {float(value)!r}\n" if pairs else f"{self.name} {float(value)!r}\n"

    def histogram(self, buckets: Iterable[tuple[str, int]], total: float, *labels: str) -> str:
        """Return the lines of one histogram; `buckets` are cumulative, the last one is ``+Inf``."""
        pairs, count = self._pairs(labels), 0
        lines = []
        for bound, count in buckets:
            lines.append(f'{self.name}_bucket{{le="{bound}",{pairs}}} {count}.0\n')
        lines.append(f"{self.name}_count{{{pairs}}} {count}.0\n{self.name}_sum{{{pairs}}} {total!r}\n")
        return "".join(lines)

    def _pairs(self, labels: Sequence[str]) -> str:
        named = zip(self.labels, labels, strict=True)
        return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in named])
