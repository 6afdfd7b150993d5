"""Everything the sandbox runs, as one supervised set of processes on loopback.

State (ports, passwords, the cluster, logs) lies in ``.sandbox/`` of the clone, or where UPKEEP_SANDBOX points.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import distributed, fab
from sandbox.backups import Store
from sandbox.ports import STATE, reserved
from sandbox.postgres import REQUIRE_AUTH, Cluster
from sandbox.twin.keys import legacy_key, secret_key
from upkeep.gate.signatures import keys

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
#: Environment of ``up``: how many tasks run at once.
PARALLELISM = "UPKEEP_SANDBOX_PARALLELISM"

#: Who holds the guide's roles: name → role of config/maintenance.yaml.
HOLDERS = {"dora": "dba", "omar": "devops", "sana": "security", "lena": "lead"}

#: Airflow's users: name → role. What a role may do is in Airflow's docs (simple auth manager).
USERS = {"admin": "admin", "operator": "op", "viewer": "viewer", **dict.fromkeys(HOLDERS, "user")}

#: Logins of the databases.
LOGINS = (
    "upkeep_owner",
    "upkeep_tasks",
    "upkeep_dashboard",
    "upkeep_read",
    "upkeep_maintain",
    "upkeep_canary",
    "functions_twin",
    "app",
    "airflow",
)


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: where its state lies, its ports and its secrets, drawn once and kept."""

    folder: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str]
    jwt_secret: str
    secret_key: str
    fernet_key: str
    signing_key: str
    executor: str
    users: str

    @property
    def cluster(self) -> Cluster:
        """The one PostgreSQL that holds Airflow's metadata, the ledger and the target."""
        archive = self.folder / "backups" / "wal"
        return Cluster(self.folder / "postgres", self.ports["postgres"], self.passwords["postgres"], archive)

    @property
    def backups(self) -> Store:
        """The cluster's base backups and archived WAL."""
        return Store(self.folder / "backups", self.cluster.archive_directory())

    @property
    def url(self) -> str:
        """Airflow's UI and REST API."""
        return f"http://127.0.0.1:{self.ports['airflow']}"

    @property
    def processes(self) -> Path:
        """An empty folder that every process is started in, and nothing else: how leftovers are known."""
        return self.folder / "processes"

    @property
    def queue(self) -> Path:
        """Where Redis works and keeps what is queued; without Celery it is not there."""
        return self.folder / "redis"

    @property
    def is_distributed(self) -> bool:
        """Whether tasks run on Celery's workers."""
        return self.executor == distributed.CELERY

    def dsn(self, database: str, login: str) -> str:
        """A psycopg conninfo string for one of LOGINS."""
        return self.cluster.dsn(database, login, self.passwords[login])


def folder_of_this() -> Path:
    """Where the sandbox of this clone lies, or the one that the environment names."""
    return Path(os.environ.get("UPKEEP_SANDBOX") or ROOT / ".sandbox")


def open_sandbox(folder: Path | None = None) -> Sandbox:
    """The sandbox of a folder, drawn up and saved at the first call; one of an older version gets what it lacks."""
    folder = (folder or folder_of_this()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "sandbox.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two calls at once must not draw two sets of passwords
        return Sandbox(folder=folder, **_drawn(folder))


def _drawn(folder: Path) -> dict[str, Any]:
    file = folder / STATE
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    logins = ("postgres", "supervisor", "redis", *LOGINS, *USERS)
    ports, passwords = kept.get("ports", {}), kept.get("passwords", {})
    with reserved(folder, ports) as drawn:
        content: dict[str, Any] = {
            "ports": {**ports, **drawn},
            "passwords": {**{name: secrets.token_hex(8) for name in logins if name not in passwords}, **passwords},
            "jwt_secret": kept.get("jwt_secret") or secrets.token_hex(32),
            "secret_key": kept.get("secret_key") or secret_key(),
            "fernet_key": kept.get("fernet_key") or _fernet_key(),
            "signing_key": kept.get("signing_key") or keys.generate()[0],
            "executor": kept.get("executor") or (distributed.LOCAL if kept else distributed.drawn()),
            "users": kept.get("users") or (fab.SIMPLE if kept else fab.drawn()),
        }
        if content != kept:
            with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
                json.dump(content, opened, indent=1)
    return content


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def environment(sandbox: Sandbox) -> dict[str, str]:
    """What every process of the sandbox gets; the ledger's owner is not in it, tasks must not have that login."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONDONTWRITE"))}
    airflow = {f"AIRFLOW__{name}": value for name, value in _airflow(sandbox).items()}
    return {
        **kept,
        **airflow,
        "AIRFLOW_HOME": str(sandbox.folder / "airflow"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
        "PATH": f"{Path(PYTHON).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "PGREQUIREAUTH": REQUIRE_AUTH,
        "UPKEEP_SANDBOX": str(sandbox.folder),
        "UPKEEP_CONFIG": str(sandbox.folder / "config"),
        "UPKEEP_TWIN_PORT": str(sandbox.ports["functions"]),
        "UPKEEP_TWIN_DSN": sandbox.dsn("platform", "functions_twin"),
        "UPKEEP_TWIN_JWT_SECRET": sandbox.jwt_secret,
        "UPKEEP_TWIN_SECRET_KEY": sandbox.secret_key,
        "UPKEEP_TWIN_FAULTS": str(sandbox.folder / "faults.json"),
        "UPKEEP_SANDBOX_WORKLOAD_DSN": sandbox.dsn("platform", "app"),
        "UPKEEP_SLACK_PORT": str(sandbox.ports["slack"]),
        "UPKEEP_SLACK_LOG": str(sandbox.folder / "slack.jsonl"),
        "UPKEEP_SMS_PORT": str(sandbox.ports["sms"]),
        "UPKEEP_SMS_LOG": str(sandbox.folder / "sms.jsonl"),
        "UPKEEP_MAIL_PORT": str(sandbox.ports["mail"]),
        "UPKEEP_MAIL_LOG": str(sandbox.folder / "mail.jsonl"),
        "UPKEEP_REGISTRY_PORT": str(sandbox.ports["registry"]),
        **_connections(sandbox),
    }


def _connections(sandbox: Sandbox) -> dict[str, str]:
    """Airflow's Connections to what the sandbox runs."""
    return {
        "AIRFLOW_CONN_UPKEEP_FUNCTIONS": json.dumps(
            {
                "conn_type": "http",
                "host": f"http://127.0.0.1:{sandbox.ports['functions']}",
                "password": legacy_key(sandbox.jwt_secret),
            }
        ),
        "AIRFLOW_CONN_UPKEEP_TARGET_READ": connection(sandbox, "platform", "upkeep_read"),
        "AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN": connection(sandbox, "platform", "upkeep_maintain"),
        "AIRFLOW_CONN_UPKEEP_TARGET_CANARY": connection(sandbox, "platform", "upkeep_canary"),
        "AIRFLOW_CONN_UPKEEP_SLACK": json.dumps(
            {
                "conn_type": "slackwebhook",
                "schema": "http",
                "host": f"127.0.0.1:{sandbox.ports['slack']}/services",
                "password": "T000/B000/XXX",
            }
        ),
        "AIRFLOW_CONN_UPKEEP_SMTP": json.dumps(
            {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": sandbox.ports["mail"],
                "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "upkeep@sandbox.example"},
            }
        ),
        "AIRFLOW_CONN_UPKEEP_SMS": json.dumps(
            {"conn_type": "generic", "password": f"json://127.0.0.1:{sandbox.ports['sms']}/sms"}
        ),
        "AIRFLOW_CONN_UPKEEP_SIGNING": json.dumps({"conn_type": "generic", "password": sandbox.signing_key}),
        "AIRFLOW_CONN_UPKEEP_LEDGER": connection(sandbox, "upkeep", "upkeep_tasks"),
        "AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD": connection(sandbox, "upkeep", "upkeep_dashboard"),
    }


def connection(sandbox: Sandbox, database: str, login: str) -> str:
    """An Airflow Connection as the JSON that AIRFLOW_CONN_… takes."""
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": sandbox.ports["postgres"],
            "schema": database,
            "login": login,
            "password": sandbox.passwords[login],
        }
    )


def _airflow(sandbox: Sandbox) -> dict[str, str]:
    login = f"airflow:{sandbox.passwords['airflow']}"
    return {
        "CORE__DAGS_FOLDER": os.environ.get("UPKEEP_SANDBOX_DAGS") or str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": distributed.LOCAL,
        "CORE__PARALLELISM": os.environ.get(PARALLELISM, "8"),
        "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",  # config that changes is seen at once, not after half a minute
        "CORE__FERNET_KEY": sandbox.fernet_key,
        "CORE__EXECUTION_API_SERVER_URL": f"{sandbox.url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(sandbox.folder / "airflow" / "passwords.json"),
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{login}@127.0.0.1:{sandbox.ports['postgres']}/airflow",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(sandbox.ports["airflow"]),
        "API__WORKERS": "1",
        "API__BASE_URL": sandbox.url,
        "API__SECRET_KEY": sandbox.jwt_secret[:32],
        "API_AUTH__JWT_SECRET": sandbox.jwt_secret[32:],
        # A scheduler that is back within 30 s does not take the killed one for dead (ADR 4): the tasks that one had
        # queued wait for the next look, by default for 300 s.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",  # at 0.1 an idle scheduler takes a quarter of a core
        # A task's supervisor that sees its pipes close before its exit waits this long, seconds, with its slot taken.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # A task that no longer waits for an answer sends its request again: at Airflow's own 5 s a busy api-server may
        # get it twice.
        "WORKERS__EXECUTION_API_TIMEOUT": "60",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "LOGGING__BASE_LOG_FOLDER": str(sandbox.folder / "airflow" / "logs"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        **(distributed.variables(sandbox) if sandbox.is_distributed else {}),
        **(fab.VARIABLES if sandbox.users == fab.FAB else {}),
    }
