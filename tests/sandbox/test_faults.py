"""What a fault of the catalogue plants in the target, where no end-to-end test looks at it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from sandbox import faults
from sandbox.stack import Sandbox
from tests.stages.restoring import Platform
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.areas.tables import vacuum
from upkeep.core.findings import Finding, Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config").maintenance


def test_bloat_is_what_the_shipped_configuration_would_vacuum(target_dsn: str) -> None:
    """Planted, and planted once more, the table is proposed with two thirds of it dead; healed, it is not."""

    def proposed() -> list[dict[str, Any]]:
        with database.session(lambda: psycopg.connect(target_dsn), CONFIG.sql, read_only=True) as session:
            return [row for row in vacuum.candidates(session, CONFIG.optimise, []) if row["vacuum"]]

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


@pytest.mark.guide("G99", "G100", "fires", "silent")
@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("stale-backup", "backups:age", " UTC, 72."),
        ("corrupt-backup", "backups:integrity", "checksum mismatch for file"),
        ("missing-wal", "backups:wal", "; missing: 0000000100"),
    ],
)
def test_a_spoilt_backup_turns_the_daily_look_red_and_healed_green(
    restorable: Platform, name: str, key: str, said: str
) -> None:
    """By the name that is typed, on real files; the window's verdict follows the worst finding."""
    sandbox = cast("Sandbox", SimpleNamespace(backups=restorable.store))
    config = restorable.newest().config.model_copy(update={"max_wal_age_hours": None})

    def seen() -> dict[str, Finding]:
        looked = look_at_backups(config, datetime.now(UTC))
        return {finding.key: finding for finding in looked.findings if finding.level is not Level.OK}

    assert seen() == {}
    faults.FAULTS[name].plant(sandbox)
    red = seen()
    assert {one: finding.level for one, finding in red.items()} == {key: Level.CRITICAL}
    assert said in red[key].detail
    assert red[key].remedy
    faults.FAULTS[name].heal(sandbox)
    assert seen() == {}


def found(dsn: str, name: str) -> dict[str, Finding]:
    """The findings of one check of the shipped configuration, by key; indexes of the sandbox's size count."""
    shipped = settings(ROOT / "config")
    limits = shipped.maintenance.reindex.model_copy(update={"min_bytes": 100_000})
    config = shipped.model_copy(update={"maintenance": shipped.maintenance.model_copy(update={"reindex": limits})})
    with database.session(lambda: psycopg.connect(dsn), CONFIG.sql, read_only=True) as session:
        one = Look(session, config, datetime.now(UTC), target="primary")
        return {finding.key: finding for finding in carry_out(find(name), one).findings}


def test_index_bloat_is_what_the_shipped_configuration_would_rebuild(target_dsn: str) -> None:
    """The error logs' indexes, as measured; healed, no index of the guide's tables is bloated."""
    fault = faults.FAULTS["index-bloat"]
    sandbox = cast("Sandbox", SimpleNamespace(cluster=SimpleNamespace(dsn=lambda _: target_dsn)))
    tables = [f"bloat:{table}" for table in CONFIG.reindex.tables]
    seen = found(target_dsn, "bloat")
    assert {seen[key].level for key in tables} == {Level.OK}
    for _ in range(2):
        fault.plant(sandbox)
        seen = found(target_dsn, "bloat")
        assert seen["bloat:public.error_logs"].level is Level.ADVISORY
        assert "(measured)" in seen["bloat:public.error_logs"].detail
    fault.heal(sandbox)
    assert found(target_dsn, "bloat")["bloat:public.error_logs"].level is Level.OK


def test_unvalidated_constraints_are_counted(target_dsn: str) -> None:
    """One that no row breaks and one that every consent breaks; healed, there is none."""
    fault = faults.FAULTS["unvalidated-constraint"]
    sandbox = cast("Sandbox", SimpleNamespace(cluster=SimpleNamespace(dsn=lambda _: target_dsn)))
    for _ in range(2):
        fault.plant(sandbox)
        levels = {key: finding.level for key, finding in found(target_dsn, "constraints").items()}
        assert levels == {
            "constraints:public.performance_alerts.planted_check": Level.ADVISORY,
            "constraints:public.user_consents.planted_key": Level.WARNING,
        }
    fault.heal(sandbox)
    assert [finding.level for finding in found(target_dsn, "constraints").values()] == [Level.OK]
