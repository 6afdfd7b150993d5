"""``python -m bench [NAME …]``: measure and print; exit code 1 when a goal is missed."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import (
    apply,
    audit,
    clone,
    collection,
    first_sunday,
    forecast,
    load,
    parse,
    predictions,
    waiting,
    weekly,
    window,
)
from bench.measure import Result

BENCHES: dict[str, Callable[[], Result]] = {
    "parse": parse.run,
    "window": window.run,
    "collection": collection.run,
    "load": load.run,
    "apply": apply.run,
    "apply_latency": apply.latency,
    "clone": clone.run,
    "predictions": predictions.run,
    "forecast": forecast.run,
    "waiting": waiting.run,
    "weekly": weekly.run,
    "first_sunday": first_sunday.run,
    "audit": audit.run,
}


def main() -> int:
    """Run the named benches, or all; each is printed when it ends."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"found no bench {unknown[0]!r}, expected some of: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    met = True
    for name in names:
        print(f"{name} …", flush=True)
        result = BENCHES[name]()
        print(f"{'met   ' if result.met else 'MISSED'}  {result.what}: {result.found} (goal: {result.goal})")
        for line in result.lines:
            print(f"        {line}", flush=True)
        met = met and result.met
    return 0 if met else 1


sys.exit(main())
