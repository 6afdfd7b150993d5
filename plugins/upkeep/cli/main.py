"""``python -m upkeep``: what an operator types before Airflow takes over."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from upkeep.cli import options
from upkeep.core.windows import CADENCES
from upkeep.settings.base import ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; 2 says that the configuration cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return code


def _command(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """A command that is imported when it runs: most need Airflow, which takes seconds, and ``overdue`` must not."""

    def run(arguments: argparse.Namespace) -> int:
        carried_out: int = getattr(import_module(f"upkeep.cli.{module}"), name)(arguments)
        return carried_out

    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m upkeep", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    look = commands.add_parser("check", help="validate config, Connections and permissions; say what works")
    look.add_argument("--target", help="one target of config/maintenance.yaml instead of all")
    look.add_argument(
        "--print-identity", action="store_true", help="print which servers these are, for config to pin them"
    )
    look.set_defaults(run=_command("check.command", "run"))

    begin = commands.add_parser("init", help="write the DAG files and the commented config of a deployment")
    begin.add_argument(
        "folder", type=options.folder, metavar="DIR", help="gets dags/ and config/; nothing of yours is overwritten"
    )
    begin.set_defaults(run=_command("init", "run"))

    proof = commands.add_parser("calendar", help="prove that the coming years' windows fit; write them as iCalendar")
    options.for_calendar(proof)
    proof.set_defaults(run=_command("calendar", "run"))

    grants = commands.add_parser("grants", help="print the SQL that a DBA runs once for the roles")
    options.for_grants(grants)
    grants.set_defaults(run=_command("setup", "print_grants"))

    ledger = commands.add_parser("ledger", help="create or upgrade the ledger's tables; make a key; verify signed rows")
    _for_ledger(ledger.add_subparsers(required=True, metavar="ACTION"))

    overdue = commands.add_parser("overdue", help="say from the ledger alone which windows are overdue or missed")
    overdue.add_argument("--target", help="one target of config/maintenance.yaml instead of all")
    overdue.set_defaults(run=_command("overdue", "run"))

    told = commands.add_parser("alerts", help="list the alerts that are open and the messages that were not delivered")
    told.add_argument("--target", help="one target of config/maintenance.yaml instead of all")
    told.set_defaults(run=_command("alerts", "show"))

    known = commands.add_parser("acknowledge", help="silence an open alert until it clears or until a date")
    options.for_acknowledge(known)
    known.set_defaults(run=_command("alerts", "acknowledge"))

    archives = commands.add_parser("archive", help="list archived log rows, read archives again, restore one")
    _for_archive(archives.add_subparsers(required=True, metavar="ACTION"))

    late = commands.add_parser("backfill", help="list the missed windows, and have Airflow carry them out late")
    late.add_argument("cadence", choices=CADENCES)
    late.add_argument("--target", help="one target of config/maintenance.yaml instead of the first")
    late.add_argument("--dry-run", action="store_true", help="list them and make no run")
    late.set_defaults(run=_command("backfill", "run"))
    return parser


def _for_ledger(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    upgrade = actions.add_parser("upgrade", help="create or upgrade the ledger's tables")
    upgrade.set_defaults(run=_command("setup", "upgrade_ledger"))
    keygen = actions.add_parser("keygen", help="make a key that signs the ledger's rows; say where its halves go")
    keygen.set_defaults(run=_command("signatures", "make_key"))
    verify = actions.add_parser("verify", help="name every row that is not as it was signed, or is missing")
    verify.add_argument("--expect", metavar="ENTRY:MARK", help="a head of the chain that a log or an earlier look gave")
    verify.set_defaults(run=_command("signatures", "verify"))


def _for_archive(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    find = actions.add_parser("find", help="list archives, and what lies there that is none")
    find.set_defaults(run=_command("archive", "find"))
    verify = actions.add_parser("verify", help="read every archive again and name each that is not as it was written")
    verify.set_defaults(run=_command("archive", "verify"))
    restore = actions.add_parser("restore", help="bring an archive back into a table of its own")
    restore.add_argument("archive", help="its name, as `archive find` lists it")
    restore.add_argument("--into", required=True, metavar="SCHEMA.TABLE", help="the table, which is made")
    restore.set_defaults(run=_command("archive", "bring_back"))
    for action in (find, verify, restore):
        action.add_argument("--target", help="one target of config/maintenance.yaml instead of the first")
