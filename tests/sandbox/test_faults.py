"""What a fault of the catalogue plants in the target, where no end-to-end test looks at it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from sandbox import backups, dumps, faults
from sandbox.backups import Store
from sandbox.postgres import bin_dir
from sandbox.stack import Sandbox
from tests.stages.restoring import Platform
from upkeep.areas.backups.dump_look import look_at_dumps
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.areas.tables import vacuum
from upkeep.core.findings import Finding, Level
from upkeep.settings.backups import Dumps
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


@pytest.mark.guide("G99", "G100", "fires", "silent")
def test_a_spoilt_dump_turns_the_daily_look_red_and_healed_green(target_dsn: str, tmp_path: Path) -> None:
    """It is good as soon as it was made; each fault is named rightly, planted twice, and gone when it is healed."""
    store = Store(tmp_path, tmp_path / "wal")
    sandbox = cast("Sandbox", SimpleNamespace(backups=store))
    config = Dumps(folder=store.dumps, verify_program=str(bin_dir() / "pg_restore"))
    with pytest.raises(LookupError, match="found no finished dump"):
        dumps.newest(store)
    dumps.take(target_dsn, store)

    def seen() -> dict[str, tuple[Level, str]]:
        looked = look_at_dumps(config, datetime.now(UTC), psycopg.conninfo.conninfo_to_dict(target_dsn)["dbname"])
        bad = [finding for finding in looked.findings if finding.level is not Level.OK]
        return {finding.key.removeprefix("backups:dumps:"): (finding.level, finding.detail) for finding in bad}

    expected = {
        "stale-dump": ("age", " UTC, 72."),
        "corrupt-dump": ("integrity", "pg_restore: error: "),
        "dump-truncated-file": ("integrity", "could not close data file"),
        "dump-missing-file": ("integrity", "No such file"),
        "dump-unfinished": ("completion", "; unfinished: 2"),
    }
    assert set(expected) == set(dumps.FAULTS)
    for name, (key, said) in expected.items():
        assert seen() == {}
        for _ in range(2):
            faults.FAULTS[name].plant(sandbox)
            ((found, (level, detail)),) = seen().items()
            assert (found, level, said in detail) == (key, Level.CRITICAL, True), detail
        faults.FAULTS[name].heal(sandbox)
    assert seen() == {}


def test_only_the_newest_dumps_are_kept_and_a_new_one_heals(target_dsn: str, tmp_path: Path) -> None:
    """Two of them, as of base backups; what was spoilt is whole again. One that fails leaves nothing."""
    store = Store(tmp_path, tmp_path / "wal")
    made = [dumps.take(target_dsn, store) for _ in range(2)]
    backups.plant(store, "stale-dump", dumps.FAULTS)
    made.append(dumps.take(target_dsn, store))
    assert sorted(store.dumps.iterdir()) == made[1:]
    assert dumps.newest(store) == made[2]
    with pytest.raises(backups.BackupFailedError, match="pg_dump exited with 1"):
        dumps.take(f"{target_dsn} dbname=nowhere", store)
    assert sorted(store.dumps.iterdir()) == made[1:]


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
