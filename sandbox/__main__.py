"""The whole system on this machine: ``up | down | status | check | history | fault | heal | upkeep …``."""

from __future__ import annotations

import argparse
import sys

from sandbox import commands, history
from sandbox.processes import SandboxError

COMMANDS = {
    "up": commands.up,
    "down": commands.down,
    "status": commands.status,
    "check": commands.check,
    "history": history.write,
}


def main() -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=(*COMMANDS, "fault", "heal", "upkeep"))
    parser.add_argument(
        "rest",
        nargs=argparse.REMAINDER,
        help="of fault and heal: a fault's name; without one, fault lists them and heal removes all. "
        "Of upkeep: what `python -m upkeep` would get",
    )
    arguments = parser.parse_args()
    named = arguments.command in ("fault", "heal")
    if arguments.command != "upkeep" and len(arguments.rest) > named:
        wanted = "the name of one fault" if named else "nothing"
        parser.error(f"{arguments.command}: found {' '.join(arguments.rest)!r} behind it, expected {wanted}")
    name = arguments.rest[0] if arguments.rest else None
    try:
        if arguments.command == "upkeep":
            return commands.upkeep(*arguments.rest)
        if arguments.command in COMMANDS:
            return COMMANDS[arguments.command]()
        return commands.fault(name) if arguments.command == "fault" else commands.heal(name)
    except SandboxError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
