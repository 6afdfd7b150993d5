"""The month's cost on a real PostgreSQL and a real ledger: each saving appears and disappears, nothing is half read."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.stages import weeks as test_ledger_weeks
from tests.stages.ledger import Ledger, record, write
from tests.stages.logs import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform
from tests.stages.weeks import measured, weekly
from upkeep.areas.costs import look as looks
from upkeep.areas.costs.prices import Saving
from upkeep.areas.look import Look
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.windows import Window
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.retention import Location, LogClass, Retention
from upkeep.wires import database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.core.findings import NotCollected
    from upkeep.flow.operators import LookOperator

connected = test_ledger_weeks.connected

CONFIG = settings(ROOT / "config")
#: The tests' databases are young and their indexes small.
YOUNG = CONFIG.maintenance.indexes.model_copy(update={"statistics_days": 0, "min_bytes": 0})
MAIN = CONFIG.maintenance.model_copy(update={"indexes": YOUNG})
NOW = datetime.now(UTC)


def log(table: str, time: str, days: int, where: dict[str, tuple[str, ...]] | None = None) -> LogClass:
    """A class of a table's rows, as config has it."""
    content = {"type": "application", "table": table, "time": time, "days": days, "where": where or {}}
    return LogClass.model_validate(content | {"location": "local"})


LOG = log("public.application_logs", "created_at", 30)


def old_logs(platform: Platform, *logs: LogClass, least: float = 1) -> list[Saving]:
    """What the reader finds of these logs."""
    with database.session(lambda: psycopg.connect(platform.reader), MAIN.sql, read_only=True) as session:
        look = Look(session, CONFIG.model_copy(update={"maintenance": MAIN}), NOW)
        classes = {f"log{number}": one for number, one in enumerate(logs or (LOG,), 1)}
        retention = Retention(locations={"local": Location(title="here")}, classes=classes, holds=())
        return list(looks.old_logs(look, retention, least))


def request(platform: Platform, number: int, age_days: float) -> None:
    """Write requests of an age into the application log."""
    with psycopg.connect(platform.admin) as connection:
        connection.execute(
            """
            INSERT INTO application_logs (created_at, function_name, method, path, status, duration_ms, api_role)
            SELECT %s, 'f', 'POST', '/f', 200, 1, 'anon' FROM generate_series(1, %s)
            """,
            [NOW - timedelta(days=age_days), number],
        )


@pytest.mark.guide("G30", "fires", "silent")
def test_rows_beyond_retention_are_a_saving_until_they_are_gone(platform: Platform) -> None:
    """A quarter of the rows is too old: about a quarter of what the log takes; empty and young logs are none."""
    assert old_logs(platform) == []
    request(platform, 3000, 29.9)
    assert old_logs(platform) == []
    request(platform, 1000, 30.1)
    (saving,) = old_logs(platform)
    ((octets,),) = platform.sql("SELECT pg_total_relation_size('application_logs')")
    assert saving.key == "cost:saving:log:log1"
    assert saving.detail.startswith("25 % of its rows are older than 30 days: about ")
    assert saving.bytes == pytest.approx(octets / 4)
    assert old_logs(platform, least=octets) == []
    platform.sql("DELETE FROM application_logs WHERE created_at < now() - interval '30 days'")
    assert old_logs(platform) == []


@pytest.mark.guide("G30", "holds")
def test_a_large_log_is_estimated_from_some_of_its_blocks(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """With forty blocks read at most the share is near, said to be estimated, and the same the second time."""
    monkeypatch.setattr(looks, "BLOCKS", 40)
    for _ in range(20):
        request(platform, 300, 1)
        request(platform, 300, 100)
    (saving,), again = old_logs(platform), old_logs(platform)
    ((octets,),) = platform.sql("SELECT pg_total_relation_size('application_logs')")
    assert "estimated from" in saving.detail and saving.bytes == pytest.approx(octets / 2, rel=0.4)
    assert again == [saving]


@pytest.mark.guide("G30", "fires", "silent")
def test_rows_that_were_not_seen_are_no_young_ones(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of blocks without a row, and rows without a time, are unknown; once they are seen there is nothing."""
    monkeypatch.setattr(looks, "BLOCKS", 1)
    platform.sql("CREATE TABLE gone (at timestamptz, note text) WITH (autovacuum_enabled = off)")
    platform.sql("INSERT INTO gone SELECT now(), repeat('x', 900) FROM generate_series(1, 2000)")
    platform.sql("DELETE FROM gone")
    kept = log("public.gone", "at", 50)
    (saving,) = old_logs(platform, kept)
    assert "of the blocks of public.gone were read, and none held a row" in saving.unknown
    platform.sql("TRUNCATE gone")
    assert old_logs(platform, kept) == []
    platform.sql("INSERT INTO gone VALUES (NULL), (now())")
    (saving,) = old_logs(platform, kept)
    assert saving.unknown == "1 of 2 rows have no at"
    platform.sql("UPDATE gone SET at = now()")
    assert old_logs(platform, kept) == []


@pytest.mark.guide("G30", "holds")
def test_partitions_count_together(platform: Platform) -> None:
    """A log by month: rows and sizes of all parts."""
    platform.sql("CREATE TABLE parts (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)")
    platform.sql("CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (now() - interval '50 days')")
    platform.sql("CREATE TABLE parts_new PARTITION OF parts DEFAULT")
    platform.sql("INSERT INTO parts SELECT now() - n * interval '1 day', 'x' FROM generate_series(1, 100) n")
    (saving,) = old_logs(platform, log("public.parts", "at", 50))
    ((octets,),) = platform.sql("SELECT pg_total_relation_size('parts_old') + pg_total_relation_size('parts_new')")
    assert saving.detail.startswith("50 % of its rows") and saving.bytes == octets / 2 > 0


@pytest.mark.guide("G30", "holds")
def test_a_log_that_cannot_be_read_whole_is_unknown_with_the_reason(platform: Platform) -> None:
    """Absent, no table, without the column, refused, partly hidden: never "nothing to save"."""

    def why(table: str, time: str = "created_at") -> str:
        (saving,) = old_logs(platform, log(table, time, 1))
        return saving.unknown

    platform.sql("CREATE VIEW logs_view AS SELECT * FROM application_logs")
    platform.sql("CREATE TABLE no_rights (created_at timestamptz)")
    platform.sql("REVOKE ALL ON no_rights FROM {role}", role=platform.role)
    platform.sql("CREATE TABLE hidden (created_at timestamptz); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")
    assert why("public.absent") == "found no table public.absent"
    assert why("public.logs_view") == "public.logs_view is not a table"
    assert why("public.application_logs", "at%s") == "found no column at%s in public.application_logs"
    assert "may not read public.no_rights" in why("public.no_rights")
    assert "row-level security hides rows of public.hidden" in why("public.hidden")


def unused(platform: Platform, **changed: Any) -> Saving | None:
    """The unused indexes as the reader finds them."""
    config = MAIN.model_copy(update={"indexes": YOUNG.model_copy(update=changed)})
    with database.session(lambda: psycopg.connect(platform.reader), MAIN.sql, read_only=True) as session:
        look = Look(session, CONFIG.model_copy(update={"maintenance": config}), datetime.now(UTC))
        return looks.unused(look)


@pytest.mark.guide("G30", "fires", "silent")
def test_unused_indexes_are_one_saving_until_they_are_dropped(platform: Platform) -> None:
    """Their bytes together and the largest by name; while statistics are young nothing is known."""
    before = unused(platform)
    platform.sql("CREATE TABLE wide AS SELECT n, n % 7 AS m FROM generate_series(1, 20000) n")
    platform.sql("CREATE INDEX wide_n ON wide (n)")
    ((octets,),) = platform.sql("SELECT pg_relation_size('wide_n')")
    saving = unused(platform)
    assert saving is not None and "public.wide_n" in saving.detail
    assert saving.bytes == octets + (before.bytes if before else 0)
    young = unused(platform, statistics_days=30)
    assert young is not None and "statistics reach back" in young.unknown
    platform.sql("DROP TABLE wide")
    after = unused(platform)
    assert (after.bytes if after else 0) == (before.bytes if before else 0)
    assert unused(platform, min_bytes=10**9) is None


# The step as the task carries it out ----------------------------------------------------------------------------


def connection(dsn: str) -> str:
    """A conninfo as Airflow's environment has it."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    names = {"host": "host", "schema": "dbname", "login": "user", "password": "password"}
    found = {name: str(parts[key]) for name, key in names.items()}
    return json.dumps({"conn_type": "postgres", "port": int(str(parts["port"])), **found})


PRICES = {
    "currency": "EUR",
    "budget": 40.0,
    "database_gb_month": {"price": 10.0},
    "function_invocations_million": {"price": 1.0},
    "compute_month": [{"name": "Plan", "price": 25.0}],
}


def configured(folder: Path, window: Window, **more: Any) -> None:
    """A configuration for the window's target in place of the shipped one, with more sections."""
    shutil.copytree(ROOT / "config", folder)
    file = folder / "maintenance.yaml"
    content = yaml.safe_load(file.read_text())
    content["targets"] = {window.target: content["targets"]["primary"]}
    content["indexes"] |= {"statistics_days": 0, "min_bytes": 0}
    file.write_text(yaml.safe_dump(content | more))
    settings.cache_clear()


@pytest.fixture
def step(
    connected: Ledger, platform: Platform, window: Window, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[LookOperator]:
    """The monthly step of a target whose read Connection is the reader's; prices are in config."""
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_READ", connection(platform.reader))
    monkeypatch.setenv("UPKEEP_CONFIG", str(tmp_path / "priced"))
    configured(tmp_path / "priced", window, cost=PRICES)
    yield LookOperator(task_id="costs", inspection="costs", guide="G30", target=window.target, cadence="monthly")
    settings.cache_clear()


@pytest.mark.guide("G30", "fires", "silent")
def test_the_step_prices_what_the_ledger_and_the_target_say(
    step: LookOperator, connected: Ledger, platform: Platform, window: Window
) -> None:
    """Without samples the month is not whole; with them within, then beyond the budget; savings with their amounts."""
    mine = replace(weekly(window, 8), cadence="monthly")
    write(connected, mine)
    empty = by_key(step.look(mine).findings)
    assert empty["cost:month"].level is Level.UNKNOWN and "at least 25.00 EUR" in empty["cost:month"].detail
    write(connected, weekly(window, 1), measured(9.0, "week_requests", "gone"))
    for week in (7, 8):
        calls = (Sample("week_requests", 7e5, "requests"), Sample("week_requests", 7e5, "requests", "used"))
        write(connected, weekly(window, week), record(step="evidence.calls", samples=calls))
    write(connected, weekly(window, 8), measured(1e9, "database_bytes", step="evidence.size"))
    looked = step.look(mine)
    month = by_key(looked.findings)["cost:month"]
    assert month.level is Level.ADVISORY  # 25 + 10 + 3 EUR of 40
    assert "database 10.00 EUR (1 GB, the mean of 1 samples" in month.detail
    assert "function calls 3.04 EUR (3.044 million, from 2 of 5 weeks" in month.detail
    assert "cost:saving:function:gone" in by_key(looked.findings)
    assert "cost:saving:function:used" not in by_key(looked.findings)
    assert "cost:saving:log:application" not in by_key(looked.findings)
    samples = {(one.metric, one.unit): one.value for one in looked.samples}
    assert samples["cost_month", "EUR"] == pytest.approx(38.04, abs=0.01)

    write(connected, weekly(window, 8), measured(3e9, "database_bytes", step="evidence.size"))
    request(platform, 20_000, 60)
    found = by_key(step.look(mine).findings)
    assert found["cost:month"].level is Level.WARNING
    old = found["cost:saving:log:application"]
    assert old.level is Level.ADVISORY and "100 % of its rows" in old.detail and old.metadata["amount"] > 0
    assert found["cost:savings"].detail.split()[0] in {"2", "3"}


@pytest.mark.guide("G30", "holds")
def test_without_prices_nothing_is_collected_and_the_setting_is_named(
    step: LookOperator, window: Window, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As shipped: the report says so, and no cost is zero."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(tmp_path / "shipped"))
    configured(tmp_path / "shipped", window)
    with pytest.raises(NotCollected) as caught:
        step.look(replace(window, cadence="monthly"))
    assert str(caught.value) == "no prices are configured (config/maintenance.yaml: cost)"


def by_key(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    """The findings by key, each once."""
    found = {finding.key: finding for finding in findings}
    assert len(found) == len(findings)
    return found
