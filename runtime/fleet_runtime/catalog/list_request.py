"""Parse the query of ``/v1/models``: filters and pages. Pure.

``purpose`` is the gateway's own; ``limit``, ``after_id`` and ``before_id`` are Anthropic's
(https://docs.anthropic.com/en/api/models-list) and only apply with an ``anthropic-version`` header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast, get_args

from fleet_runtime.artifacts.contract import Purpose
from fleet_runtime.catalog.shapes import AnthropicModel, AnthropicModelList
from fleet_runtime.text import join_names

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: at most `limit` models, those after or before the one with an id."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    before: str | None = None

    def of(self, models: Sequence[AnthropicModel]) -> AnthropicModelList:
        """Return the page of `models`; raises LookupError for an id that is not among them."""
        places = {model.id: place for place, model in enumerate(models)}
        if self.before is not None:
            end = _place(places, self.before)
            begin = max(0, end - self.limit)
            has_more = begin > 0
        else:
            begin = 0 if self.after is None else _place(places, self.after) + 1
            end = min(len(models), begin + self.limit)
            has_more = end < len(models)
        data = tuple(models[begin:end])
        return AnthropicModelList(
            data=data,
            has_more=has_more,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
        )


@dataclass(frozen=True, slots=True)
class ListRequest:
    """`purpose` limits the list to models for it. `page` selects a page in Anthropic's shape. The models of
    the providers `without` are left out."""

    purpose: Purpose | None = None
    page: Page | None = None
    without: frozenset[str] = frozenset()


EVERYTHING: Final = ListRequest()


def parse_list_request(query: Mapping[str, str], *, anthropic: bool) -> ListRequest:
    """Parse a query; raises ValueError with the parameter and its problem."""
    purpose = query.get("purpose")
    known = get_args(Purpose)
    if purpose is not None and purpose not in known:
        raise ValueError("purpose", f"unknown purpose '{purpose}'; purposes: {join_names(known)}")
    page = None
    if anthropic:
        text = query.get("limit", str(DEFAULT_LIMIT))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT):
            raise ValueError("limit", f"'limit' must be a number from 1 to {MAX_LIMIT}")
        page = Page(int(text), query.get("after_id"), query.get("before_id"))
        if page.after is not None and page.before is not None:
            raise ValueError("before_id", "'after_id' and 'before_id' exclude each other")
    return ListRequest(cast("Purpose | None", purpose), page)


def _place(places: Mapping[str, int], id: str) -> int:
    if id not in places:
        raise LookupError(id)
    return places[id]
