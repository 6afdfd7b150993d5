"""The pages behind a port, for everybody who asks: ``python -m bench.serving CONNINFO PORT TARGET…``.

A process of its own, as the api-server is one: who measures it does not share its processor time. Who asks is named by
the header ``X-User``, one of PEOPLE; each may read and answer for all targets, and each holds every role.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import uvicorn
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Request

from bench.people import PEOPLE, config_of
from upkeep.dashboard.app import create_app
from upkeep.dashboard.pages import Around
from upkeep.dashboard.reading import KEPT


def _who(request: Request) -> SimpleAuthManagerUser:
    return SimpleAuthManagerUser(username=request.headers.get("X-User", PEOPLE[0]), role="user")


def main(dsn: str, port: int, targets: list[str]) -> None:
    """Serve until the process is ended."""
    with TemporaryDirectory() as folder:
        config = config_of(targets, Path(folder))
    around = Around(
        allowed=lambda user, deed, dags: frozenset(dags) if user else frozenset(),
        waiting=lambda dags: frozenset(),
        people=lambda: config.maintenance,
        secret=lambda: "of the bench",
    )
    connect = partial(psycopg.connect, dsn)
    app = create_app(connect, "upkeep_ledger_dashboard", around=around, config=config, keep=KEPT)
    app.dependency_overrides[get_user] = _who
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
