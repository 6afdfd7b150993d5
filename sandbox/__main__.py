"""``python -m sandbox up | down | status | check``: the whole system on this machine."""

from __future__ import annotations

import argparse
import sys

from sandbox import commands

COMMANDS = {"up": commands.up, "down": commands.down, "status": commands.status, "check": commands.check}


def main() -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=tuple(COMMANDS))
    try:
        return COMMANDS[parser.parse_args().command]()
    except commands.SandboxError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
