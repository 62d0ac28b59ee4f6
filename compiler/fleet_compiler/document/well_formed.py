"""Check that a text is valid YAML of any kind, for files of other programs."""

from __future__ import annotations

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]
from ruamel.yaml.error import MarkedYAMLError, YAMLError


def yaml_fault(text: str) -> tuple[int | None, str] | None:
    """Return why `text` is not YAML, and the line (1-based) if that is known; None if it is YAML."""
    try:
        parser = CParser(text)
        while parser.check_event():
            parser.get_event()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return (None if mark is None else mark.line + 1), error.problem or "not valid YAML"
    except YAMLError as error:
        return None, str(error).partition("\n")[0]
    return None
