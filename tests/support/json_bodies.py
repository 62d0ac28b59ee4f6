"""JSON bodies of requests as clients might send them: mostly objects with models in them, some broken."""

from __future__ import annotations

import json

from hypothesis import strategies as st

names = st.one_of(st.sampled_from(["a/m", "a/n", "m", "n", "", "a/é", "a/\U0001f600"]), st.text(max_size=8))
spelled = st.sampled_from(
    [
        '"model"',
        '"mod\\u0065l"',
        '"\\u006dodel"',
        '"Model"',
        '"MODEL"',
        '"model "',
        '"models"',
        '"mode\\u006C"',
    ]
)
texts = st.one_of(names.map(json.dumps), names.map(lambda name: json.dumps(name, ensure_ascii=False)))
values = st.recursive(
    st.one_of(
        texts,
        st.sampled_from(
            ["null", "true", "1", "-0.0", "1e400", "123456789012345678901", "NaN", "Infinity", '"\\ud800"']
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(spelled, inner), max_size=2).map(
            lambda members: "{" + ",".join(f"{key}: {value}" for key, value in members) + "}"
        ),
    ),
    max_leaves=6,
)
keys = st.one_of(spelled, st.text(max_size=6).map(json.dumps))
spaces = st.sampled_from(["", " ", "\n\t", "\r\n"])
member = st.tuples(keys, st.one_of(texts, values))
routable = st.tuples(st.sampled_from(('"model"', '"mod\\u0065l"')), st.sampled_from(('"a/m"', '"a\\u002fn"')))


def written(members: list[tuple[str, str]], space: str) -> str:
    return f"{space}{{" + f",{space}".join(f"{key}{space}:{value}" for key, value in members) + f"}}{space}"


objects = st.builds(written, st.lists(st.one_of(member, routable), max_size=5), spaces)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Mostly objects with models in them, some of them broken somewhere."""
    body = draw(st.one_of(objects, objects, values)).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 2)) :]
    return body
