"""What each of the gateway's keys opens: every path, for every scope, with the status that is expected."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator

import pytest

from fleet_runtime.edge.api_keys import ApiKeys, KeyScope
from fleet_runtime.errors import RequestError
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import Answer, ask
from tests.support.raw_server import raw_server, responding

UNARY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
ENV = {"ALL": "key-of-everything", "CHAT": "key-of-boochat", "BOTH": "key-of-boochat-and-arena"}
KEYS = {
    "all": {"env": "ALL"},
    "chat": {"env": "CHAT", "surfaces": ["boochat"]},
    "both": {"env": "BOTH", "surfaces": ["boochat", "arena"]},
}
COLUMNS = (None, "wrong", "CHAT", "BOTH", "ALL")
TABLE: dict[tuple[str, str], tuple[int, int, int, int, int]] = {
    # (method, path): without a key, a wrong one, boochat's, boochat's and arena's, the one for everything
    ("GET", "/health"): (200, 200, 200, 200, 200),
    ("GET", "/ready"): (200, 200, 200, 200, 200),
    ("GET", "/metrics"): (401, 401, 403, 403, 200),
    ("GET", "/openapi.json"): (401, 401, 403, 403, 200),
    ("GET", "/nowhere"): (401, 401, 403, 403, 404),
    ("GET", "/v1/models"): (401, 401, 403, 403, 200),
    ("GET", "/v1/models/a/m"): (401, 401, 403, 403, 200),
    ("POST", "/v1/chat/completions"): (401, 401, 403, 403, 200),
    ("POST", "/tokenize"): (401, 401, 403, 403, 200),
    ("POST", "/providers/a/v1/chat/completions"): (401, 401, 403, 403, 200),
    ("GET", "/providers/a/v1/models"): (401, 401, 403, 403, 200),
    ("GET", "/boochat/v1/models"): (401, 401, 200, 200, 200),
    ("GET", "/boochat/v1/models/a/m"): (401, 401, 200, 200, 200),
    ("GET", "/boochat/v1/models/a/nothing"): (401, 401, 404, 404, 404),
    ("POST", "/boochat/v1/chat/completions"): (401, 401, 200, 200, 200),
    ("POST", "/boochat/v1/messages"): (401, 401, 200, 200, 200),
    ("POST", "/boochat/v1/embeddings"): (401, 401, 200, 200, 200),
    ("POST", "/boochat/v1/audio/speech"): (401, 401, 200, 200, 200),
    ("POST", "/boochat/infill"): (401, 401, 200, 200, 200),
    ("POST", "/arena/v1/chat/completions"): (401, 401, 403, 200, 200),
    ("GET", "/arena/v1/models"): (401, 401, 403, 200, 200),
    ("POST", "/boochat/../arena/v1/chat/completions"): (401, 401, 404, 404, 404),
    ("POST", "/boochat%2f..%2farena/v1/chat/completions"): (401, 401, 403, 403, 404),
    ("POST", "//v1/chat/completions"): (401, 401, 403, 403, 404),
    ("GET", "/boochat"): (401, 401, 403, 403, 404),
    ("GET", "/boochat/nowhere"): (401, 401, 404, 404, 404),
    ("GET", "/health/../metrics"): (401, 401, 403, 403, 404),
    ("GET", "/api/models"): (401, 401, 403, 403, 200),
    ("GET", "/api/models?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/models?surface=arena"): (401, 401, 403, 200, 200),
    ("GET", "/api/models?surface=boochat&surface=arena"): (401, 401, 403, 403, 200),
    ("GET", "/api/models?surface=arena&%73urface=boochat"): (401, 401, 403, 403, 200),
    ("GET", "/api/models/a/m?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/picker?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/resolve?model=a/m&surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/roles?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/favorites?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/favorites"): (401, 401, 403, 403, 200),
    ("GET", "/api/fleet"): (401, 401, 403, 403, 200),
    ("GET", "/api/fleet?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/fleet/history?surface=boochat"): (401, 401, 200, 200, 200),
    ("GET", "/api/fleet/a/history?surface=boochat"): (401, 401, 200, 200, 200),
    ("PUT", "/api/favorites/a/m?surface=boochat"): (401, 401, 200, 200, 200),
    ("PUT", "/api/favorites/a/m?surface=arena"): (401, 401, 403, 200, 200),
    ("PUT", "/api/favorites/a/m"): (401, 401, 403, 403, 200),
    ("PUT", "/api/favorites?surface=boochat"): (401, 401, 403, 403, 400),
    ("DELETE", "/api/favorites/a/m?surface=boochat"): (401, 401, 200, 200, 200),
    ("DELETE", "/api/favorites/a/m"): (401, 401, 403, 403, 200),
    ("POST", "/api/fleet/a/refresh"): (401, 401, 403, 403, 200),
    ("POST", "/api/reload"): (401, 401, 403, 403, 200),
    ("POST", "/api/reload?surface=boochat"): (401, 401, 403, 403, 200),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that one gateway serves the entire table."""
    return "asyncio"


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GatewayProcess]:
    generated = tmp_path_factory.mktemp("keys") / "generated"
    async with raw_server(responding(UNARY)) as server:
        machine = connection("a", server.url, poll=False, declared={"m": {}})
        write_generated(generated, gateway(machine, surfaces=("boochat", "arena"), keys=KEYS))
        async with gateway_process(generated, env=ENV) as process:
            yield process


async def tell(served: GatewayProcess, method: str, path: str, headers: dict[str, str]) -> Answer:
    body = {"model": "m"} if method == "POST" else b"" if method == "PUT" else None
    return await ask(served.port, path, body, headers, method=method)


def shown(column: str | None) -> dict[str, str]:
    return {} if column is None else {"authorization": f"Bearer {ENV.get(column, 'no-such-key')}"}


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "path"), TABLE, ids=" ".join)
async def test_a_path_opens_to_the_keys_that_are_for_it(
    served: GatewayProcess, method: str, path: str
) -> None:
    answers = [await tell(served, method, path, shown(column)) for column in COLUMNS]
    statuses = tuple(200 if answer.status == 204 else answer.status for answer in answers)
    assert statuses == TABLE[method, path]
    for answer in answers:
        if answer.status == 401:
            assert answer.code == "unauthorized" or b'"authentication_error"' in answer.body
            assert answer.header(b"www-authenticate") == [b"Bearer"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": "key-of-boochat"}, 200),
        ({"authorization": "bearer key-of-boochat"}, 200),
        ({"authorization": "Bearer  key-of-boochat "}, 200),
        ({"authorization": "Basic key-of-boochat"}, 401),
        ({"authorization": "key-of-boochat"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer key-of-boochatx"}, 401),
        ({"authorization": "Bearer key-of-boocha"}, 401),
        ({"x-api-key": ""}, 401),
        ({"cookie": "key-of-boochat"}, 401),
    ],
)
async def test_a_key_is_a_bearer_token_or_x_api_key(
    served: GatewayProcess, headers: dict[str, str], status: int
) -> None:
    assert (await tell(served, "GET", "/boochat/v1/models", headers)).status == status


@pytest.mark.anyio
async def test_a_wrong_key_is_distinguished_from_a_missing_one(served: GatewayProcess) -> None:
    missing = await tell(served, "GET", "/v1/models", {})
    wrong = await tell(served, "GET", "/v1/models", {"authorization": "Bearer nope"})
    assert b"this gateway requires a key" in missing.body
    assert b"the request's key is not a key of this gateway" in wrong.body
    assert b"nope" not in wrong.body


@pytest.mark.anyio
async def test_a_rejection_does_not_say_whether_a_model_or_a_path_exists(served: GatewayProcess) -> None:
    paths = ("/v1/models/a/m", "/v1/models/a/nothing", "/nowhere", "/api/models/a/m")
    for column in (None, "wrong"):
        bodies = {(await tell(served, "GET", path, shown(column))).body for path in paths}
        assert len(bodies) == 1


@pytest.mark.slow
def test_the_time_of_a_wrong_key_does_not_show_how_much_of_it_is_right() -> None:
    """Medians of interleaved rounds: a key that is right except for its last letter against one that is wrong
    from its first on. A comparison that stopped early would differ by far more than the noise."""
    right = "k" * 4096
    keys = ApiKeys([(KeyScope("all", None), right)])
    near, far = (right[:-1] + "x").encode(), ("x" + right[1:]).encode()

    def timed(presented: bytes) -> float:
        started = time.perf_counter()
        for _ in range(50):
            with pytest.raises(RequestError):
                keys.check(presented, "GET", "/v1/models")
        return time.perf_counter() - started

    rounds = [(timed(near), timed(far)) for _ in range(400)]
    near_median = statistics.median(near for near, _ in rounds)
    far_median = statistics.median(far for _, far in rounds)
    assert abs(near_median / far_median - 1) < 0.05
