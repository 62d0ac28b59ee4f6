"""A user who has no home folder: an arbitrary id of a container, without $HOME and an entry in passwd."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from fleet_runtime.artifacts.provider_access import Wake
from fleet_runtime.edge.listen_address import CannotServeError
from fleet_runtime.gateway.service import Service
from fleet_runtime.opencode_files import config_files, model_file
from fleet_runtime.providers.wake_signal import SignalError, send_signal
from fleet_runtime.store.location import abandoned_states, claim_state
from fleet_runtime.targets import Target, read_default, write_default
from fleet_runtime.user_folders import NoHomeError, config_folder, folder_of_others, state_folder
from tests.support.artifacts import connection, gateway, write_generated

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_an_error_without_a_home_folder_names_the_variable_to_set() -> None:
    with pytest.raises(NoHomeError, match="set HOME or XDG_CONFIG_HOME"):
        config_folder()
    with pytest.raises(NoHomeError, match="set HOME or XDG_STATE_HOME"):
        state_folder()
    with pytest.raises(NoHomeError, match="set HOME or XDG_STATE_HOME"):
        model_file({})
    with pytest.raises(NoHomeError):
        write_default(Target("fleet use", url="http://127.0.0.1:8400"))
    assert list(Path.cwd().iterdir()) == []


def test_a_variable_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/srv/config")
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert (config_folder(), state_folder()) == (Path("/srv/config/fleet"), Path("/srv/state/fleet"))
    assert folder_of_others({"HOME": "/srv"}, "X", ".x") == Path("/srv/.x")


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert (read_default(), [*config_files({})], [*abandoned_states()]) == (None, [], [])


def test_a_gateway_needs_no_home_folder_for_a_providers_certificates(tmp_path: Path) -> None:
    provider = connection("box", "https://127.0.0.1:9", ca_file="~/ca.pem")
    write_generated(tmp_path, gateway(provider))
    assert list(Service.load(tmp_path, {}).live.providers) == ["box"]


def test_a_state_in_an_unknown_home_folder_is_named(tmp_path: Path) -> None:
    write_generated(tmp_path, gateway(connection("box")).model_copy(update={"state": "~/fleet.db"}))
    with pytest.raises(CannotServeError, match=r"gateway\.state '~/fleet\.db'"):
        Service.load(tmp_path, {})


async def test_a_program_in_an_unknown_home_folder_wakes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="'~/wake' cannot be found"):
        await send_signal(Wake(command="~/wake"), "box", tmp_path)


def test_the_state_is_next_to_fleet_yaml(tmp_path: Path) -> None:
    assert claim_state(None, tmp_path, {}) == tmp_path / ".fleet" / "state.db"
