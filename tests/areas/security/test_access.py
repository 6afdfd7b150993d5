"""Access patterns and new statements on a real PostgreSQL: each change is found, and silent when all is as before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.stages.index_looks import slow_from
from tests.stages.logs import configured, request
from tests.stages.logs import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform, bare, grant, login, until  # noqa: F401  # bare is a fixture
from upkeep.areas.look import Look, carry_out
from upkeep.areas.performance import slow_queries as slow_statements
from upkeep.areas.registry import find
from upkeep.areas.security import access
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult, plain
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database
from upkeep.wires.queries import source

CONFIG = settings(ROOT / "config")
END = datetime(2026, 5, 10, 3, tzinfo=UTC)
PERIOD = END - timedelta(days=7), END
EARLIER = PERIOD[0] - timedelta(days=7), PERIOD[0]
#: A moment of each of the two periods.
NOW, THEN = END - timedelta(days=2), END - timedelta(days=9)
SECRET = "S3CRETMARKER"


def look(
    platform: Platform,
    name: str,
    previous: tuple[datetime, Any] | None = None,
    about: tuple[datetime, datetime] = PERIOD,
    config: Settings = CONFIG,
) -> LookResult:
    """Carry out one check as the reader, with a snapshot as the ledger would give it back."""
    with database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        one = Look(session, config, datetime.now(UTC), about=about, previous=previous)
        looked = carry_out(find(name), one)
    return LookResult(looked.findings, looked.samples, None, json.loads(json.dumps(plain(looked.snapshot))))


def by_key(looked: LookResult) -> dict[str, Finding]:
    """Findings by key."""
    return {finding.key: finding for finding in looked.findings}


# Requests (G75) -------------------------------------------------------------------------------------------------


def patterns(platform: Platform, **said: Any) -> dict[str, Finding]:
    """The findings of the period, held against the earlier one as the log has it now."""
    before = look(platform, "access_patterns", about=EARLIER).snapshot
    return by_key(look(platform, "access_patterns", (EARLIER[1], before), **said))


@pytest.fixture
def busy(platform: Platform) -> Platform:
    """The same week twice: 1400 requests of anon from 14 addresses, a few of them refused."""
    for at in (THEN, NOW):
        for number in range(14):
            request(platform, 98, address=f"192.0.2.{number}", at=at)
            request(platform, 2, 404, address=f"192.0.2.{number}", at=at)
    return platform


@pytest.mark.guide("G75", "silent")
def test_two_weeks_alike_are_one_ok(busy: Platform) -> None:
    """One finding with the numbers of this week and when the other was."""
    (finding,) = patterns(busy).values()
    assert (finding.level, finding.guide) == (Level.OK, "G75")
    assert finding.detail == (
        "200 requests a day, 2.0 % 4xx, 0.0 % 5xx, 14 addresses; as in the window due 2026-05-03 03:00 UTC"
    )


@pytest.mark.guide("G75", "fires", "silent")
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"number": 1000, "address": "192.0.2.1"}, "342.9 requests a day, before 200"),
        ({"number": 300, "status": 403, "address": "192.0.2.1"}, "19.29 % of requests answered 4xx, before 2"),
        ({"number": 100, "status": 500, "address": "192.0.2.1"}, "6.667 % of requests answered 5xx, before 0"),
    ],
)
def test_a_change_beyond_the_percent_is_found_until_it_is_gone(busy: Platform, rows: dict[str, Any], said: str) -> None:
    """An advisory for the role and one for all, in numbers; without those rows everything is as before."""
    request(busy, at=NOW + timedelta(hours=1), **rows)
    found = patterns(busy)
    assert set(found) == {"access_patterns:all", "access_patterns:role:anon"}
    assert {finding.level for finding in found.values()} == {Level.ADVISORY}
    assert said in found["access_patterns:role:anon"].detail
    assert found["access_patterns:all"].expected == "within 50 % of the window due 2026-05-03 03:00 UTC"
    assert set(patterns(busy, config=configured(access_change_percent=1000.0))) <= {
        "access_patterns",
        "access_patterns:all",
        "access_patterns:role:anon",
    }
    with psycopg.connect(busy.admin) as admin:
        admin.execute("DELETE FROM application_logs WHERE created_at = %s", [NOW + timedelta(hours=1)])
    assert set(patterns(busy)) == {"access_patterns"}


@pytest.mark.guide("G75", "fires", "silent")
def test_more_addresses_are_found(busy: Platform) -> None:
    """As many requests from twice the addresses are a change of the addresses only; a limit of 200 % lets it pass."""
    with psycopg.connect(busy.admin) as admin:
        text = "UPDATE application_logs SET ip_address = ('198.51.100.' || id %% 30)::inet WHERE created_at = %s"
        admin.execute(text, [NOW])
    assert patterns(busy)["access_patterns:role:anon"].detail == "30 addresses, before 14"
    assert set(patterns(busy, config=configured(access_change_percent=200.0))) == {"access_patterns"}


@pytest.mark.guide("G75", "fires", "silent")
def test_a_role_that_was_never_seen_is_a_warning(busy: Platform) -> None:
    """One request is enough, whatever the name; the week after, the role is known."""
    busy.sql("ALTER TABLE application_logs DROP CONSTRAINT application_logs_api_role_check")
    role = 'o\'Brien "🦔" %s {x}'
    request(busy, 1, role=role, at=NOW)
    found = patterns(busy)
    assert set(found) == {f"access_patterns:new_role:{role}"}
    (finding,) = found.values()
    assert (finding.level, finding.detail) == (
        Level.WARNING,
        "0 requests a day, 0.0 % 4xx, 0.0 % 5xx, 1 addresses",
    )
    request(busy, 1, role=role, at=THEN)
    assert set(patterns(busy)) == {"access_patterns"}


@pytest.mark.guide("G75", "fires")
def test_a_role_that_left_is_found(busy: Platform) -> None:
    """A role with many requests before and none now is a change of its requests."""
    request(busy, 7000, role="service_role", at=THEN)
    assert patterns(busy)["access_patterns:role:service_role"].detail == "0 requests a day, before 1000"


@pytest.mark.guide("G75", "holds")
def test_nothing_to_compare_with(busy: Platform) -> None:
    """A first look, and one of another table or other columns, is an advisory and leaves a snapshot."""
    looked = look(busy, "access_patterns")
    (finding,) = looked.findings
    assert finding.level is Level.ADVISORY
    assert finding.detail.startswith("nothing to compare with yet: 200 requests a day")
    other = {**looked.snapshot, "of": "public.elsewhere(a, b)"}
    (finding,) = look(busy, "access_patterns", (EARLIER[1], other)).findings
    assert finding.detail.startswith("nothing to compare with yet")
    assert set(looked.snapshot["roles"]) == {"anon"}


def test_periods_of_other_lengths_compare_by_the_day(busy: Platform) -> None:
    """A window that looks at two weeks with twice the requests is no change."""
    before = look(busy, "access_patterns", about=EARLIER).snapshot
    both = look(busy, "access_patterns", (EARLIER[1], before), about=(EARLIER[0], END))
    assert [finding.level for finding in both.findings] == [Level.OK]


@pytest.mark.guide("G75", "holds")
def test_a_log_that_says_nothing_is_unknown_and_leaves_no_snapshot(busy: Platform) -> None:
    """An empty period, hidden rows or no table: UNKNOWN, and the older snapshot stays what is compared with."""
    empty = look(busy, "access_patterns", about=(END, END + timedelta(days=7)))
    busy.sql("ALTER TABLE application_logs ENABLE ROW LEVEL SECURITY")
    hidden = look(busy, "access_patterns")
    busy.sql("DROP TABLE application_logs CASCADE")
    absent = look(busy, "access_patterns")
    for looked, said in ((empty, "no row at all"), (hidden, "row-level security hides"), (absent, "found no table")):
        (finding,) = looked.findings
        assert finding.level is Level.UNKNOWN
        assert said in finding.detail
        assert looked.snapshot is None


@pytest.mark.guide("G75", "holds")
def test_the_log_is_read_by_its_time_index(busy: Platform) -> None:
    """The plan of the statement with the guard in force has no sequential scan of the log."""
    busy.sql("ANALYZE application_logs")
    names = {**CONFIG.maintenance.logs.application.model_dump(exclude={"table"})}
    text = database.statement("security/access_patterns", schema="public", table="application_logs", **names)
    with database.session(lambda: psycopg.connect(busy.reader), CONFIG.maintenance.sql, read_only=True) as session:
        session.rows(session.load("logs/by_index_only"))
        plan = session.rows(f"EXPLAIN {text}", {"start": PERIOD[0], "end": PERIOD[1], "most": 5})
    said = "\n".join(row["QUERY PLAN"] for row in plan)
    assert "application_logs_created_at_idx" in said
    assert "Seq Scan" not in said


def test_a_few_are_no_pattern() -> None:
    """Twice of nearly nothing is nothing; a share of errors of a handful of requests is none."""
    old = {"requests": 20.0, "client_errors": 0.0, "server_errors": 0.01, "addresses": 3}
    new = {"requests": 60.0, "client_errors": 50.0, "server_errors": 0.02, "addresses": 9}
    assert access.changes(old, new, 50) == []
    assert access.changes({**old, "requests": 1000.0}, {**new, "requests": 1000.0}, 50) == [
        "50 % of requests answered 4xx, before 0"
    ]


# Statements (G76) -----------------------------------------------------------------------------------------------


@pytest.fixture
def counting(platform: Platform) -> Platform:
    """The extension, counting anew."""
    platform.sql('CREATE SCHEMA "ext ""%s"""')
    platform.sql('GRANT USAGE ON SCHEMA "ext ""%s""" TO {role}', role=platform.role)
    platform.sql('CREATE EXTENSION pg_stat_statements SCHEMA "ext ""%s"""')
    reset(platform)
    return platform


def reset(platform: Platform) -> None:
    """Forget all statements."""
    platform.sql('SELECT "ext ""%s""".pg_stat_statements_reset()')


def noted(platform: Platform) -> tuple[datetime, Any]:
    """The snapshot of a window that is due now."""
    snapshot = look(platform, "new_queries").snapshot
    return datetime.now(UTC), snapshot


@pytest.mark.guide("G76", "fires", "silent")
def test_a_statement_that_was_never_seen_is_found_once(counting: Platform) -> None:
    """An advisory with who, how often and the text without its literals; the week after, it is known."""
    before = noted(counting)
    (finding,) = look(counting, "new_queries", before).findings
    assert (finding.level, finding.guide) == (Level.OK, "G76")
    counting.sql(f"SELECT count(*) FROM user_consents WHERE id::text = '{SECRET}' /* {SECRET} */")
    looked = look(counting, "new_queries", before)
    (finding,) = looked.findings
    assert finding.level is Level.ADVISORY
    assert finding.key == f"new_queries:{finding.metadata['id']}"
    assert finding.subject.endswith(" of postgres")
    assert finding.detail.startswith("1 calls, ")
    assert finding.detail.endswith("SELECT count(*) FROM user_consents WHERE id::text = $1")
    assert SECRET not in json.dumps([finding.detail, looked.snapshot])
    assert [sample.value for sample in looked.samples] == [1.0]
    (finding,) = look(counting, "new_queries", (before[0], looked.snapshot)).findings
    assert finding.level is Level.OK


@pytest.mark.guide("G76", "holds")
def test_the_checks_own_statements_are_not_found(counting: Platform) -> None:
    """Looking, however often and at whatever, makes no new statement of the role that looks."""
    before = noted(counting)
    for name in ("table_sizes", "permissions", "new_queries"):
        look(counting, name)
    (finding,) = look(counting, "new_queries", before).findings
    assert finding.level is Level.OK


@pytest.mark.guide("G76", "holds")
def test_thirty_are_shown_those_with_most_time_first(counting: Platform) -> None:
    """Of forty new statements the slow one comes first, and the last finding says how many are not shown."""
    before = noted(counting)
    for number in range(1, 40):
        counting.sql(f"SELECT {', '.join('1' * number)}")  # an id counts columns and not their names or values
    counting.sql("SELECT pg_sleep(1.6)")
    findings = look(counting, "new_queries", before).findings
    assert len(findings) == access.SHOWN + 1
    assert "pg_sleep" in findings[0].detail
    assert (findings[-1].key, findings[-1].metadata["more"]) == ("new_queries:more", 10)


@pytest.mark.guide("G76", "holds")
def test_a_reset_makes_the_comparison_partial(counting: Platform) -> None:
    """Said as UNKNOWN with both moments; what was known before the reset is not new when it comes again."""
    counting.sql("SELECT 1 AS known")
    before = noted(counting)
    reset(counting)
    counting.sql("SELECT 1 AS known")
    looked = look(counting, "new_queries", before)
    lost = by_key(looked)["new_queries:reset"]
    assert lost.level is Level.UNKNOWN
    assert "so the comparison is partial" in lost.detail
    assert not [finding for finding in looked.findings if "AS known" in finding.detail]
    after = datetime.now(UTC), looked.snapshot
    assert set(by_key(look(counting, "new_queries", after))) == {"new_queries"}


@pytest.mark.guide("G76", "holds")
def test_ids_of_another_major_or_database_do_not_compare(counting: Platform) -> None:
    """After an upgrade everything would be new: the look says so and begins anew."""
    due, snapshot = noted(counting)
    (finding,) = look(counting, "new_queries", (due, {**snapshot, "of": "PostgreSQL 13, database 5"})).findings
    assert finding.level is Level.ADVISORY
    assert finding.detail.endswith("the earlier snapshot is of PostgreSQL 13, database 5, whose ids are others")


@pytest.mark.guide("G76", "holds")
def test_without_the_extension_or_the_right_it_is_unknown(counting: Platform) -> None:
    """Each with its reason and without a snapshot; given back, it answers."""
    counting.sql("REVOKE pg_monitor FROM {role}", role=counting.role)
    blind = look(counting, "new_queries")
    counting.sql("GRANT pg_monitor TO {role}", role=counting.role)
    counting.sql('REVOKE USAGE ON SCHEMA "ext ""%s""" FROM {role}', role=counting.role)
    shut = look(counting, "new_queries")
    counting.sql('GRANT USAGE ON SCHEMA "ext ""%s""" TO {role}', role=counting.role)
    assert look(counting, "new_queries").findings[0].level is Level.ADVISORY
    counting.sql('ALTER EXTENSION pg_stat_statements DROP VIEW "ext ""%s""".pg_stat_statements_info')
    counting.sql('DROP VIEW "ext ""%s""".pg_stat_statements_info')
    old = look(counting, "new_queries")
    counting.sql("DROP EXTENSION pg_stat_statements")
    absent = look(counting, "new_queries")
    for looked, said in (
        (blind, "no member of pg_read_all_stats"),
        (shut, "may not use schema"),
        (old, "older than 1.9"),
        (absent, "is not in this database"),
    ):
        (finding,) = looked.findings
        assert finding.level is Level.UNKNOWN
        assert said in finding.detail
        assert looked.snapshot is None


# Slow statements (G84) ------------------------------------------------------------------------------------------


def slow(platform: Platform) -> LookResult:
    """What the check says where a mean of 1.5 s is slow: what is not meant to be takes that long on no machine."""
    return look(platform, "slow_queries", config=slow_from(CONFIG, 1500.0))


@pytest.mark.guide("G84", "fires", "silent")
def test_a_slow_statement_fires_until_its_mean_is_low_enough(counting: Platform) -> None:
    """An advisory with mean, calls, since when and the text without its literals; quick calls or a reset end it."""
    counting.sql(f"SELECT pg_sleep(1.6) /* {SECRET} */ WHERE '{SECRET}' <> ''")
    looked = slow(counting)
    (finding,) = looked.findings
    assert (finding.level, finding.guide) == (Level.ADVISORY, "G84")
    assert finding.key == f"slow_queries:{finding.metadata['id']}"
    assert finding.metadata["mean_ms"] >= 1600
    assert f" ms on average in 1 calls, {finding.metadata['mean_ms'] / 1000:.1f} s in all since " in finding.detail
    assert finding.detail.endswith("SELECT pg_sleep($1) WHERE $2 <> $3")
    assert SECRET not in finding.detail
    in_all, mean = looked.samples
    assert in_all.value == 1.0
    assert (mean.metric, mean.subject, mean.value) == (
        "statement_time", finding.metadata["id"], finding.metadata["mean_ms"]
    )  # fmt: skip
    for _ in range(30):  # however long the first one took on a busy machine
        counting.sql("SELECT pg_sleep(0.0) WHERE '' <> ''")
    (finding,) = slow(counting).findings
    assert finding.level is Level.OK
    assert finding.detail.startswith("no statement takes 1500 ms or more on average since 20")


@pytest.mark.guide("G84", "silent")
def test_a_reset_forgets_slow_statements(counting: Platform) -> None:
    """What is said is about the time since then, and says so; a higher limit lets it pass."""
    counting.sql("SELECT pg_sleep(1.6)")
    (finding,) = look(counting, "slow_queries", config=slow_from(CONFIG, 60_000.0)).findings
    assert (finding.level, "60000 ms" in finding.detail) == (Level.OK, True)
    assert slow(counting).findings[0].level is Level.ADVISORY
    reset(counting)
    assert slow(counting).findings[0].level is Level.OK


@pytest.mark.guide("G84", "holds")
def test_more_slow_statements_than_are_shown_are_counted(counting: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one with most time in all stays, the others are counted."""
    monkeypatch.setattr("upkeep.areas.performance.slow_queries.SHOWN", 1)
    counting.sql("SELECT pg_sleep(3.2)")
    counting.sql("SELECT 1, pg_sleep(1.6)")
    looked = slow(counting)
    first, more = looked.findings
    assert first.detail.endswith(": SELECT pg_sleep($1)")
    assert (more.key, more.detail) == ("slow_queries:more", "1 more; those with most time in all are shown")
    assert looked.samples[0].value == 2.0


@pytest.mark.guide("G84", "holds")
def test_without_the_extension_slow_statements_are_unknown(platform: Platform) -> None:
    """Nothing is healthy that was not looked at."""
    (finding,) = look(platform, "slow_queries").findings
    assert finding.level is Level.UNKNOWN
    assert "pg_stat_statements is not in this database" in finding.detail


def test_what_the_server_forgot_stays_known_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next snapshot has what is counted now, then the ids seen first most lately."""
    monkeypatch.setattr(access, "KEPT", 3)
    now = datetime(2026, 5, 10, tzinfo=UTC)
    known = {"1": "2026-05-03", "2": "2026-04-01", "3": "2026-05-01"}
    kept = access._statements("here", [{"id": "1"}, {"id": "9"}], known, now)
    assert kept == {"of": "here", "ids": {"1": "2026-05-03", "9": "2026-05-10", "3": "2026-05-01"}}


def test_their_sources_are_files() -> None:
    """What a report names can be opened."""
    assert all((ROOT / source(check.path)).exists() for check in (*access.CHECKS, *slow_statements.CHECKS))


@pytest.mark.guide("G76", "G84", "fires")
@pytest.mark.parametrize("name", ["new_queries", "slow_queries"])
def test_a_server_that_counts_no_statement_is_unknown(counting: Platform, name: str) -> None:
    """The extension is there and counts nothing: no statement is not a good statement."""
    counting.sql("ALTER ROLE {role} SET pg_stat_statements.track = 'none'", role=counting.role)
    (finding,) = look(counting, name).findings
    assert finding.level is Level.UNKNOWN
    assert "counts no statement (pg_stat_statements.track is none)" in finding.detail
