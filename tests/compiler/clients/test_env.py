"""client.env: what SDKs read, and never a key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.clients import Launch
from fleet_compiler.clients.env import CLIENT
from fleet_compiler.clients.formats import env_holds
from fleet_compiler.clients.formats import parse_env as parse
from fleet_compiler.emit.render import render_client
from fleet_runtime.artifacts.contract import KeyReference, RoutedModel
from tests.support.clients import client_view

BASE = "http://127.0.0.1:8400/code"


def rendered(key: KeyReference | None = None, model: str = "m") -> str:
    view = client_view({model: RoutedModel()}, {"default": (f"desk/{model}",)}, key=key)
    return render_client(CLIENT.files[0], view).decode()


def test_the_variables_are_those_of_the_sdks() -> None:
    assert parse(rendered()) == {
        "OPENAI_BASE_URL": f"{BASE}/v1",
        "OPENAI_API_BASE": f"{BASE}/v1",
        "ANTHROPIC_BASE_URL": BASE,
        "OPENAI_MODEL": "desk/m",
        "ANTHROPIC_MODEL": "desk/m",
        "OPENAI_API_KEY": "fleet",
        "ANTHROPIC_API_KEY": "fleet",
    }


def test_a_key_is_a_reference_to_its_variable() -> None:
    text = rendered(KeyReference(env="FLEET_KEY"))
    assert parse(text)["OPENAI_API_KEY"] == parse(text)["ANTHROPIC_API_KEY"] == "${FLEET_KEY}"


def test_a_key_in_a_file_is_named_in_a_comment() -> None:
    text = rendered(KeyReference(file="secrets/laptop.key"))
    assert parse(text)["OPENAI_API_KEY"] == "${FLEET_KEY}"
    assert '"secrets/laptop.key"' in text


def test_a_model_that_does_not_chat_is_not_the_default() -> None:
    view = client_view({"e": RoutedModel(purpose="embedding")}, {"default": ("desk/e",)})
    assert "OPENAI_MODEL" not in parse(render_client(CLIENT.files[0], view).decode())


IDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40)


@settings(deadline=None)
@given(IDS)
def test_any_model_id_survives_the_file_or_is_not_in_it(id: str) -> None:
    written = env_holds(f"desk/{id}")
    assert parse(rendered(model=id)).get("OPENAI_MODEL") == (f"desk/{id}" if written else None)


@pytest.mark.parametrize(
    "id", ["${HOME}", "a$b", "$(touch x)", "\\\\host\\m", "m\\", "it's `id`", "it's \\", 'it\'s "m"']
)
def test_an_id_that_programs_read_in_different_ways_is_left_out_with_a_warning(id: str) -> None:
    assert not env_holds(id)
    view = client_view({id: RoutedModel()}, {"default": (f"desk/{id}",)})
    assert "_MODEL" not in render_client(CLIENT.files[0], view).decode()
    (finding,) = CLIENT.check_models(view)
    assert (finding.code, finding.severity) == ("F312", "warning")
    assert f"'desk/{id}'" in finding.message


READ_ALIKE = ["m", "it's", "a b", "`id`", 'a"b', "über/模型:7b", "a#b", "C:\\new\\m.gguf", "a;b", "~", "!x"]
"""Read as they are by everything that `env_value` names, as tried; what they do is not tried here."""


@pytest.mark.parametrize("id", READ_ALIKE)
def test_a_shell_reads_the_ids_and_keys_as_they_are(id: str, tmp_path: Path) -> None:
    (tmp_path / "client.env").write_text(rendered(KeyReference(env="FLEET_KEY"), id))
    script = '. ./client.env; printf %s "$OPENAI_MODEL|$OPENAI_API_KEY"'
    environment = {"FLEET_KEY": "k", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"desk/{id}|k"
    assert list(tmp_path.iterdir()) == [tmp_path / "client.env"]


def test_a_program_gets_the_key_by_its_reference() -> None:
    launch = CLIENT.launch(Path("client.env"), rendered(KeyReference(env="FLEET_KEY")).encode())
    assert launch == Launch(
        {
            "OPENAI_BASE_URL": f"{BASE}/v1",
            "OPENAI_API_BASE": f"{BASE}/v1",
            "ANTHROPIC_BASE_URL": BASE,
            "OPENAI_MODEL": "desk/m",
            "ANTHROPIC_MODEL": "desk/m",
        },
        references={"OPENAI_API_KEY": "FLEET_KEY", "ANTHROPIC_API_KEY": "FLEET_KEY"},
        keys=("FLEET_KEY",),
        urls=(f"{BASE}/v1",),
    )
