"""The model process behind a real llama-swap: a simulated llama-server with one model, on a fixed port.

``python -m tests.integration.responder SETTINGS.json``, the settings being those that `llama_swap` writes.
Every start appends a line to the file `starts`; it listens after `load_seconds`, as a server that reads its
weights.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from fleet_runtime.simulator import ServerSpec, SimulatedModel, Simulation
from tests.support.waiting import pace


async def respond(settings: dict[str, Any]) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await pace(settings["load_seconds"])
    model = SimulatedModel(settings["model"], context=settings["context"], purpose=settings["purpose"])
    spec = ServerSpec(
        settings["machine"],
        kind="llama-server",
        models=(model,),
        port=settings["port"],
        control_port=settings["control_port"],
    )
    async with Simulation([spec]):
        await ended.wait()


def main(settings: dict[str, Any]) -> None:
    with Path(settings["starts"]).open("a", encoding="utf-8") as starts:
        starts.write(f"{settings['model']}\n")
    asyncio.run(respond(settings))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_bytes()))
