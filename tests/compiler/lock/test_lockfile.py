"""fleet.lock: what is kept, what is replaced, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.lock.lockfile import current_entries, dump_lock, load_lock, merge_observations, save_lock
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig
from fleet_runtime.dialects.observation import Observation

URL = "http://127.0.0.1:8080"
RUNNING = ModelFacts(context=32768, context_source="running")
TRAINED = ModelFacts(context=131072, context_source="trained")
LISTED = ModelFacts(context=8192, context_source="listed")


def machine(name: str = "desk", url: str = URL) -> ProviderConfig:
    return ProviderConfig.model_validate(
        {"name": name, "label": name, "class": "local", "kind": "auto", "url": url, "api_base": f"{url}/v1"}
    )


def locked(models: dict[str, ModelFacts], name: str = "desk", url: str = URL) -> Lock:
    return Lock(providers={name: LockedProvider(url=url, kind="llama-swap", models=models)})


def seen(models: dict[str, ModelFacts]) -> Observation:
    return Observation("llama-swap", "online", models=models)


def after(lock: Lock, observation: Observation) -> dict[str, ModelFacts]:
    return merge_observations(lock, {"desk": observation}, [machine()]).providers["desk"].models


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert load_lock(tmp_path / "fleet.lock") == Lock()


def test_a_lock_survives_its_file(tmp_path: Path) -> None:
    lock = locked({"über/模型:7b \u2028": RUNNING.model_copy(update={"aliases": ("b", "a"), "tools": False})})
    save_lock(tmp_path / "fleet.lock", lock)
    assert load_lock(tmp_path / "fleet.lock") == lock


def test_the_file_is_sorted_ends_in_a_newline_and_holds_no_unknown_facts() -> None:
    text = dump_lock(locked({"b": LISTED, "a": ModelFacts()})).decode()
    models = json.loads(text)["providers"]["desk"]["models"]
    assert list(models) == ["a", "b"]
    assert models["a"] == {}
    assert text.endswith("}\n")


def test_the_order_in_which_machines_answer_does_not_show() -> None:
    desk, attic = locked({"m": LISTED}).providers["desk"], locked({"n": LISTED}).providers["desk"]
    one = Lock(providers={"desk": desk, "attic": attic})
    assert dump_lock(one) == dump_lock(Lock(providers={"attic": attic, "desk": desk}))


def test_entries_of_gone_machines_and_changed_addresses_do_not_apply() -> None:
    lock = Lock(providers={**locked({}).providers, **locked({}, "gone").providers})
    assert list(current_entries(lock, [machine()]).providers) == ["desk"]
    assert current_entries(lock, [machine(url="http://127.0.0.1:9")]).providers == {}


def test_a_running_context_is_not_replaced_by_a_weaker_one() -> None:
    assert after(locked({"m": RUNNING}), seen({"m": TRAINED}))["m"] == RUNNING
    assert after(locked({"m": RUNNING}), seen({"m": LISTED}))["m"] == RUNNING


def test_a_context_is_replaced_by_one_of_equal_or_stronger_source() -> None:
    smaller = ModelFacts(context=4096, context_source="running")
    assert after(locked({"m": RUNNING}), seen({"m": smaller}))["m"] == smaller
    assert after(locked({"m": LISTED}), seen({"m": RUNNING}))["m"] == RUNNING


def test_a_model_that_is_no_longer_listed_is_gone_and_comes_back_without_memory() -> None:
    lock = merge_observations(locked({"m": RUNNING}), {"desk": seen({})}, [machine()])
    assert lock.providers["desk"].models == {}
    assert after(lock, seen({"m": LISTED}))["m"] == LISTED


def test_an_alias_that_is_no_longer_listed_is_gone() -> None:
    known = LISTED.model_copy(update={"aliases": ("old",)})
    assert after(locked({"m": known}), seen({"m": LISTED}))["m"].aliases == ()


@pytest.mark.parametrize("status", ["offline", "degraded", "config_error"])
def test_a_machine_that_gives_no_list_keeps_its_entry(status: str) -> None:
    silent = Observation("auto", status, "gone", models={"x": LISTED})  # type: ignore[arg-type]
    assert after(locked({"m": RUNNING}), silent) == {"m": RUNNING}


def test_a_machine_that_never_gave_a_list_is_not_recorded() -> None:
    assert merge_observations(Lock(), {"desk": Observation("auto", "offline")}, [machine()]) == Lock()


def test_another_product_at_the_same_address_is_remembered_by_nothing() -> None:
    vllm = Observation("vllm", "online", models={"m": LISTED})
    assert after(locked({"m": RUNNING}), vllm)["m"] == LISTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'fleet.lock' is not JSON"),
        (b"{", "'fleet.lock' is not JSON"),
        (b"\xff{}", "'fleet.lock' is not UTF-8 text"),
        (b"[]", "'fleet.lock' is not a lock file"),
        (b'{"format": 2}', "'fleet.lock' is not a lock file: format"),
        (b'{"providers": {"a": {"url": 3}}}', "'fleet.lock' is not a lock file: providers/a/url"),
        (b"[" * 100_000, "'fleet.lock' is not JSON that can be read: recursion limit"),
        (b'{"providers": ' + b"9" * 5000 + b"}", "'fleet.lock' is not JSON that can be read: number out of"),
        (
            b'{"providers": {"\\ud800": {}}}',
            "'fleet.lock' is not JSON that can be read: unexpected end of hex",
        ),
    ],
)
def test_a_damaged_lock_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "fleet.lock").write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.message.startswith(message)
    assert diagnostic.help is not None


def test_a_merge_conflict_is_refused_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").write_text('{\n  "format": 1,\n<<<<<<< HEAD\n}\n')
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.span is not None
    assert diagnostic.span.line == 3


def test_a_folder_instead_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").mkdir()
    with pytest.raises(ConfigError, match="1 error"):
        load_lock(tmp_path / "fleet.lock")
