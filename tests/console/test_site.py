"""The console's files as they are served: addresses, caching, policy, and what is in the package."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from fleet_runtime.console.site import STATIC, ConsoleSite
from tests.console.household import running_household
from tests.support.stack import Stack

LIBRARIES = STATIC / "vendor" / "vendor.lock.json"
BUDGET = 150_000
"""Compressed bytes of everything that the page loads."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:  # type: ignore[misc]
    folder = tmp_path_factory.mktemp("console")
    keys = ", keys: {all: {env: KEY_ALL}, child: {env: KEY_CHILD, surfaces: [family]}}"
    env = {"KEY_ALL": "key-of-everything", "KEY_CHILD": "key-of-a-child"}
    with running_household(folder, more=keys, env=env) as stack:
        yield stack


def page(stack: Stack) -> httpx.Response:
    response = stack.client.get("/", headers={"accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 200, response.text
    return response


def test_the_page_and_its_files_need_no_key_and_hold_no_data(stack: Stack) -> None:
    text = page(stack).text
    assert "workstation" not in text
    for address in re.findall(r'(?:href|src)="\./(static/[^"]+)"', text):
        asset = stack.client.get(f"/{address}")
        assert asset.status_code == 200, address
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "workstation" not in asset.text
    assert stack.client.get("/api/fleet").status_code == 401


def test_the_page_is_revalidated_and_every_body_is_compressed_on_request(stack: Stack) -> None:
    first = page(stack)
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-encoding"] == "gzip"
    again = stack.client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = stack.client.get("/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == first.text
    assert plain.headers["etag"] != first.headers["etag"]
    head = stack.client.head("/")
    assert (head.status_code, head.content) == (200, b"")


def test_a_client_that_accepts_json_alone_is_sent_the_error_that_it_can_read(stack: Stack) -> None:
    key = {"authorization": "Bearer key-of-everything"}
    response = stack.client.get("/", headers={"accept": "application/json", **key})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    assert stack.client.get("/", headers={"accept": "application/json, */*"}).status_code == 200
    assert stack.client.get("/static/0000/app/main.js", headers=key).status_code == 404
    assert stack.client.post("/", headers=key).status_code == 404


def test_the_policy_allows_the_import_map_by_its_hash_and_nothing_foreign(stack: Stack) -> None:
    response = page(stack)
    import_map = re.search(r'<script type="importmap">(.*?)</script>', response.text)
    assert import_map is not None
    assert all(url.startswith("./static/") for url in json.loads(import_map[1])["imports"].values())
    policy = response.headers["content-security-policy"]
    assert "trusted-types dompurify fleet" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert len(re.findall(r"<script(?![^>]*src)[^>]*>", response.text)) == 1, (
        "one inline script: the import map"
    )


def test_access_says_what_each_key_opens(stack: Stack) -> None:
    everything = stack.client.get("/api/access", headers={"x-api-key": "key-of-everything"}).json()
    assert (everything["key"], everything["surfaces"]) == ("all", None)
    assert "POST /api/fleet/{name}/refresh" in everything["operations"]
    child = stack.client.get("/api/access", headers={"x-api-key": "key-of-a-child"}).json()
    assert (child["key"], child["surfaces"]) == ("child", ["family"])
    assert "GET /api/models" in child["operations"]
    assert "POST /api/fleet/{name}/refresh" not in child["operations"]
    assert stack.client.get("/api/access", headers={"x-api-key": "wrong"}).status_code == 401


def test_another_file_makes_another_address_for_all(tmp_path: Path) -> None:
    files = {
        path.relative_to(STATIC).as_posix(): path.read_bytes() for path in STATIC.rglob("*") if path.is_file()
    }
    changed = {**files, "app/base.js": files["app/base.js"] + b"\n"}
    assert ConsoleSite(files).base == ConsoleSite.load().base
    assert ConsoleSite(changed).base != ConsoleSite(files).base


def test_comments_and_indentation_are_not_sent_and_every_statement_keeps_its_line(stack: Stack) -> None:
    base = re.search(r"\./static/\w+/", page(stack).text)
    assert base is not None
    for file in STATIC.rglob("*.js"):
        path = file.relative_to(STATIC).as_posix()
        if path.startswith("vendor/"):
            continue
        lines = file.read_text(encoding="utf-8").split("\n")
        sent = stack.client.get(base[0][1:] + path).text.split("\n")
        assert len(sent) == len(lines)
        shown = [line.lstrip(" ") for line in lines]
        gone = [line for line, left in zip(shown, sent, strict=True) if line != left]
        assert all(line.startswith(("//", "/**", "*")) for line in gone), path


def test_the_libraries_are_those_of_the_lock_unmodified_and_with_their_licences() -> None:
    lock = json.loads(LIBRARIES.read_text(encoding="utf-8"))
    locked = {path: digest for entry in lock.values() for path, digest in entry["files"].items()}
    found = {
        path.relative_to(LIBRARIES.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in LIBRARIES.parent.rglob("*")
        if path.is_file() and path != LIBRARIES
    }
    assert found == locked
    for file in LIBRARIES.parent.rglob("*.gz"):
        assert gzip.decompress(file.read_bytes()) == file.with_suffix("").read_bytes(), file.name
    for package, entry in lock.items():
        assert entry["licence"], package
        assert any("LICEN" in path for path in entry["files"]), package


def test_everything_that_the_page_loads_is_within_the_budget(stack: Stack) -> None:
    text = page(stack).text
    addresses = {"", *re.findall(r'(?:href|src)="\./(static/[^"]+)"', text)}
    addresses |= set(re.findall(r'"\./(static/[^"]+)"', text))
    base = re.search(r"static/\w+/", text)
    assert base is not None
    addresses.add(f"{base[0]}feed/worker.js")
    sizes = {}
    for address in sorted(addresses):
        with stack.client.stream("GET", f"/{address}", headers={"accept": "*/*"}) as response:
            sizes[address] = sum(len(chunk) for chunk in response.iter_raw())
    assert len(sizes) > 15
    assert sum(sizes.values()) < BUDGET, sizes
