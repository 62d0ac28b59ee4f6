"""fleet.yaml from disk to a model, with all that is wrong said at once and always alike."""

import os
import subprocess
import sys

import pytest

from fleet_compiler.diagnostics.errors import ConfigError, FleetError
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.load import load_fleet, load_source
from tests.support.paths import CASES, ROOT

SHIPPED = ROOT / "fleet.yaml"

SHOW = """
import sys
from pathlib import Path
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.load import load_source
from fleet_compiler.diagnostics.report import render
from fleet_compiler.document.read import decode
for path in sorted(Path(sys.argv[1]).glob("*.yaml")):
    try:
        loaded = load_source(decode(path.name, path.read_bytes()))
        found, sources = loaded.warnings, [loaded.source]
    except ConfigError as error:
        found, sources = error.diagnostics, error.sources
    sys.stdout.buffer.write(render(found, sources).encode())
"""


def test_shipped_file_is_valid_and_deserves_no_warning() -> None:
    assert load_fleet(SHIPPED).warnings == ()


def test_warnings_come_with_the_model() -> None:
    loaded = load_fleet(CASES / "invalid" / "warning-same-address.yaml")
    assert [warning.code for warning in loaded.warnings] == ["F257"]
    assert list(loaded.fleet.providers) == ["box", "other"]


def test_invalid_file_ends_a_command_with_1() -> None:
    with pytest.raises(FleetError) as caught:
        load_fleet(CASES / "invalid" / "schema-version-2.yaml")
    assert caught.value.exit_code == 1
    assert str(caught.value) == "1 error"


def test_schema_and_rules_are_checked_in_one_run() -> None:
    with pytest.raises(ConfigError) as caught:
        load_fleet(CASES / "invalid" / "rule-everything-at-once.yaml")
    codes = {diagnostic.code for diagnostic in caught.value.diagnostics}
    assert codes == {"F101", "F104", "F106", "F201", "F211", "F212", "F213"}


def test_broken_part_does_not_make_what_refers_to_it_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        load_fleet(CASES / "invalid" / "rule-no-cascade-from-broken-provider.yaml")
    messages = [d.message for d in caught.value.diagnostics if d.code == "F201"]
    assert messages == ["'nobody/c' refers to unknown provider 'nobody'"]


@pytest.mark.parametrize("section", ["providers", "gateway", "surfaces", "roles"])
def test_rules_are_checked_although_a_section_has_faults(section: str) -> None:
    faults = {
        "providers": "  other: {url: http://b:1, models: [1]}\n",
        "gateway": "gateway: {hosts: [1]}\n",
        "surfaces": "surfaces: {A: {}}\n",
        "roles": "roles: {task: []}\n",
    }
    text = "version: 1\ndefault_provider: nobody\nproviders:\n  box: http://a:1\n" + faults[section]
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", text))
    assert {"F201"} < {diagnostic.code for diagnostic in caught.value.diagnostics}


def test_output_is_the_same_whatever_the_hash_seed_locale_and_time_zone() -> None:
    outputs = set()
    for seed, locale, zone in [
        ("0", "C", "UTC"),
        ("1", "C.UTF-8", "Asia/Tokyo"),
        ("42", "tr_TR", "America/Lima"),
    ]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
        run = subprocess.run(
            [sys.executable, "-c", SHOW, str(CASES / "invalid")],
            env=environment,
            capture_output=True,
            check=True,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
