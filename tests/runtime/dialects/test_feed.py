"""Feeds of the providers' own news (fleet_runtime.dialects.feed)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.dialects import llama_swap
from fleet_runtime.dialects.feed import FeedReader

FEED = llama_swap.DIALECT.feed or pytest.fail("llama-swap has a feed")
NEWS = b'event:message\ndata:{"type":"modelStatus","data":"[]"}\n\n'
NOISE = b'event:message\ndata:{"type":"logData","data":"{}"}\n\n'


@given(st.lists(st.sampled_from([NEWS, NOISE]), max_size=6), st.integers(1, 40))
def test_a_feed_mark_is_found_across_any_chunks_and_other_events_are_ignored(
    events: list[bytes], size: int
) -> None:
    text = b"".join(events)
    reader = FeedReader(FEED)
    found = sum(reader.matters(text[at : at + size]) for at in range(0, len(text), size))
    assert (found > 0) == (NEWS in events)
    if size < len(NOISE):
        assert found == events.count(NEWS)
