"""What a fault of the catalogue plants in the target, where no end-to-end test looks at it."""

from types import SimpleNamespace
from typing import Any, cast

import psycopg

from sandbox import faults
from sandbox.stack import Sandbox
from upkeep import database, optimise
from upkeep.settings import ROOT, settings

CONFIG = settings(ROOT / "config").maintenance


def test_bloat_is_what_the_shipped_configuration_would_vacuum(target_dsn: str) -> None:
    """Planted, and planted once more, the table is proposed with two thirds of it dead; healed, it is not."""

    def proposed() -> list[dict[str, Any]]:
        with database.session(lambda: psycopg.connect(target_dsn), CONFIG.sql, read_only=True) as session:
            return [row for row in optimise.candidates(session, CONFIG.optimise, []) if row["vacuum"]]

    fault = faults.FAULTS["bloat"]
    sandbox = cast("Sandbox", SimpleNamespace(cluster=SimpleNamespace(dsn=lambda _: target_dsn)))
    with psycopg.connect(target_dsn, autocommit=True) as admin:
        admin.execute("VACUUM ANALYZE")  # a copy of the template knows of no rows
    assert proposed() == []
    for _ in range(2):
        fault.plant(sandbox)
        (row,) = proposed()
        assert (row["schema"], row["table"]) == ("public", "user_consents")
        assert row["dead_rows"] >= row["live_rows"] > CONFIG.optimise.dead_rows
    fault.heal(sandbox)
    assert proposed() == []
