"""Each kind of server is complete: module, contract, schema, golden file, simulator, docs row."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from docs.generate.yaml_page import kind_row
from fleet_compiler.config.schema import schema
from fleet_runtime.artifacts.contract import ProviderKind, to_data
from fleet_runtime.dialects.dialect import Dialect
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.simulator import SimulatedModel
from fleet_runtime.simulator.kinds import PRODUCTS
from tests.simulator.servers import machine, probe_server
from tests.support.paths import ROOT

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parent / "golden"
MODEL = SimulatedModel("org/m:latest", context=16384, vision=True, loaded=True)

each_dialect = pytest.mark.parametrize("dialect", KINDS.values(), ids=KINDS)


def described(seen: Observation) -> dict[str, Any]:
    return {
        "kind": seen.kind,
        "status": seen.status,
        "models": {id: to_data(facts) for id, facts in seen.models.items()},
        "states": dict(seen.states),
        "warnings": list(seen.warnings),
    }


@each_dialect
async def test_what_a_probe_of_its_simulated_server_finds_is_as_the_golden_file(dialect: Dialect) -> None:
    """`UPDATE_CASES=1` writes it."""
    kind = dialect.kind if dialect.kind in PRODUCTS else "cloud"
    async with machine(kind, MODEL) as server:
        found = json.dumps(described(await probe_server(server)), indent=2, sort_keys=True) + "\n"
    golden = GOLDEN / f"{dialect.kind}.json"
    if os.environ.get("UPDATE_CASES"):
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
    assert json.loads(found)["kind"] == dialect.kind


@each_dialect
def test_it_is_in_a_module_of_its_name_and_no_other_kind_recognises_its_marks(dialect: Dialect) -> None:
    module = import_module(f"fleet_runtime.dialects.{dialect.kind.replace('-', '_')}")
    assert module.DIALECT is dialect
    assert bool(dialect.marks) == (dialect.kind != "openai")


@each_dialect
def test_contract_schema_and_page_know_it(dialect: Dialect) -> None:
    assert dialect.kind in get_args(ProviderKind)
    mapping = schema()["$defs"]["providerMapping"]["properties"]
    assert dialect.kind in mapping["kind"]["enum"]
    assert kind_row(dialect) in (ROOT / "docs" / "fleet-yaml.md").read_text(encoding="utf-8")


@each_dialect
def test_its_feed_is_a_path_below_the_root_with_a_mark(dialect: Dialect) -> None:
    if dialect.feed is not None:
        assert dialect.feed.path.startswith("/")
        assert dialect.feed.mark


def test_every_kind_of_the_contract_has_a_dialect() -> None:
    assert set(get_args(ProviderKind)) == {"auto", *KINDS}
