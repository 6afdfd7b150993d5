"""``ledger keygen`` makes the key that signs the ledger's rows, ``ledger verify`` says which rows it does not fit."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

import psycopg

from upkeep.flow.connections import trusted
from upkeep.gate.decision_store import ledger_identity
from upkeep.gate.signatures import chain, keys
from upkeep.settings.load import settings
from upkeep.wires.database import explain, session


def make_key(arguments: argparse.Namespace) -> int:
    """Print both halves of a new key and where each belongs; nothing is kept."""
    signing = settings().maintenance.ledger.signing
    private, public = keys.generate()
    content = json.dumps({"conn_type": "generic", "password": private})
    name = f"{datetime.now(UTC):%Y-%m}"
    while name in signing.keys:
        name += "a"
    print(
        f"The private half is the password of Connection {signing.connection!r} (environment or a secrets backend\n"
        "only; it is shown this once):\n\n"
        f"  AIRFLOW_CONN_{signing.connection.upper()}='{content}'\n\n"
        "The public half goes into config/maintenance.yaml, beside those that are there:\n\n"
        "ledger:\n  signing:\n    keys:\n"
        f'      "{name}": {{public: "{public}"}}\n'
    )
    if signing.keys:
        print(
            "Keep a key that no longer signs there: what it signed must still verify. First restart the workers with\n"
            "the new Connection, then set the old key's `until` to now: its later signatures count for nothing."
        )
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Look at every signed row of the ledger. Returns 1 where one is not as it was signed, or missing."""
    config = settings().maintenance
    keys.pinned(config.ledger.signing)
    try:
        with session(trusted(config.ledger.tasks), config.sql, read_only=True) as opened:
            found = chain.verify(opened, config.ledger.signing, arguments.expect or "")
            ledger = ledger_identity(opened)
    except psycopg.Error as error:
        print(explain(error, config.ledger.tasks), file=sys.stderr)
        return 1
    problems = list(found.problems)
    if config.ledger.identity != ledger:
        pinned = config.ledger.identity or "nothing"
        problems.append(f"found ledger {ledger}, expected that of config/maintenance.yaml: ledger.identity: {pinned}")
    for problem in problems:
        print(problem)
    for place, count in sorted(found.before.items()):
        print(f"{place}: {count} rows are from before the ledger signed its rows; they count for nothing")
    print(f"{found.entries} signed rows, {len(problems)} problems; the chain's head is {found.head or 'nothing yet'}")
    return 1 if problems else 0
