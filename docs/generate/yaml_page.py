"""Generate docs/fleet-yaml.md from the JSON Schema of fleet.yaml: ``python -m docs.generate.yaml_page``, in a
checkout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from fleet_compiler.assets import SCHEMAS
from fleet_compiler.clients import CLIENTS, Client
from fleet_runtime.dialects.dialect import Dialect
from fleet_runtime.dialects.registry import KINDS

Part = Mapping[str, Any]

WIDTH = 118

HEAD = """\
# fleet.yaml

fleet.yaml is the only file that you edit. `version`, `default_provider` and `providers` are required; all
other keys have defaults. A key that is not on this page is an error. `fleet validate` checks the file,
`fleet build` compiles it.

```yaml
{example}```

<!-- generated from schema/fleet.schema.json by `make docs` -->
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its prose, and the keys of the mapping at `path` in the schema; what else is described
    there has no keys."""

    heading: str
    text: str
    path: str | None = None


SECTIONS = (
    Section("## Top level", "", ""),
    Section(
        "## Providers",
        "A provider is a model server: your own, or a cloud service. Its name is the first part of its model"
        " ids: `sam-desktop/qwen3-8b`. Write only its URL if the defaults fit, otherwise a mapping. An API"
        " key is never written here; fleet.yaml names the variable or file from which the gateway reads it.",
        "$defs/providerMapping",
    ),
    Section(
        "### Sidecar",
        "A sidecar is a second server on the same host, in front of the model server. Requests to its paths"
        " go through it or fail; they never bypass it. A plain URL is a sidecar with the default paths.",
        "$defs/sidecarMapping",
    ),
    Section(
        "### Models",
        "Providers report their models, so most need none here. A fact written here overrides the"
        " provider's, and a model written here counts as listed.",
        "$defs/model",
    ),
    Section(
        "### Timeouts", "Limits of one request, in seconds. The total time is not limited.", "$defs/timeouts"
    ),
    Section(
        "### Secrets",
        "Values of headers and passwords are never written here; fleet.yaml names the variable or file from"
        " which the gateway reads them. They are sent only to that provider, and never logged.",
        "$defs/secret",
    ),
    Section(
        "### Basic authentication",
        "For a provider behind a proxy that requires a user and password. It replaces the API key.",
        "$defs/basicAuth",
    ),
    Section(
        "### Wake",
        "A request for a model of a sleeping provider wakes it, by its id, an alias or a bare id, and waits"
        " until the provider responds. Lists, probes and token counts never wake a provider. Set `mac` for"
        " Wake-on-LAN, or `command` to run a program.",
        "$defs/wake",
    ),
    Section(
        "## Roles",
        'A role is a name for one model, or for an ordered list of models. A request names it as `"model":'
        ' "@task"` and gets the first model whose provider is available. Surfaces can have their own roles.'
        " You can choose any name; the optional roles below are used in the configurations of clients.",
        "$defs/role",
    ),
    Section("### Names of roles", "", "$defs/roles"),
    Section(
        "## Old names",
        "Model ids that clients saved before fleet keep working, by exact rules. An id without a provider"
        " name before its first slash belongs to `default_provider`. `namespaces` are prefixes that are"
        " removed: with `llama-swap`, `llama-swap/qwen3-8b` means `qwen3-8b`. `aliases` map other exact ids."
        " `formerly` lists the former names of a provider. `fleet resolve ID` shows what an id resolves to"
        " and by which rule.",
    ),
    Section(
        "## Surfaces",
        "A surface is one use of the fleet: a chat, a coding agent. It has its own paths on the gateway,"
        " `/<surface>/v1/…`, with the same models and ids as every other surface unless it is restricted"
        " here. An empty surface has the defaults.",
        "$defs/surface",
    ),
    Section(
        "### Clients",
        "A `client` is a kind, a mapping with a kind and options, or a list of these.",
        "$defs/clientMapping",
    ),
    Section(
        "## Outputs",
        "Your own files in generated/, rendered from Jinja2 templates with the fleet's surfaces, providers"
        " and models. [outputs.md](outputs.md) describes the names and filters of a template.",
        "$defs/output",
    ),
    Section(
        "## Gateway",
        "Where `fleet serve` listens, and what it accepts. Listening beyond loopback requires keys. A change"
        " of `listen` or `state` needs a restart; other changes apply with the next build.",
        "$defs/gateway",
    ),
    Section(
        "### Keys",
        "Keys for the gateway itself, which clients send as `Authorization: Bearer …` or `x-api-key`.",
        "$defs/key",
    ),
    Section(
        "### State",
        "Favorites and the history of the providers. Several gateways can share them in a PostgreSQL"
        " database ([scale.md](scale.md)). Its URL contains a password and is therefore read from a variable"
        " or a file. The driver: `pipx inject boofleet asyncpg`, or `pip install asyncpg` next to fleet.",
        "$defs/stateDatabase",
    ),
    Section(
        "### Database URL",
        "Where the URL is read from. It is read again for every new connection, so a new password needs no"
        " restart.",
        "$defs/databaseReference",
    ),
    Section(
        "### Limits",
        "Limits on what a client may send. Larger requests are rejected.",
        "$defs/gateway/properties/limits",
    ),
    Section(
        "### Captures",
        "The last requests and responses in full, to see what a client really sends and gets (`fleet"
        " activity --capture ID`). They are kept in memory only. Reading them requires a key without"
        " `surfaces`. Credentials are masked; prompts and responses are not. See"
        " [gateway.md](gateway.md#captures).",
        "$defs/captures",
    ),
    Section(
        "## Inventory",
        "How often providers are probed. A probe never loads a model.",
        "$defs/inventory",
    ),
)

KINDS_SECTION = """\
### Kinds of servers

`kind: auto` recognises the software by its model list. A probe never loads a model or keeps one loaded.

| kind | server | what a probe reads |
|---|---|---|
"""
CLIENTS_SECTION = """\

### Kinds of clients

The kinds of client, and their files unless `file` or `folder` is set. `fleet run CLIENT` starts a client
with them; [clients.md](clients.md) describes each kind.

| client | files | content |
|---|---|---|
"""
OPTIONS_SECTION = """\

### Options of clients

| client | key | value | default | | example |
|---|---|---|---|---|---|
"""

LAST_SECTIONS = (
    Section(
        "## In an editor",
        "`fleet build` also writes `generated/fleet.schema.json`: the schema, with the providers, models,"
        " keys and surfaces of this fleet as completions. Editors with yaml-language-server (VS Code's YAML"
        " extension, Neovim, Helix, Zed and others) find it by the first line of the example above. `fleet"
        " schema` prints the schema without these completions.",
    ),
    Section(
        "## YAML",
        "fleet.yaml is YAML 1.2 in UTF-8, at most 1 MiB. Features that YAML parsers treat differently are"
        " rejected, with position and remedy: duplicate keys, keys that are not text, anchors, aliases,"
        " merge keys, tags, directives, several documents, tabs, numbers such as `010`, `0x1f` or `.inf`,"
        " control characters. `yes`, `no`, `on` and `off` are text; a boolean is `true` or `false`."
        " Variables are not expanded. [diagnostics.md](diagnostics.md) explains every error and warning with"
        " an example.",
    ),
)


def fleet_yaml_page(schema: Part, example: str) -> str:
    """Return the page, from the schema of fleet.yaml and the text of an example."""
    parts = [HEAD.format(example=example)]
    for section in SECTIONS:
        parts.append(_section(schema, section))
        if section.heading == "### Clients":
            parts[-1] = parts[-1].rstrip("\n") + "\n"
            parts[-1] += CLIENTS_SECTION + "".join(map(client_row, CLIENTS.values()))
            parts[-1] += OPTIONS_SECTION + "".join(_option_rows(schema))
        if section.heading == "## Providers":
            parts.append(KINDS_SECTION + "".join(map(kind_row, KINDS.values())))
    return "\n".join([*parts, _forms(schema), *(_section(schema, section) for section in LAST_SECTIONS)])


def kind_row(dialect: Dialect) -> str:
    feed = "" if dialect.feed is None else f", and `{dialect.feed.path}` for changes"
    return f"| `{dialect.kind}` | {dialect.title} | {dialect.reads}{feed} |\n"


def client_row(client: Client) -> str:
    files = ", ".join(f"`{file}`" for file in client.outputs(client.place("<surface>")))
    return f"| `{client.name}` | {files} | {client.about} |\n"


def _option_rows(schema: Part) -> Iterator[str]:
    """A row for each option of each kind of client."""
    for kind in schema["$defs"]["clientMapping"]["allOf"]:
        mapping = kind["then"]
        for key in [key for key, part in mapping["properties"].items() if part is not True]:
            yield f"| `{kind['if']['properties']['kind']['const']}` {_row(schema, mapping, key)}\n"


def part_at(schema: Part, path: str) -> Part:
    part = schema
    for step in filter(None, path.split("/")):
        part = part[step]
    return part


def _section(schema: Part, section: Section) -> str:
    lines = [section.heading, ""]
    lines += (
        [*wrap(section.text, WIDTH, break_on_hyphens=False, break_long_words=False), ""]
        if section.text
        else []
    )
    mapping = {} if section.path is None else part_at(schema, section.path)
    if "properties" in mapping:
        lines += ["| key | value | default | | example |", "|---|---|---|---|---|"]
        lines += [_row(schema, mapping, key) for key in mapping["properties"]]
        lines += ["", *_exclusions(mapping)]
    return "\n".join(lines)


def _row(schema: Part, mapping: Part, key: str) -> str:
    raw = mapping["properties"][key]
    part = _resolved(schema, raw)
    text, _, default = part["description"].partition(" Default: ")
    examples = "<br>".join(f"`{flow(example)}`" for example in part["examples"])
    cells = [f"`{key}`", _value(schema, raw), _default(mapping, key, part, default), text, examples]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(mapping: Part, key: str, part: Part, described: str) -> str:
    if key in mapping.get("required", ()):
        return "**required**"
    if key in mapping.get("then", {}).get("required", ()):
        (other,) = mapping["if"]["not"]["required"]
        return f"**required** without `{other}`"
    if described:
        return described.removesuffix(".")
    if part.get("default") == {} and part.get("additionalProperties") is False:
        return "see there"
    return f"`{flow(part['default'])}`" if part.get("default") not in (None, {}, []) else "none"


def _value(schema: Part, part: Part) -> str:
    """What may be written: words, a link to the section that says it, the name of a form, or a type."""
    link = _link(schema, part)
    part = _resolved(schema, part)
    if link:
        return link
    if "const" in part:
        return f"`{flow(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if "title" in part and part["type"] != "object":
        return str(part["title"])
    if "then" in part and "else" in part:
        return f"{_value(schema, part['then'])} or {_value(schema, part['else'])}"
    names = [part["type"]] if isinstance(part["type"], str) else part["type"]
    return " or ".join(_typed(schema, part, name) for name in names)


def _link(schema: Part, part: Part) -> str | None:
    meant = part_at(schema, part["$ref"].removeprefix("#/")) if "$ref" in part else part
    for section in SECTIONS:
        if section.path is not None and part_at(schema, section.path) is meant:
            name = section.heading.lstrip("# ").lower()
            return f"[{name}](#{'-'.join(name.split())})"
    return None


def _typed(schema: Part, part: Part, name: str) -> str:
    if name == "array":
        return f"list: {_value(schema, part['items'])}"
    if name == "object":
        keys = _resolved(schema, part["propertyNames"])["title"]
        return f"mapping: {keys} to {_value(schema, part['additionalProperties'])}"
    if name == "boolean" and part.get("not") == {"const": True}:
        return "`false`"
    bound = f" from {part['minimum']}" if "minimum" in part else ""
    return {"string": "text", "integer": "whole number"}.get(name, name) + bound


def _exclusions(mapping: Part) -> Iterator[str]:
    for rule in (mapping, *mapping.get("allOf", ())):
        together = rule.get("not", {}).get("required", ())
        if together:
            yield " and ".join(f"`{key}`" for key in together) + " exclude each other.\n"


def _forms(schema: Part) -> str:
    """How names, addresses and the like are written, once each."""
    rows: dict[str, str] = {}
    for part in _parts(schema):
        if part.get("type") != "object" and "title" in part and "errorMessage" in part and "not" not in part:
            taken = [word for rule in part.get("allOf", ()) for word in rule["not"]["enum"]]
            but = f"; not {', '.join(f'`{word}`' for word in taken)}" if taken else ""
            rows.setdefault(part["title"], f"| {part['title']} | {part['errorMessage']}{but} |")
    return "\n".join(["## Formats of names and values", "", "| | |", "|---|---|", *rows.values(), ""])


def _parts(part: Any) -> Iterator[Part]:
    if isinstance(part, dict):
        yield part
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _parts(below)


def _resolved(schema: Part, part: Part) -> Part:
    """With what its reference says, where it does not say it itself."""
    reference = part.get("$ref")
    return {**part_at(schema, reference.removeprefix("#/")), **part} if reference else part


_PLAIN = re.compile(r"(?![0-9.]*$)(?!(?:true|false|null)$)[A-Za-z0-9/](?:[A-Za-z0-9./:'_* -]*[A-Za-z0-9*])?")


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    match value:
        case dict():
            pairs = (f"{flow(key)}: {flow(below)}" for key, below in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list():
            return f"[{', '.join(map(flow, value))}]"
        case str() if _PLAIN.fullmatch(value):
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    root = Path(__file__).parents[2]
    schema = json.loads((SCHEMAS / "fleet.schema.json").read_text(encoding="utf-8"))
    page = fleet_yaml_page(schema, (root / "fleet.yaml").read_text(encoding="utf-8"))
    (root / "docs" / "fleet-yaml.md").write_text(page, encoding="utf-8")
