"""The check of retention on a real PostgreSQL: each finding appears and goes, due rows are counted by their class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.logs import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform, login
from upkeep.areas.retention.look import RetentionLook
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.retention import Retention
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def changed(**sections: Any) -> Settings:
    """The shipped configuration with other sections of retention.yaml; classes are changed by field."""
    content = CONFIG.retention.model_dump()
    for one in content["classes"].values():
        one["table"] = ".".join(one["table"])
    for name, fields in sections.pop("classes", {}).items():
        content["classes"][name] = content["classes"].get(name, {}) | fields
    for name in sections.pop("without", ()):
        del content["classes"][name]
    return CONFIG.model_copy(update={"retention": Retention.model_validate(content | sections)})


def look(platform: Platform, config: Settings = CONFIG, maintain: str | None = None) -> LookResult:
    """The whole look, as the reader."""
    with database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        return RetentionLook(session, config, NOW, maintain).whole()


def found(platform: Platform, config: Settings = CONFIG, maintain: str | None = None) -> dict[str, Finding]:
    """What is not ok, by key without its first word."""
    findings = look(platform, config, maintain).findings
    assert len({one.key for one in findings}) == len(findings)
    return {one.key.removeprefix("retention:"): one for one in findings if one.level is not Level.OK}


def err(platform: Platform, age_days: float, category: str = "network", rows: int = 1) -> None:
    """Write errors of an age."""
    with psycopg.connect(platform.admin) as connection:
        connection.execute(
            'INSERT INTO error_logs ("timestamp", function_name, category, severity, message)'
            " SELECT %s, 'f', %s, 'low', 'm' FROM generate_series(1, %s)",
            [NOW - timedelta(days=age_days), category, rows],
        )


@pytest.mark.guide("G62", "G65", "G67", "fires", "silent")
def test_rows_are_due_by_their_longest_class(platform: Platform) -> None:
    """At 91 days a network error is due and an authentication error is not; at 366 that is due too, once."""
    assert found(platform) == {}
    err(platform, 89.9, rows=3)
    err(platform, 91, "authentication", rows=5)
    assert found(platform) == {}
    err(platform, 91, rows=2)
    due = found(platform)
    assert list(due) == ["errors"] and due["errors"].level is Level.ADVISORY
    assert (
        due["errors"].detail.startswith("2 rows due (") and "the oldest of 2026-02-02 02:00 UTC" in due["errors"].detail
    )
    assert due["errors"].detail.endswith("; the next is due on 2026-05-04")
    assert "locations.blob has no path" in due["errors"].remedy
    err(platform, 366, "authentication", rows=4)
    assert {key: one.metadata["due"] for key, one in found(platform).items()} == {
        "errors": 2,
        "authentication_errors": 4,
    }
    samples = {one.subject: one.value for one in look(platform).samples if one.metric == "rows_due"}
    assert (samples["errors"], samples["authentication_errors"], samples["security"]) == (2, 4, 0)
    platform.sql("DELETE FROM error_logs")
    assert found(platform) == {}


@pytest.mark.guide("G63", "G68", "fires", "silent")
def test_an_audit_row_of_more_than_seven_years_is_reported_and_never_ours_to_delete(platform: Platform) -> None:
    """Both tables of GDPR logs; the remedy hands it to people."""
    platform.sql("INSERT INTO audit_logs (created_at, action, entity) VALUES ('2019-05-05', 'a', 'e')")
    assert found(platform) == {}
    platform.sql("INSERT INTO audit_logs (created_at, action, entity) VALUES ('2019-05-03', 'a', 'e')")
    (due,) = found(platform).values()
    assert due.guide == "G63" and due.detail.startswith("1 row due") and "never deletes it" in due.remedy
    platform.sql("DELETE FROM audit_logs")
    assert found(platform) == {}


@pytest.mark.guide("G67", "fires", "silent")
def test_a_hold_takes_rows_out_of_what_is_due(platform: Platform) -> None:
    """Of the whole class, of a span, and of the other class that also has the row; lifted, they are due again."""
    err(platform, 100, rows=2)
    err(platform, 95, rows=3)
    hold = {"log": "errors", "reason": "case 1", "by": "Jane"}
    span = {"start": NOW - 97 * DAY, "end": NOW - 90 * DAY}
    assert "5 rows due" in found(platform)["errors"].detail
    assert "errors" not in found(platform, changed(holds=[hold]))
    partly = found(platform, changed(holds=[hold | span]))["errors"]
    assert "2 rows due" in partly.detail and "3 under a legal hold" in partly.detail
    err(platform, 400, "authentication")
    assert "authentication_errors" in found(platform)
    assert "authentication_errors" not in found(platform, changed(holds=[hold]))


@pytest.mark.guide("G67", "holds")
def test_a_row_without_a_time_has_no_age(platform: Platform) -> None:
    """Null and both infinities are counted, and never due; a row still to come is not due."""
    platform.sql('ALTER TABLE error_logs ALTER "timestamp" DROP NOT NULL')
    err(platform, -1000)
    for time in ("NULL", "'infinity'", "'-infinity'"):
        platform.sql(
            'INSERT INTO error_logs ("timestamp", function_name, category, severity, message)'
            f" VALUES ({time}, 'f', 'network', 'low', 'm')"
        )
    one = found(platform)["errors"]
    assert one.metadata["due"] == 0
    assert "no row is due" in one.detail and "3 without a time have no age and are never due" in one.detail
    platform.sql('DELETE FROM error_logs WHERE "timestamp" IS NULL OR NOT isfinite("timestamp")')
    assert found(platform) == {}


@pytest.mark.guide("G61", "G64", "fires", "silent")
def test_what_no_class_holds_is_unmapped_aloud(platform: Platform) -> None:
    """A table that is called like a log, a class without its table, a kind of log without a class."""
    platform.sql("CREATE TABLE login_events (at timestamptz); CREATE TABLE blogs (at timestamptz)")
    unmapped = found(platform)
    assert (
        list(unmapped) == ["table:public.login_events"] and unmapped["table:public.login_events"].level is Level.WARNING
    )
    platform.sql("DROP TABLE login_events")
    gone = changed(classes={"performance": {"table": "public.absent"}}, without=["performance_alerts"])
    assert sorted(found(platform, gone)) == [
        "performance",
        "table:public.performance_alerts",
        "table:public.performance_logs",
    ]
    assert found(platform, gone)["performance"].detail == "UNMAPPED: found no table public.absent"
    platform.sql("DROP TABLE performance_logs; DROP TABLE performance_alerts")
    none = changed(without=["performance", "performance_alerts"])
    assert {key: one.level for key, one in found(platform, none).items()} == {"unmapped:performance": Level.WARNING}
    said = changed(without=["performance", "performance_alerts"], unmapped={"performance": "the host keeps them"})
    assert found(platform, said)["unmapped:performance"].level is Level.ADVISORY


@pytest.mark.guide("G61", "fires", "silent")
@pytest.mark.parametrize(
    ("spoil", "mend", "level", "why"),
    [
        (
            "DROP INDEX application_logs_created_at_idx",
            "CREATE INDEX ON application_logs (created_at)",
            Level.WARNING,
            "no index that begins with created_at",
        ),
        (
            "ALTER TABLE application_logs RENAME created_at TO at",
            "ALTER TABLE application_logs RENAME at TO created_at",
            Level.UNKNOWN,
            "found no column created_at",
        ),
        (
            "ALTER TABLE application_logs ALTER created_at DROP DEFAULT, ALTER created_at TYPE text",
            "ALTER TABLE application_logs ALTER created_at TYPE timestamptz USING created_at::timestamptz",
            Level.UNKNOWN,
            "is of type text",
        ),
        (
            "ALTER TABLE application_logs ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE application_logs DISABLE ROW LEVEL SECURITY",
            Level.UNKNOWN,
            "row-level security may hide rows",
        ),
        (
            "ALTER TABLE application_logs RENAME TO x; CREATE VIEW application_logs AS SELECT * FROM x",
            "DROP VIEW application_logs; ALTER TABLE x RENAME TO application_logs",
            Level.UNKNOWN,
            "is not a table",
        ),
    ],
)
def test_a_log_whose_rows_cannot_be_found_by_age_is_not_judged(
    platform: Platform, spoil: str, mend: str, level: Level, why: str
) -> None:
    """Index, column, type, policies, a view: each says so, and no number of rows; mended it is silent."""
    platform.sql(spoil)
    (one,) = found(platform).values()
    assert (one.key, one.level) == ("retention:application", level) and why in one.detail
    platform.sql(mend)
    assert found(platform) == {}


@pytest.mark.guide("G61", "fires", "silent")
def test_a_log_that_the_reader_may_not_read_is_unknown(platform: Platform) -> None:
    """Until it is granted."""
    platform.sql("REVOKE SELECT ON security_logs FROM {role}", role=platform.role)
    one = found(platform)["security"]
    assert one.level is Level.UNKNOWN and "may not read public.security_logs" in one.detail
    platform.sql("GRANT SELECT ON security_logs TO {role}", role=platform.role)
    assert found(platform) == {}


@pytest.mark.guide("G67", "fires", "silent")
def test_what_a_deletion_would_meet_is_said_before(platform: Platform) -> None:
    """A cascading key of another table, a trigger, no primary key; an audit log, never deleted, has none of it."""
    platform.sql("CREATE TABLE notes (error bigint REFERENCES error_logs ON DELETE CASCADE)")
    platform.sql("CREATE TABLE entries (audit bigint REFERENCES audit_logs ON DELETE CASCADE)")
    one = found(platform)
    assert list(one) == ["errors:referenced", "authentication_errors:referenced"]
    assert one["errors:referenced"].detail == "public.notes.notes_error_fkey (ON DELETE CASCADE)"
    platform.sql("DROP TABLE notes; DROP TABLE entries")
    platform.sql("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
    platform.sql("CREATE TRIGGER keeps BEFORE DELETE ON security_logs FOR EACH ROW EXECUTE FUNCTION f()")
    assert {key: one.detail for key, one in found(platform).items()} == {"security:triggers": "keeps"}
    platform.sql("DROP TRIGGER keeps ON security_logs; ALTER TABLE security_logs DROP CONSTRAINT security_logs_pkey")
    assert {key: one.level for key, one in found(platform).items()} == {"security:key": Level.ADVISORY}
    platform.sql("ALTER TABLE security_logs ADD PRIMARY KEY (id)")
    assert found(platform) == {}


@pytest.mark.guide("G68", "fires", "silent")
def test_the_maintaining_role_can_take_nothing_out_of_an_audit_log(platform: Platform, cluster: Cluster) -> None:
    """By its own right or by a role that it is a member of; a role that is not there is unknown, not harmless."""
    with login(cluster, platform.admin, "keeper_of_logs") as _:
        assert found(platform, maintain="keeper_of_logs") == {}
        platform.sql("GRANT DELETE ON error_logs, audit_logs TO keeper_of_logs")
        assert [one.detail for one in found(platform, maintain="keeper_of_logs").values()] == [
            "role keeper_of_logs of the maintain Connection has DELETE"
        ]
        platform.sql("REVOKE DELETE ON audit_logs FROM keeper_of_logs")
        platform.sql(
            "GRANT {role} TO keeper_of_logs; GRANT TRUNCATE ON data_processing_logs TO {role}", role=platform.role
        )
        (one,) = found(platform, maintain="keeper_of_logs").values()
        assert (one.key, one.guide) == ("retention:processing:rights", "G68") and "has TRUNCATE" in one.detail
        platform.sql("REVOKE TRUNCATE ON data_processing_logs FROM {role}", role=platform.role)
        assert found(platform, maintain="keeper_of_logs") == {}
        nobody = found(platform, maintain="nobody_of_that_name")
        assert {one.level for one in nobody.values()} == {Level.UNKNOWN} and len(nobody) == 2


@pytest.mark.guide("G68", "fires", "silent")
def test_a_role_that_could_give_itself_the_right_to_delete_audit_rows_is_said(
    platform: Platform, cluster: Cluster
) -> None:
    """As a member of the log's owner, as the owner itself, or of a role that may and that it does not inherit from."""
    with login(cluster, platform.admin, "keeper_of_logs") as _, owned(platform):
        assert found(platform, maintain="keeper_of_logs") == {}
        platform.sql("GRANT {role} TO keeper_of_logs", role=platform.role)
        (one,) = found(platform, maintain="keeper_of_logs").values()
        assert (one.key, one.level) == ("retention:audit:rights", Level.ADVISORY)
        assert one.detail == (
            f"role keeper_of_logs has neither DELETE nor TRUNCATE, but could act as {platform.role}, "
            "who may delete or owns the log"
        )
        platform.sql("REVOKE {role} FROM keeper_of_logs", role=platform.role)
        assert found(platform, maintain="keeper_of_logs") == {}
        platform.sql("ALTER ROLE keeper_of_logs NOINHERIT; GRANT {role} TO keeper_of_logs", role=platform.role)
        platform.sql(
            "ALTER TABLE audit_logs OWNER TO CURRENT_USER; GRANT SELECT, DELETE ON audit_logs TO {role}",
            role=platform.role,
        )
        (one,) = found(platform, maintain="keeper_of_logs").values()
        assert f"could act as {platform.role}" in one.detail
        platform.sql("REVOKE DELETE ON audit_logs FROM {role}", role=platform.role)
        assert found(platform, maintain="keeper_of_logs") == {}


@contextmanager
def owned(platform: Platform) -> Iterator[None]:
    """The audit log belongs to the platform's role, which has no right to delete in it."""
    platform.sql("ALTER TABLE audit_logs OWNER TO {role}", role=platform.role)
    platform.sql("REVOKE DELETE, TRUNCATE ON audit_logs FROM {role}", role=platform.role)
    yield
    platform.sql(
        "ALTER TABLE audit_logs OWNER TO CURRENT_USER; GRANT SELECT ON audit_logs TO {role}", role=platform.role
    )


@pytest.mark.guide("G15", "fires", "silent")
def test_a_role_that_may_not_delete_what_config_lets_it_is_said(platform: Platform, cluster: Cluster) -> None:
    """Until it is granted; an audit log's rows are nobody's to delete all the same."""
    config = changed(classes={"performance_alerts": {"delete": True}})
    with login(cluster, platform.admin, "keeper_of_logs") as _:
        (one,) = found(platform, config, "keeper_of_logs").values()
        assert one.key == "retention:performance_alerts:rights" and one.detail.endswith("has no DELETE")
        platform.sql("GRANT DELETE ON performance_alerts TO keeper_of_logs")
        assert found(platform, config, "keeper_of_logs") == {}


@pytest.mark.guide("G61", "fires", "silent")
def test_retention_and_checks_name_the_same_time_column(platform: Platform) -> None:
    """Two columns would be two ages of one row."""
    platform.sql("ALTER TABLE security_logs ADD at timestamptz; CREATE INDEX ON security_logs (at)")
    other = changed(classes={"security": {"time": "at"}})
    assert list(found(platform, other)) == ["time:logs.security"]
    assert found(platform) == {}


@pytest.mark.guide("G67", "holds")
def test_the_report_shows_the_row_that_the_guides_script_would_take(platform: Platform) -> None:
    """Every week, as something that is in order here: Upkeep keeps it."""
    (one,) = [one for one in look(platform).findings if one.key == "retention:script:public.error_logs"]
    assert one.level is Level.OK and one.detail.startswith("REJECTED: ") and "category 'authentication'" in one.detail
