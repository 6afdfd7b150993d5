"""``python -m sandbox.twin``: serve the twin until ended, on 127.0.0.1 or on UPKEEP_TWIN_HOST.

From the environment: UPKEEP_TWIN_PORT, UPKEEP_TWIN_DSN (conninfo of the target), UPKEEP_TWIN_JWT_SECRET and
UPKEEP_TWIN_SECRET_KEY (the two keys), and optionally UPKEEP_TWIN_FAULTS (the JSON file of ``faults``),
UPKEEP_TWIN_VERIFY_JWT (a JSON object of function → true or false), UPKEEP_TWIN_STORAGE_BYTES (what the platform's
plan may store; without it the share that is used is not measurable) and UPKEEP_TWIN_BACKUPS (a folder of base backups
that it lists as the platform's Management API does, for the secret key as a token).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import uvicorn

from sandbox.twin.app import VERIFY_JWT, Setup, create_app
from sandbox.twin.keys import Keys


def main() -> None:
    """Serve until a signal comes; requests that hang then get two seconds."""
    faults = os.environ.get("UPKEEP_TWIN_FAULTS")
    storage = os.environ.get("UPKEEP_TWIN_STORAGE_BYTES")
    backups = os.environ.get("UPKEEP_TWIN_BACKUPS")
    setup = Setup(
        dsn=_needed("UPKEEP_TWIN_DSN"),
        keys=Keys(jwt_secret=_needed("UPKEEP_TWIN_JWT_SECRET"), secret_key=_needed("UPKEEP_TWIN_SECRET_KEY")),
        verify_jwt=VERIFY_JWT | json.loads(os.environ.get("UPKEEP_TWIN_VERIFY_JWT") or "{}"),
        faults=Path(faults) if faults else None,
        storage_bytes=int(storage) if storage else None,
        backups=Path(backups) if backups else None,
    )
    port = int(_needed("UPKEEP_TWIN_PORT"))
    # The access log holds the request line and the status, never a header.
    host = os.environ.get("UPKEEP_TWIN_HOST") or "127.0.0.1"
    uvicorn.run(create_app(setup), host=host, port=port, timeout_graceful_shutdown=2)


def _needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        sys.exit(f"found no {name} in the environment, expected one: see the docstring of sandbox/twin/__main__.py")
    return value


if __name__ == "__main__":
    main()
