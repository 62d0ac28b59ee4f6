"""``python -m fleet_runtime.simulator`` as a command: its help and what it rejects."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from fleet_runtime.simulator.__main__ import EXAMPLE, main
from fleet_runtime.simulator.spec import SimulatedModel, parse_specs


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["--nope"], 2)])
def test_help_and_wrong_usage(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    said = capsys.readouterr()
    assert "usage: python -m fleet_runtime.simulator" in (said.err if code else said.out)
    assert code or all(f" {key.name} " in " ".join(said.out.split()) for key in fields(SimulatedModel))


def test_the_example_of_the_help_can_be_simulated() -> None:
    assert [server.name for server in parse_specs(EXAMPLE)] == ["box", "mini"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file or directory"),
        ("{}", "Input should be a valid"),
        ('[{"nmae": "desk"}]', "[0].nmae: is not a key"),
        ('[{"name": "a", "models": [{"id": 3}]}]', "[0].models[0].id: input should be a valid string"),
        ('[{"name": "a"}, {"name": "a"}]', "server 'a' already exists"),
        ('[{"name": "a", "kind": "b"}]', "unknown kind 'b'; kinds: "),
    ],
)
def test_a_specification_that_cannot_be_simulated_is_one_line_with_the_place(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spec.json"
    if text is not None:
        path.write_text(text)
    assert main([str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"'{path}' cannot be simulated: ")
    assert said in err
    assert err.count("\n") == 1
