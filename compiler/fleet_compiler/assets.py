"""The location of the schemas and templates: inside an installed wheel, or at the repository root."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_ROOT = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2]

SCHEMAS = _ROOT / "schema"
TEMPLATES = _ROOT / "templates"
