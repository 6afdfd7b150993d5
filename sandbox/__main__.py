"""The whole system on this machine: ``up | down | status | check | history | fault [NAME] | heal [NAME]``."""

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
    parser.add_argument("command", choices=(*COMMANDS, "fault", "heal"))
    parser.add_argument("name", nargs="?", help="of a fault; without one, fault lists them and heal removes all")
    arguments = parser.parse_args()
    try:
        if arguments.command in COMMANDS:
            return COMMANDS[arguments.command]()
        return commands.fault(arguments.name) if arguments.command == "fault" else commands.heal(arguments.name)
    except SandboxError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
