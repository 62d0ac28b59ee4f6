"""The console's libraries, from npm at exact versions: `make vendor`.

Each is fetched with `npm pack`, compared with the integrity that the lock has for its version, and the files
named here are copied unmodified, with the licence, next to ``vendor.lock.json``. A version is changed here.
Next to each is the same in gzip as zopfli makes it, 4 % smaller than zlib can, and what browsers are sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docs.generate.scaffold import ROOT

VENDOR: Final = ROOT / "runtime" / "fleet_runtime" / "console" / "static" / "vendor"
LOCK: Final = VENDOR / "vendor.lock.json"
ITERATIONS: Final = 50
"""Of zopfli: more of them save nothing."""


class VendorError(Exception):
    """A package that is not what the lock says, or lacks a file."""


@dataclass(frozen=True, slots=True)
class Library:
    """A package of npm; `files` of it are served."""

    package: str
    version: str
    files: tuple[str, ...]

    @property
    def folder(self) -> str:
        return self.package.removeprefix("@").replace("/", "-")


LIBRARIES: Final = (
    Library("preact", "11.2.0", ("dist/preact.mjs", "hooks/dist/hooks.mjs")),
    Library("htm", "3.1.1", ("dist/htm.mjs",)),
    Library("@preact/signals", "2.11.4", ("dist/signals.module.js",)),
    Library("@preact/signals-core", "1.14.5", ("dist/signals-core.module.js",)),
    Library("uplot", "1.6.32", ("dist/uPlot.iife.min.js",)),
    Library("markdown-it", "15.0.3", ("dist/browser/markdown-it.esm.min.mjs",)),
    Library("dompurify", "3.4.18", ("dist/purify.min.js",)),
)


def vendor(library: Library, locked: dict[str, Any] | None) -> dict[str, Any]:
    """Copy the files of a package; return its entry of the lock. Raises `VendorError`."""
    with tempfile.TemporaryDirectory() as scratch:
        name = f"{library.package}@{library.version}"
        command = ["npm", "pack", "--json", "--silent", "--pack-destination", scratch, name]
        packed = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)  # noqa: S603
        if packed.returncode != 0:
            raise VendorError(f"{name}: npm pack failed: {packed.stderr.strip()}")
        (archive,) = Path(scratch).glob("*.tgz")
        content = archive.read_bytes()
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        if locked and locked["version"] == library.version and locked["integrity"] != integrity:
            raise VendorError(f"{name}: npm has other bytes than when it was locked")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        return _copy(library, integrity, Path(scratch) / "package")


def _copy(library: Library, integrity: str, package: Path) -> dict[str, Any]:
    target = VENDOR / library.folder
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    licences = sorted(file.name for file in package.iterdir() if file.name.upper().startswith("LICEN"))
    if not licences:
        raise VendorError(f"{library.package}: the package has no licence file")
    hashes = {}
    for file in (*library.files, *licences):
        name = Path(file).name
        if not (package / file).is_file():
            raise VendorError(f"{library.package}@{library.version}: there is no {file}")
        shutil.copyfile(package / file, target / name)
        hashes[f"{library.folder}/{name}"] = _digest(target / name)
    for file in library.files:
        name = Path(file).name
        subprocess.run(["zopfli", f"--i{ITERATIONS}", target / name], check=True)  # noqa: S603, S607
        hashes[f"{library.folder}/{name}.gz"] = _digest(target / f"{name}.gz")
    manifest = json.loads((package / "package.json").read_text(encoding="utf-8"))
    return {
        "version": library.version,
        "licence": manifest["license"],
        "integrity": integrity,
        "files": hashes,
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> int:
    """Vendor every library; print problems, and return 1 if there are any."""
    locked = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}
    try:
        entries = {each.package: vendor(each, locked.get(each.package)) for each in LIBRARIES}
    except (VendorError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    LOCK.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    print(f"{len(entries)} libraries in {VENDOR.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
