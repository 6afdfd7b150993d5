"""The sandbox's target database: its history, its roles, and loading it twice."""

from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from sandbox import target
from sandbox.postgres import Cluster

TIMES = {
    "user_consents": "created_at",
    "data_processing_logs": "created_at",
    "error_logs": "timestamp",
    "performance_alerts": "created_at",
    "application_logs": "created_at",
    "audit_logs": "created_at",
    "security_logs": "created_at",
    "performance_logs": "created_at",
}


def dbname(dsn: str) -> str:
    """The database that a conninfo string names."""
    return str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])


def test_every_table_has_at_least_90_days_up_to_now(target_dsn: str) -> None:
    """Each table's rows reach from 90 days ago or earlier to the last day, none lies in the future."""
    ages = sql.SQL("SELECT now() - min({time}), now() - max({time}) FROM {table}")
    with psycopg.connect(target_dsn) as conn:
        for table, time_column in TIMES.items():
            query = ages.format(time=sql.Identifier(time_column), table=sql.Identifier(table))
            oldest, newest = conn.execute(query).fetchone() or (None, None)
            assert oldest >= timedelta(days=90), table
            assert timedelta(0) <= newest <= timedelta(days=1), table


def test_every_table_of_the_schema_is_seeded(target_dsn: str) -> None:
    """The statistics, right after loading, know every table and at most 200,000 rows in all."""
    query = """
        SELECT relname, reltuples::bigint FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    """
    with psycopg.connect(target_dsn) as conn:
        rows: dict[str, int] = dict(conn.execute(query).fetchall())
    assert rows.keys() == TIMES.keys()
    assert min(rows.values()) > 0
    assert sum(rows.values()) <= 200_000


@pytest.mark.parametrize(("table", "years"), [("security_logs", 1), ("audit_logs", 7)])
def test_retention_will_find_what_is_due(target_dsn: str, table: str, years: int) -> None:
    """A few rows are older than the guide's longest periods (G63, G65)."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE created_at < now() - make_interval(years => {})")
    with psycopg.connect(target_dsn) as conn:
        (due,) = conn.execute(query.format(sql.Identifier(table), years)).fetchone() or (0,)
    assert 0 < due < 100


def test_the_last_day_is_healthy(target_dsn: str) -> None:
    """Fewer than 0.5 % of the last day's requests failed, though some did, and half of them took about 120 ms."""
    query = """
        SELECT 100.0 * count(*) FILTER (WHERE status >= 500) / count(*),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms)
        FROM application_logs WHERE created_at > now() - interval '24 hours'
    """
    with psycopg.connect(target_dsn) as conn:
        failed, median = conn.execute(query).fetchone() or (None, None)
    assert 0 < failed < 0.5
    assert 100 < median < 140


def test_hostile_messages_are_among_the_last_days_errors(target_dsn: str) -> None:
    """Markup, a bidi override, a terminal escape and a very long text wait for whoever shows messages."""
    query = """
        SELECT string_agg(message, ' '), max(length(message))
        FROM error_logs WHERE "timestamp" > now() - interval '24 hours'
    """
    with psycopg.connect(target_dsn) as conn:
        messages, longest = conn.execute(query).fetchone() or ("", 0)
    assert all(text in messages for text in ("<script>", "\u202e", "\x1b[31m", "<!channel>", "=HYPERLINK"))
    assert longest > 20_000


def test_loading_again_only_sets_passwords(target_dsn: str, cluster: Cluster, role_passwords: dict[str, str]) -> None:
    """A second load keeps the rows that were there, and the roles can log in afterwards."""
    count = "SELECT count(*) FROM application_logs"
    with psycopg.connect(target_dsn, autocommit=True) as conn:
        before = conn.execute(count).fetchone()
        target.load(conn, role_passwords)
        assert conn.execute(count).fetchone() == before
    with psycopg.connect(cluster.dsn(dbname(target_dsn), "app", role_passwords["app"])) as conn:
        assert conn.execute(count).fetchone() == before


def test_the_twin_reads_everything_and_writes_nothing(
    target_dsn: str, cluster: Cluster, role_passwords: dict[str, str]
) -> None:
    """functions_twin sees all tables and the server's statistics, and is refused a write."""
    with psycopg.connect(cluster.dsn(dbname(target_dsn), "functions_twin", role_passwords["functions_twin"])) as conn:
        for table in TIMES:
            conn.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table)))
        hidden = "SELECT count(*) FROM pg_stat_statements WHERE query = '<insufficient privilege>'"
        assert conn.execute(hidden).fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM error_logs")


def test_upkeep_read_starts_without_any_grant(
    target_dsn: str, cluster: Cluster, role_passwords: dict[str, str]
) -> None:
    """What upkeep_read may do comes from the project's own grants alone, so that those are what is tested."""
    dsn = cluster.dsn(dbname(target_dsn), "upkeep_read", role_passwords["upkeep_read"])
    with psycopg.connect(dsn) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT FROM error_logs")


def test_no_password_reaches_the_servers_statistics(target_dsn: str, role_passwords: dict[str, str]) -> None:
    """pg_stat_statements keeps the text of ALTER ROLE, which therefore carries a verifier and not the password."""
    with psycopg.connect(target_dsn) as conn:
        query = "SELECT query FROM pg_stat_statements WHERE query ILIKE 'ALTER ROLE%PASSWORD%'"
        texts = [text for (text,) in conn.execute(query)]
    assert texts
    assert not any(password in text for text in texts for password in role_passwords.values())
