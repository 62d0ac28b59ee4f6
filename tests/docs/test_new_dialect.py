"""``make new-dialect`` makes a kind of server that passes the tests of the registry."""

from __future__ import annotations

import pytest

from tests.support.tree_copy import TreeCopy, copy_tree

REGISTRY_TESTS = (
    "tests/runtime/dialects/test_registry.py",
    "tests/runtime/dialects/test_recognition.py",
    "tests/compiler/config/test_agreement.py",
    "tests/docs/test_pages.py",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TreeCopy:
    copy = copy_tree(tmp_path_factory.mktemp("tree"))
    done = copy.run("-m", "docs.generate.new_dialect", "tabby-api")
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.mark.slow
def test_a_new_dialect_passes_the_tests_of_the_registry(tree: TreeCopy) -> None:
    done = tree.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *REGISTRY_TESTS)
    assert done.returncode == 0, done.stdout[-3000:]
    done = tree.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/simulator/test_kinds.py", "-k", "tabby-api"
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("name", ["Tabby", "ollama", "auto", "../x", "", "a b"])
def test_a_name_that_no_dialect_can_have_is_rejected_with_the_reason(tree: TreeCopy, name: str) -> None:
    done = tree.run("-m", "docs.generate.new_dialect", name)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
