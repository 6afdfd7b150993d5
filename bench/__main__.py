"""``python -m bench [NAME …]``: measure and print; exit code 1 when a goal is missed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench.benches import BENCHES


def main(wanted: Sequence[str]) -> int:
    """Run the named benches, or all; each is printed when it ends."""
    names = wanted or list(BENCHES)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
