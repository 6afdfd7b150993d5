"""Draw the secrets of docker-compose.yaml: ``python3 compose/make_env.py [--sandbox]`` writes .env and connections.env.

Nothing but Python's own library is needed, and nothing that is there is overwritten. With ``--sandbox`` Compose also
starts a platform to maintain, and its Connections are filled in; without, they are comments for you to fill in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEN_YEARS_SECONDS = 10 * 365 * 24 * 3600

#: Passwords of databases, queue and first users. Hexadecimal, for they become part of URIs.
PASSWORDS = (
    "POSTGRES_PASSWORD",
    "AIRFLOW_DATABASE_PASSWORD",
    "CELERY_PASSWORD",
    "REDIS_PASSWORD",
    "LEDGER_OWNER_PASSWORD",
    "LEDGER_PASSWORD",
    "LEDGER_DASHBOARD_PASSWORD",
    "ADMIN_PASSWORD",
    "API_SECRET_KEY",
    "JWT_SECRET",
)

TO_FILL_IN = """\
# Airflow's Connections to what you maintain (README, "On your own system"). Take the # away:
# AIRFLOW_CONN_UPKEEP_FUNCTIONS='{"conn_type": "http", "host": "https://<project-ref>.supabase.co", "password": "<>"}'
# In quotes, or Compose expands a $ in the password; put your platform's CA into config/ca.crt.
# AIRFLOW_CONN_UPKEEP_TARGET_READ='postgres://<role>:<password>@<host>/postgres?sslmode=verify-full&sslrootcert=/opt/airflow/config/ca.crt'
# AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN='postgres://<role>:<password>@<host>/postgres?sslmode=verify-full&sslrootcert=/opt/airflow/config/ca.crt'
# What signs the ledger's rows: docker compose run --rm --no-deps worker python -m upkeep ledger keygen
# AIRFLOW_CONN_UPKEEP_SIGNING='{"conn_type": "generic", "password": "<private half>"}'
"""


def main(arguments: list[str]) -> int:
    """Write both files, readable by their owner alone. Returns 1, and writes nothing, when one is there already."""
    if unknown := [word for word in arguments if word != "--sandbox"]:
        print(f"found {unknown[0]!r}, expected nothing or --sandbox", file=sys.stderr)
        return 2
    files = {ROOT / ".env": "", ROOT / "connections.env": ""}
    if there := [file.name for file in files if file.exists()]:
        print(f"found {' and '.join(there)}, expected neither: the databases know these passwords.", file=sys.stderr)
        print("To start over: docker compose down --volumes, then delete both files.", file=sys.stderr)
        return 1
    drawn = {name: secrets.token_hex(24) for name in PASSWORDS}
    drawn["FERNET_KEY"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if "--sandbox" in arguments:
        sandbox = {"SANDBOX_PASSWORD": secrets.token_hex(24), "SANDBOX_JWT_SECRET": secrets.token_hex(32)}
        sandbox["SANDBOX_SECRET_KEY"] = f"sb_secret_{secrets.token_urlsafe(24)}"
        drawn |= {"COMPOSE_PROFILES": "sandbox", "UPKEEP_CONFIG": "/opt/airflow/sandbox-config", **sandbox}
        connections = _to_the_sandbox(sandbox)
    else:
        connections = TO_FILL_IN.splitlines()
    files[ROOT / ".env"] = "\n".join(f"{name}={value}" for name, value in drawn.items())
    files[ROOT / "connections.env"] = "\n".join(connections)
    for file, content in files.items():
        with open(file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
            opened.write(f"# Written by compose/make_env.py. Secrets: keep them out of git.\n{content}\n")
    print("Wrote .env and connections.env. Next: docker compose up --detach --wait")
    return 0


def _connection(name: str, **fields: object) -> str:
    """In single quotes, within which Compose takes everything as it stands."""
    return f"AIRFLOW_CONN_UPKEEP_{name}='{json.dumps(fields)}'"


def _to_the_sandbox(drawn: dict[str, str]) -> list[str]:
    login = f"{drawn['SANDBOX_PASSWORD']}@platform/platform"
    key = _legacy_key(drawn["SANDBOX_JWT_SECRET"])
    # The private half of an Ed25519 key is any 32 bytes.
    signing_key = base64.b64encode(secrets.token_bytes(32)).decode()
    return [
        _connection("SIGNING", conn_type="generic", password=signing_key),
        _connection("FUNCTIONS", conn_type="http", host="http://functions:8000", password=key),
        f"AIRFLOW_CONN_UPKEEP_TARGET_READ=postgres://upkeep_read:{login}",
        f"AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN=postgres://upkeep_maintain:{login}",
    ]


def _legacy_key(secret: str) -> str:
    """An API key as Supabase issues it: a JWT (RFC 7519) signed with HS256."""
    now = int(time.time())
    claims = {"iss": "supabase", "role": "service_role", "iat": now, "exp": now + TEN_YEARS_SECONDS}
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
