"""Feeds of the machines' own news (fleet_runtime.dialects.feed)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.dialects import KINDS
from fleet_runtime.dialects.feed import FEEDS, FeedReader

NEWS = b'event:message\ndata:{"type":"modelStatus","data":"[]"}\n\n'
NOISE = b'event:message\ndata:{"type":"logData","data":"{}"}\n\n'


@given(st.lists(st.sampled_from([NEWS, NOISE]), max_size=6), st.integers(1, 40))
def test_news_is_found_however_the_bytes_are_cut_and_noise_is_not(events: list[bytes], size: int) -> None:
    text = b"".join(events)
    reader = FeedReader(FEEDS["llama-swap"])
    found = sum(reader.matters(text[at : at + size]) for at in range(0, len(text), size))
    assert (found > 0) == (NEWS in events)
    if size < len(NOISE):
        assert found == events.count(NEWS)


def test_every_feed_belongs_to_a_known_kind() -> None:
    assert FEEDS.keys() <= KINDS.keys()
