"""`python -m sandbox history`: the past as the target's own logs tell it, written once, said to be reconstructed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from sandbox import history
from sandbox.postgres import Cluster
from tests.stages.ledger import Ledger, upgraded
from upkeep.areas.baselines.propose import proposals_from_ledger
from upkeep.areas.thresholds.propose import proposals_from_ledger as propose_proposals_from_ledger
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

CONFIG = settings(ROOT / "config")


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def reconstruct(book: Ledger, target_dsn: str, now: datetime) -> int:
    """What the command does at that moment, as the tasks' role."""
    return history.reconstruct(target_dsn, lambda: psycopg.connect(book.dsn("tasks")), CONFIG.maintenance, now)


def test_sixty_days_are_what_the_logs_say_and_a_second_call_adds_nothing(book: Ledger, target_dsn: str) -> None:
    """One calendar window a day but today's; the error rate of one of them is counted by hand; tables only grow."""
    now = datetime.now(UTC)
    assert reconstruct(book, target_dsn, now) == 60
    assert reconstruct(book, target_dsn, now) == 0
    windows = book.ask(
        "SELECT due, kind, requested_by, run_id, period_start, period_end FROM upkeep.windows ORDER BY due"
    )
    assert len(windows) == 60
    assert {(kind, by) for _, kind, by, *_ in windows} == {("calendar", history.RECONSTRUCTED)}
    assert all(run == f"reconstructed__{due.astimezone(UTC).isoformat()}" for due, _, _, run, *_ in windows)
    newest = CONFIG.maintenance.windows["daily"].at_or_before(now)
    assert windows[-1][0] == newest - timedelta(days=1)

    steps = book.ask("SELECT step, min(source), count(*) FROM upkeep.steps GROUP BY step ORDER BY step")
    assert [(step, source.split()[0], count) for step, source, count in steps] == [
        ("database.table_sizes", "reconstructed", 60),
        ("health.system_status", "reconstructed", 60),
    ]
    with psycopg.connect(target_dsn) as target:
        count = "SELECT 100.0 * count(*) FILTER (WHERE status >= 500) / count(*) FROM application_logs"
        (counted,) = target.execute(
            f"{count} WHERE created_at >= %s AND created_at < %s".encode(), windows[30][4:]
        ).fetchone() or (None,)
    joined = "upkeep.samples m JOIN upkeep.steps s ON s.id = m.step_id JOIN upkeep.windows w ON w.id = s.window_id"
    values = f"SELECT m.value FROM {joined}"
    ((kept,),) = book.ask(f"{values} WHERE w.due = %s AND m.metric = 'error_rate'", windows[30][0])
    assert kept == pytest.approx(float(counted))
    for of in ("m.subject = 'public.application_logs'", "m.metric = 'database_bytes'"):
        sizes = [size for (size,) in book.ask(f"{values} WHERE {of} ORDER BY m.taken_at")]
        assert len(sizes) == 60
        assert sizes == sorted(sizes) and 0 < sizes[0] < sizes[-1]
    assert book.ask(f"SELECT DISTINCT m.taken_at = w.due FROM {joined}") == [(True,)]


def test_a_window_that_is_known_is_left_as_it_is(book: Ledger, target_dsn: str) -> None:
    """A real run of one of these days stays its own, with its outcome."""
    now = datetime.now(UTC)
    assert reconstruct(book, target_dsn, now) == 60
    with psycopg.connect(book.cluster.dsn(book.name)) as connection:
        connection.execute("UPDATE upkeep.windows SET outcome = 'ok', run_id = 'scheduled__1' WHERE id = 7")
    assert reconstruct(book, target_dsn, now) == 0
    assert book.ask("SELECT outcome, run_id FROM upkeep.windows WHERE id = 7") == [("ok", "scheduled__1")]


@pytest.mark.guide("G19", "G26", "fires")
def test_thresholds_and_baselines_have_enough_to_learn_from(book: Ledger, target_dsn: str) -> None:
    """With these windows new bands and baselines are proposed for the seeded platform, and none without them."""
    now = datetime.now(UTC)

    def proposed() -> list[tuple[str, str]]:
        with book.session() as session:
            found = [
                *propose_proposals_from_ledger(session, history.TARGET, CONFIG, (), now),
                *proposals_from_ledger(session, history.TARGET, CONFIG, (), now),
            ]
        return [(one.action.kind, one.action.table) for one in found]

    assert proposed() == []
    reconstruct(book, target_dsn, now)
    assert {("thresholds", "response_time"), ("baselines", "response_time")} <= set(proposed())
