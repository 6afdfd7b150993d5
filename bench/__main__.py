"""``python -m bench [NAME …]``: measure and print; exit code 1 when a goal is missed."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import clone, collection, load, parse, window
from bench.measure import Result

BENCHES: dict[str, Callable[[], Result]] = {
    "parse": parse.run,
    "window": window.run,
    "collection": collection.run,
    "load": load.run,
    "clone": clone.run,
}


def main() -> int:
    """Run the named benches, or all."""
    results = []
    for name in sys.argv[1:] or BENCHES:
        print(f"{name} …", flush=True)
        results.append(BENCHES[name]())
    print()
    for result in results:
        print(f"{'met   ' if result.met else 'MISSED'}  {result.what}: {result.found} (goal: {result.goal})")
        for line in result.lines:
            print(f"        {line}")
    return 0 if all(result.met for result in results) else 1


sys.exit(main())
