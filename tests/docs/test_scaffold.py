"""``make new-client`` makes a kind that passes the tests of the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate.scaffold import new_client
from tests.support.tree_copy import TreeCopy, copy_tree

TESTS = (
    "tests/compiler/clients/test_my_agent.py",
    "tests/compiler/clients/test_registry.py",
    "tests/compiler/clients/test_every_kind.py",
    "tests/compiler/config/test_agreement.py::test_clients_are_those_of_the_registry",
    "tests/docs/test_pages.py::test_a_made_page_is_current",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TreeCopy:
    copy = copy_tree(tmp_path_factory.mktemp("tree"))
    done = copy.run("-m", "docs.generate.scaffold", "my-agent")
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.mark.slow
def test_a_new_client_passes_the_tests_of_the_registry(tree: TreeCopy) -> None:
    done = tree.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_fleet_yaml_may_use_it_and_it_can_be_started(tree: TreeCopy, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        'version: 1\ndefault_provider: desk\nproviders: {desk: {url: "http://127.0.0.1:8081", poll: false,'
        " models: [m]}}\nsurfaces: {code: {client: my-agent}}\n"
    )
    built = tree.run("-m", "fleet_compiler", "build", "--file", str(tmp_path / "fleet.yaml"))
    assert built.returncode == 0, built.stderr
    config = tmp_path / "generated" / "code" / "my-agent.json"
    shown = tree.run("-m", "fleet_compiler", "env", "--config", str(config), "my-agent")
    assert shown.stdout == f"export MY_AGENT_CONFIG={config}\n"


@pytest.mark.parametrize("name", ["Agent", "opencode", "../x", "", "a b", "x" * 40])
def test_a_name_that_no_client_can_have_is_reported(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not a name for a client|exists: choose another name"):
        new_client(name)
