"""A sandbox whose users are Airflow's FAB auth manager's, with numbers, roles and passwords in Airflow's database.

As docker-compose.yaml has it. The provider is not in requirements-dev.txt, for it cannot be had for all Pythons:
`make fab-attacks` makes an environment with it.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.stack import Sandbox

#: Environment of the first ``up``: ``fab`` in place of Airflow's simple auth manager. The sandbox keeps it.
USERS = "UPKEEP_SANDBOX_USERS"
SIMPLE, FAB = "simple", "fab"
VARIABLES = {"CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"}

#: The simple auth manager's roles as FAB calls them.
ROLES = {"admin": "Admin", "op": "Op", "user": "User", "viewer": "Viewer"}

#: Where a sandbox keeps name → number.
NUMBERS = "numbers.json"

#: In Airflow's environment: make the users of stdin that are not there, and print what each is numbered.
MAKE = """
import json, sys
from compose.prepare import user
print(json.dumps({name: user(name, role, password) for name, role, password in json.load(sys.stdin)}))
"""


def drawn() -> str:
    """Whose users a sandbox is made with."""
    return FAB if os.environ.get(USERS) == FAB else SIMPLE


def obstacle(kept: str) -> str:
    """Why a sandbox with the users ``kept`` cannot be brought up as the environment asks; empty when it can."""
    wanted = os.environ.get(USERS) or kept
    if wanted not in (SIMPLE, FAB):
        return f"{USERS}: found {wanted!r}, expected {SIMPLE} or {FAB}"
    if wanted != kept:
        return f"{USERS} is {wanted}, but the sandbox was made with {kept}: `make down` and remove its folder first"
    if kept == FAB and not find_spec("airflow.providers.fab"):
        return f"{USERS} is {FAB}: found no apache-airflow-providers-fab. `make fab-attacks` has it"
    return ""


def numbers(sandbox: Sandbox) -> dict[str, str]:
    """Name → what Airflow calls the user in an answer; empty where that is the name."""
    file = sandbox.folder / NUMBERS
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found
