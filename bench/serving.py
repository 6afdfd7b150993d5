"""The pages behind a port, for everybody who asks: ``python -m bench.serving CONNINFO PORT TARGET…``.

A process of its own, as the api-server is one: who measures it does not share its processor time.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import uvicorn
import yaml
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user

from upkeep.dashboard.app import create_app
from upkeep.dashboard.pages import Around
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings


def config_of(targets: list[str], folder: Path) -> Settings:
    """The shipped configuration with these targets."""
    for file in (ROOT / "config").glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    maintenance = folder / "maintenance.yaml"
    content = yaml.safe_load(maintenance.read_text(encoding="utf-8"))
    (first,) = content["targets"].values()
    content["targets"] = dict.fromkeys(targets, first)
    maintenance.write_text(yaml.safe_dump(content), encoding="utf-8")
    return settings(folder)


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
    app = create_app(partial(psycopg.connect, dsn), "upkeep_ledger_dashboard", around=around, config=config)
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="vera", role="viewer")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
