"""What can be added to fleet: where it is declared, and every other place that must know it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import get_args

from fleet_compiler.cli import COMMANDS
from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.schema import schema
from fleet_compiler.diagnostics.codes import codes
from fleet_runtime.api.app import OPERATIONS
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.errors import ERROR_KINDS
from fleet_runtime.events import Topic
from fleet_runtime.proxy.endpoints import ENDPOINTS
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.store.schema import ADDITIONS
from tests.support.paths import ROOT

Knows = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Addition:
    """`declared_in` is the first place, `names` what is declared there; `places` are the others, by their
    path, each with whether it knows a name."""

    what: str
    declared_in: str
    names: frozenset[str]
    places: Mapping[str, Knows]

    def missing(self) -> list[str]:
        """Say of each name which places do not know it."""
        found = []
        for name in sorted(self.names):
            unaware = [place for place, knows in self.places.items() if not knows(name)]
            if unaware:
                found.append(
                    f"{self.what} '{name}' of {self.declared_in} is missing in: {', '.join(unaware)}"
                )
        return found


def mentions(pattern: str, *places: str) -> Knows:
    """Whether a text among `places` (globs) holds `pattern`, in which NAME stands for the name."""

    def knows(name: str) -> bool:
        wanted = re.compile(pattern.replace("NAME", re.escape(name)), re.MULTILINE)
        return any(wanted.search(text) for place in places for text in _texts(place))

    return knows


@cache
def _texts(place: str) -> tuple[str, ...]:
    files = (file for file in sorted(ROOT.glob(place)) if file.is_file() and file.suffix != ".pyc")
    return tuple(file.read_text(encoding="utf-8") for file in files)


def exists(pattern: str) -> Knows:
    return lambda name: (
        any(ROOT.glob(pattern.replace("NAME", name.replace("-", "_"))))
        or any(ROOT.glob(pattern.replace("NAME", name)))
    )


def _console_views() -> list[str]:
    (text,) = _texts("runtime/fleet_runtime/console/static/app/base.js")
    declared = re.search(r"const VIEWS = (\[.*?\])", text)
    assert declared is not None
    return re.findall(r'"(\w+)"', declared[1])


def additions() -> list[Addition]:
    return [
        Addition(
            "a provider key",
            "runtime/fleet_runtime/artifacts/contract.py",
            frozenset(schema()["$defs"]["providerMapping"]["properties"]),
            {
                "schema/fleet.schema.json": mentions('"NAME": {', "schema/fleet.schema.json"),
                "docs/fleet-yaml.md": mentions(r"^\| `NAME` \|", "docs/fleet-yaml.md"),
                "tests/compiler/emit/test_keys.py": mentions(
                    r'"providers\.NAME["\.]', "tests/compiler/emit/test_keys.py"
                ),
                "tests/cases/valid": mentions(r"\bNAME:", "tests/cases/valid/*.yaml"),
            },
        ),
        Addition(
            "an inference endpoint",
            "runtime/fleet_runtime/proxy/endpoints.py",
            frozenset(endpoint.path.removeprefix("/v1/").removeprefix("/") for endpoint in ENDPOINTS),
            {
                "docs/gateway.md": mentions(r"`(<base>/(v1/)?)?NAME`", "docs/gateway.md"),
                "runtime/fleet_runtime/simulator/engine.py": mentions(
                    "NAME", "runtime/fleet_runtime/simulator/engine.py"
                ),
            },
        ),
        Addition(
            "an operation of /api",
            "runtime/fleet_runtime/api",
            frozenset(re.sub(r"{(\w+)(:\w+)?}", r"<\1>", one.path) for one in OPERATIONS),
            {"docs/gateway.md": mentions(r"`NAME[`?]", "docs/gateway.md")},
        ),
        Addition(
            "an error code",
            "runtime/fleet_runtime/errors.py",
            frozenset(ERROR_KINDS),
            {
                "docs/gateway.md": mentions(r"^\| `NAME` \| \d{3} \|", "docs/gateway.md"),
                "tests/runtime": mentions('"NAME"', "tests/runtime/**/*.py", "tests/system/*.py"),
            },
        ),
        Addition(
            "an event",
            "runtime/fleet_runtime/events.py",
            frozenset(get_args(Topic)),
            {
                "docs/gateway.md": mentions(r"`/api/events`.*`NAME`", "docs/gateway.md"),
                "docs/consumers.md": mentions("NAME", "docs/consumers.md"),
            },
        ),
        Addition(
            "a metric",
            "runtime/fleet_runtime/telemetry/metrics.py",
            frozenset(re.findall(r'"(fleet_\w+)"', _texts("runtime/fleet_runtime/telemetry/metrics.py")[0])),
            {
                "docs/gateway.md": mentions(r"^\| `NAME(_total)?` \|", "docs/gateway.md"),
                "tests/runtime/telemetry/test_metrics.py": mentions("NAME", "tests/runtime/telemetry/*.py"),
            },
        ),
        Addition(
            "a table of the state",
            "runtime/fleet_runtime/store/schema.py",
            frozenset(addition.name for addition in ADDITIONS),
            {
                "tests/runtime/store/test_schema.py": mentions(
                    '"NAME"', "tests/runtime/store/test_schema.py"
                ),
            },
        ),
        Addition(
            "a diagnostic",
            "compiler/fleet_compiler/diagnostics/codes.toml",
            frozenset(codes()),
            {
                "compiler/fleet_compiler/checks": mentions(
                    '"NAME"', "compiler/**/*.py", "compiler/fleet_compiler/**/*.toml", "schema/*.json"
                ),
                "docs/diagnostics.md": mentions("^## NAME: ", "docs/diagnostics.md"),
                "tests/cases/invalid": mentions(
                    "NAME", "tests/cases/invalid/*.txt", "tests/compiler/**/*", "tests/cli/*.py"
                ),
            },
        ),
        Addition(
            "a dialect",
            "runtime/fleet_runtime/dialects/registry.py",
            frozenset(KINDS) - {"openai"},
            {
                "runtime/fleet_runtime/artifacts/contract.py": mentions(
                    '"NAME"', "runtime/fleet_runtime/artifacts/contract.py"
                ),
                "runtime/fleet_runtime/dialects": exists("runtime/fleet_runtime/dialects/NAME.py"),
                "runtime/fleet_runtime/simulator/kinds": lambda name: name in PRODUCTS,
                "docs/fleet-yaml.md": mentions("`NAME`", "docs/fleet-yaml.md"),
                "tests/runtime/dialects": mentions("NAME", "tests/runtime/dialects/*.py"),
            },
        ),
        Addition(
            "a client kind",
            "compiler/fleet_compiler/clients",
            frozenset(CLIENTS),
            {
                "templates": exists("templates/NAME.*"),
                "schema/fleet.schema.json": mentions('"NAME"', "schema/fleet.schema.json"),
                "docs/fleet-yaml.md": mentions("`NAME`", "docs/fleet-yaml.md"),
                "tests/compiler/clients/golden": exists("tests/compiler/clients/golden/NAME*"),
            },
        ),
        Addition(
            "a console view",
            "runtime/fleet_runtime/console/static/app/base.js",
            frozenset(_console_views()),
            {
                "runtime/fleet_runtime/console/static/app/shell.js": mentions(
                    '"NAME"|NAME: ', "runtime/fleet_runtime/console/static/app/shell.js"
                ),
                "docs/console.md": mentions("`/#/NAME[/`]", "docs/console.md"),
                "tests/console/test_views.py": mentions('"NAME["/]', "tests/console/test_views.py"),
                "tests/console/screenshots.py": mentions('"NAME["/]', "tests/console/screenshots.py"),
            },
        ),
        Addition(
            "a command",
            "compiler/fleet_compiler/cli.py",
            frozenset(COMMANDS),
            {
                "docs/cli.md": mentions("^## fleet NAME$", "docs/cli.md"),
                "tests/cli": mentions(
                    r'"NAME"|fleet NAME\b', "tests/cli/*.py", "tests/system/*.py", "tests/runtime/doctor/*.py"
                ),
            },
        ),
    ]
