"""Build hook: puts schema/ and templates/ into standard wheels as ``fleet_compiler/_data/``.

An editable install gets nothing from here: it reads both folders from the repository root
(see ``fleet_compiler.assets``), so that an edited template is live.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetsHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        for folder in ("schema", "templates"):
            source = Path(self.root) / folder
            build_data["force_include"][str(source)] = f"fleet_compiler/_data/{folder}"
