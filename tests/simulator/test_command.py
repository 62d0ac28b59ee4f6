"""``python -m fleet_runtime.simulator`` as a command: its help and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet_runtime.simulator.__main__ import main


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["--nope"], 2)])
def test_help_and_wrong_usage(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    said = capsys.readouterr()
    assert "usage: python -m fleet_runtime.simulator" in (said.err if code else said.out)


@pytest.mark.parametrize("text", [None, "", "{}", '[{"nmae": "desk"}]'])
def test_a_specification_that_cannot_be_simulated(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spec.json"
    if text is not None:
        path.write_text(text)
    assert main([str(path)]) == 1
    assert f"'{path}' cannot be simulated: " in capsys.readouterr().err
