"""A process that polls or waits, and prints what it took: ``python -m bench.watching polls|waits SECONDS WARM_UP``."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from contextlib import aclosing

import psutil

from upkeep.flow.watch import WatchTrigger


async def _for_a_while(watch: WatchTrigger | None, seconds: float, warm_up: float) -> dict[str, float]:
    """Poll, or do nothing; CPU seconds after the warm-up, and megabytes at the end."""

    async def poll() -> None:
        if watch is not None:
            async with aclosing(watch.run()) as run:  # type: ignore[type-var]
                async for _ in run:
                    pass

    polling = asyncio.create_task(poll())
    await asyncio.sleep(warm_up)
    began = _cpu()
    await asyncio.sleep(seconds)
    took = _cpu() - began
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    return {"cpu": took, "memory": psutil.Process().memory_info().rss / 1e6}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    what, seconds, warm_up = sys.argv[1:]
    watch = WatchTrigger() if what == "polls" else None  # type: ignore[no-untyped-call]  # Airflow's
    print(json.dumps(asyncio.run(_for_a_while(watch, float(seconds), float(warm_up)))))
