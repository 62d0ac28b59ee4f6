"""generated/ is loaded completely and checked, or rejected with a reason
(fleet_runtime.artifacts.snapshot)."""

from __future__ import annotations

import json
import os
from operator import is_
from pathlib import Path

import pytest

from fleet_runtime.artifacts.snapshot import ArtifactError, load_snapshot, parse_snapshot
from tests.support.artifacts import connection, gateway, write_generated


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generated = tmp_path / "generated"
    write_generated(generated, gateway(connection("sam-desktop"), connection("embedding")))
    return generated


def test_a_complete_folder_is_one_snapshot_with_a_table_for_every_base(folder: Path) -> None:
    snapshot = load_snapshot(folder)
    assert set(snapshot.tables) == {"", "/boochat"}
    assert list(snapshot.connections) == ["sam-desktop", "embedding"]
    assert snapshot.root == folder.parent
    assert snapshot.id.startswith("sha256:")


def test_a_provider_of_several_tables_is_kept_in_memory_once(folder: Path) -> None:
    tables = load_snapshot(folder).tables
    assert all(map(is_, tables[""].providers, tables["/boochat"].providers))


@pytest.mark.parametrize("damage", [{"label": 3}, {"models": {"m": {"context": 0}}}, {"new": 1}])
def test_a_provider_that_this_version_cannot_read_is_named_by_its_place(
    folder: Path, damage: dict[str, object]
) -> None:
    table = json.loads((folder / "routing" / "boochat.json").read_bytes())
    table["providers"][1] |= damage
    data = json.dumps(table).encode()
    contents = {path: (folder / path).read_bytes() for path in ("gateway.json", "routing/_fleet.json")}
    with pytest.raises(
        ArtifactError, match=rf"'routing/boochat.json' .* \(providers\.1\.{next(iter(damage))}"
    ):
        parse_snapshot(b"", contents | {"routing/boochat.json": data}, folder)


def test_the_same_bytes_are_the_same_snapshot(folder: Path) -> None:
    assert load_snapshot(folder).id == load_snapshot(folder).id


@pytest.mark.parametrize(
    "name", ["manifest.json", "gateway.json", "routing/boochat.json", "routing/_fleet.json"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_snapshot(folder)


@pytest.mark.parametrize("name", ["gateway.json", "routing/boochat.json"])
def test_a_file_of_another_build_is_rejected(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ArtifactError, match=r"not the file that manifest\.json was written with"):
        load_snapshot(folder)


@pytest.mark.parametrize("manifest", ["", "{}", "[]", "{not json", '{"format": 2}', "\x00"])
def test_a_broken_manifest_is_rejected_in_words(folder: Path, manifest: str) -> None:
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load_snapshot(folder)


def test_a_manifest_cannot_name_files_outside_its_folder(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../secret.json"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="not inside"):
        load_snapshot(folder)


def test_a_missing_folder_is_reported_with_the_build_command(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="fleet build"):
        load_snapshot(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["manifest.json", "gateway.json", "routing/boochat.json"])
def test_a_named_pipe_in_the_place_of_a_file_is_rejected_and_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ArtifactError, match="is a named pipe"):
        load_snapshot(folder)


def test_an_endless_file_is_rejected(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match="is a device"):
        load_snapshot(folder)
