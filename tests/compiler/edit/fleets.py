"""Random fleet.yaml files: the same few keys in every style, with comments and blank lines between them."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ("box", "attic", "cellar", "1", "true", "a.b_c-d")
TEXTS = ("plain", "with: colon", "with # hash", "it's", 'say "hi"', "größe 🖥", "a, b", "[x]", "42")


def quoted(text: str, style: str) -> str:
    if style == "'":
        return "'" + text.replace("'", "''") + "'"
    if (
        style == '"'
        or text in ("1", "true", "42")
        or any(sign in text for sign in ":#,[]{}'\"")
        or text == ""
    ):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


@st.composite
def styles(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", "'", '"']))


@st.composite
def providers(draw: st.DrawFn, name: str, indent: str, step: str) -> list[str]:
    """The lines of one provider of a block mapping."""
    key = quoted(name, draw(styles()))
    url = quoted(f"http://192.168.1.{draw(st.integers(1, 254))}:8080", '"')
    label, former = draw(st.sampled_from(TEXTS)), f"old-{name}"
    match draw(st.integers(0, 4)):
        case 0:
            return [f"{indent}{key}: {url}"]
        case 1:
            return [f"{indent}{key}: {{url: {url}, label: {quoted(label, draw(styles()))}}}"]
        case 2:
            return [f"{indent}{key}:", f"{indent}{step}url: {url}"]
        case 3:
            lines = [f"label: {quoted(label, draw(styles()))}", f"url: {url}", f"formerly: [{former}]"]
            return [f"{indent}{key}:", *(f"{indent}{step}{line}" for line in draw(st.permutations(lines)))]
        case _:
            lines = [f"{indent}{key}:", f"{indent}{step}formerly:", f"{indent}{step}- {former}"]
            return [*lines, f"{indent}{step}url: {url}"]


@st.composite
def fleets(draw: st.DrawFn) -> bytes:
    """A valid fleet.yaml; its providers are among `NAMES`, at least two."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True))
    indent, step = draw(st.sampled_from([" ", "  ", "     "])), draw(st.sampled_from([" ", "  ", "    "]))
    id_of = {name: quoted(f"{name}/{draw(st.sampled_from(TEXTS))}", draw(styles())) for name in names}
    if draw(st.booleans()):
        below = [line for name in names for line in draw(providers(name, indent, step))]
        parts = [["providers:", *below]]
    elif draw(st.booleans()):
        entries = ", ".join(f'{quoted(name, draw(styles()))}: "http://10.0.0.1:1"' for name in names)
        parts = [[f"providers: {{{entries}}}"]]
    else:
        entry_lines = [f'{indent}{quoted(name, draw(styles()))}: "http://10.0.0.1:1",' for name in names]
        if draw(st.booleans()):
            entry_lines[-1] = entry_lines[-1].removesuffix(",")
        parts = [["providers: {", *entry_lines, "}"]]
    parts += [["version: 1"], [f"default_provider: {quoted(names[0], draw(styles()))}"]]
    parts.append([f"roles: {{default: {id_of[names[0]]}, task: [{', '.join(id_of.values())}]}}"])
    parts.append(["aliases:", *(f"{indent}old-{index}: {id}" for index, id in enumerate(id_of.values()))])
    surface_items = [f"{indent}{step}{step}- {quoted(name, draw(styles()))}" for name in names]
    parts.append(
        ["surfaces:", f"{indent}chat:", f"{indent}code:", f"{indent}{step}providers:", *surface_items]
    )
    lines = [line for part in draw(st.permutations(parts)) for line in part]
    return draw(decorated(lines))


@st.composite
def decorated(draw: st.DrawFn, lines: list[str]) -> bytes:
    """`lines` with comments, blank lines and line ends."""
    written = []
    for number, line in enumerate(lines):
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            indent = " " * draw(st.integers(0, 8))
            written.append(draw(st.sampled_from(["", f"{indent}# before {number}, a: b", f"{indent}# x {{"])))
        tail = draw(st.sampled_from(["", "", "", f"  # after {number}", " "]))
        written.append(line + tail)
    written += draw(st.sampled_from([[], ["# the end"], ["", ""]]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    mark = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    return mark + (end.join(written) + draw(st.sampled_from(["", end]))).encode()
