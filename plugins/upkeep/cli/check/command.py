"""``python -m upkeep check``: what can and cannot be collected, what a change needs and whether it is there, and why.

It reads only. A row that says NO names the setting to change; one that says off is a part of the product that this
deployment has not asked for. A row that says yes may have a remark below it: what works today and will not be enough
for everything.
"""

from __future__ import annotations

import argparse
import sys

from upkeep.areas.kinds import with_roles
from upkeep.cli.check import airflow, alerts, archives, change, collect, identity
from upkeep.cli.check.rows import CheckRow, table
from upkeep.settings.base import PACKAGE
from upkeep.settings.calendar import config_folder
from upkeep.settings.load import Settings, settings


def run(arguments: argparse.Namespace) -> int:
    """Print the tables. Returns 0 when no row says NO, else 1. Raises ConfigError."""
    config = settings()
    with_roles(config.maintenance)
    names = [arguments.target] if arguments.target else list(config.targets)
    for name in names:
        config.target(name)
    if arguments.print_identity:
        return _identities(config, names)
    rows = [_config_row(), *collect.ledger_rows(config)]
    for name in names:
        rows += collect.function_rows(config, name)
        rows += collect.database_rows(config, name)
    print(table(rows, "WHAT", "CAN BE COLLECTED", "can be collected."))
    print(alerts.sentence(config))
    needs = [airflow.loaded_row(), airflow.pool_row()]
    needs += [row for name in names for row in (*change.target_rows(config, name), *change.canary_rows(config, name))]
    needs += archives.store_rows(config)
    needs += [change.ledger_row(config), change.key_row(), *change.role_rows(config), change.slack_row(config)]
    print("\n" + table(needs, "WHAT A CHANGE NEEDS", "IS THERE", "are there."))
    return 1 if any(row.can is False for row in (*rows, *needs)) else 0


def _config_row() -> CheckRow:
    """Which config was read. A wheel's own is the next version's with the next upgrade, and no deployment's."""
    folder = config_folder()
    own = "found the package's own, expected UPKEEP_CONFIG to name the folder that `upkeep init DIR` wrote: DIR/config"
    inside = folder.resolve().is_relative_to(PACKAGE)
    return CheckRow(f"configuration in {folder}", "", not inside, own if inside else "")


def _identities(config: Settings, names: list[str]) -> int:
    """Print the lines for config/maintenance.yaml; what could not be asked goes to stderr."""
    asked = [*(identity.of_target(config, name) for name in names), identity.of_ledger(config)]
    for found in asked:
        print(found.line if found.value else found.why, file=sys.stdout if found.value else sys.stderr)
    return 0 if all(found.value for found in asked) else 1
