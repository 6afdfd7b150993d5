"""`python -m upkeep overdue`: a process of its own that reads a real ledger and never imports Airflow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from sandbox.postgres import Cluster
from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.ledger import Ledger, upgraded
from upkeep.settings.base import ROOT

VARIABLE = "AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD"
#: The command, and which modules of Airflow it left behind.
COMMAND = """
import sys
from upkeep.cli.main import main
code = main(sys.argv[1:])
print([name for name in sys.modules if name.partition(".")[0] == "airflow"], file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Iterator[Ledger]:
    """An empty ledger, that the tests of this module fill one after the other."""
    with upgraded(cluster) as found:
        yield found


def overdue(book: Ledger, config: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with this ledger's Connections in the environment."""
    environ = {**book.environment(config), "UPKEEP_CONFIG": str(config), **environment}
    argv = [sys.executable, "-c", COMMAND, "overdue", *more]
    return subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


def lines(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Cadence → the rest of its line."""
    return {line.split()[1]: line.split(maxsplit=2)[2] for line in done.stdout.splitlines()}


def test_each_way_a_cadence_can_stand_and_its_exit_code(book: Ledger, config: Path) -> None:
    """Never looked at, nothing due yet, begun, without a run, without a report, missed; ok is 0, all else is 1."""
    done = overdue(book, config)
    assert (done.returncode, done.stderr) == (1, "[]\n")
    assert {said.partition(" ")[0] for said in lines(done).values()} == {"UNKNOWN"}
    assert "no window has run yet" in lines(done)["daily"]

    now = datetime.now(UTC).replace(second=0, microsecond=0)
    soon = now + timedelta(minutes=30)
    always = f"{soon.minute} {soon.hour} * * *"
    text = (config / MAIN).read_text()
    for cron in ('"0 2 * * *"', '"0 3 * * 0"', '"0 2 * * 0#1"'):
        text = text.replace(f"cron: {cron}", f'cron: "{always}"')
    (config / MAIN).write_text(text)
    for cadence in ("daily", "weekly", "monthly"):
        row = "INSERT INTO upkeep.calendars (target, cadence, since, until) VALUES ('primary', %s, %s, %s)"
        book.change(row, cadence, now, now)
    done = overdue(book, config)
    assert (done.returncode, done.stderr) == (0, "[]\n"), done.stdout
    assert all(
        said.startswith(f"ok       the next one is due at {soon:%Y-%m-%d %H:%M} UTC") for said in lines(done).values()
    )

    due = now - timedelta(minutes=10)
    (config / MAIN).write_text(text.replace(always, f"{due.minute} {due.hour} * * *"))
    book.change("UPDATE upkeep.calendars SET since = %s, until = %s", due, due - timedelta(minutes=1))
    done = overdue(book, config)
    assert done.returncode == 1
    assert lines(done)["weekly"].startswith(f"OVERDUE  due at {due:%Y-%m-%d %H:%M} UTC, ")
    assert lines(done)["weekly"].endswith("ago, and no run has begun")

    window = (
        "INSERT INTO upkeep.windows (target, cadence, due, kind, dag_id, run_id, deadline, period_start, period_end,"
        " requested_by, opened_at) VALUES ('primary', %s, %s, 'calendar', 'd', 'scheduled__1', %s, %s, %s, 's', %s)"
    )
    for cadence, minutes in (("daily", 30), ("weekly", 120), ("monthly", 240)):
        book.change(window, cadence, due, due + timedelta(minutes=minutes), due - timedelta(days=1), due, due)
    assert overdue(book, config).returncode == 0

    long_ago = due - timedelta(days=1)
    book.change(
        "UPDATE upkeep.windows SET due = %s, deadline = deadline - interval '1 day', opened_at = %s", long_ago, long_ago
    )
    book.change("UPDATE upkeep.calendars SET since = %s, until = %s", long_ago, long_ago - timedelta(minutes=1))
    (config / MAIN).write_text((config / MAIN).read_text().replace("length_minutes: 30", "length_minutes: 5"))
    found = lines(overdue(book, config, "--target", "primary"))
    assert found["weekly"].startswith("OVERDUE  due at ")
    assert found["weekly"].endswith("no run has begun")
    assert found["daily"].startswith(
        f"MISSED   2 windows, the last due at {due:%Y-%m-%d %H:%M} UTC: no run began before"
    )
    begun = now - timedelta(hours=3)
    book.change("UPDATE upkeep.calendars SET until = %s", due + timedelta(minutes=1))
    book.change(window, "weekly", begun, begun + timedelta(hours=2), begun - timedelta(days=1), begun, begun)
    book.change(
        "INSERT INTO upkeep.due_windows (target, cadence, due, deadline, state, reason)"
        " VALUES ('primary', 'weekly', %s, %s, 'open', '')",
        begun,
        begun + timedelta(hours=2),
    )
    found = lines(overdue(book, config))
    assert found["weekly"].startswith(f"OVERDUE  due at {begun:%Y-%m-%d %H:%M} UTC, its deadline was ")
    assert "its run scheduled__1 began at" in found["weekly"]
    assert found["weekly"].endswith("and has no report yet")


@pytest.mark.parametrize(
    ("connection", "code", "said"),
    [
        ("", 2, f"{VARIABLE}: found nothing in the environment, expected the Connection to the ledger"),
        ('{"host": "127.0.0.1", "extra": 3}', 2, f"{VARIABLE}: found neither JSON nor a URI"),
        ('{"host": "127.0.0.1", "extra": "[1]"}', 2, f"{VARIABLE}: found neither JSON nor a URI"),
        ('{"host": "127.0.0.1", "extra": {"nonsense": 1}}', 2, "nonsense"),
        ("{broken", 2, f"{VARIABLE}: found neither JSON nor a URI"),
        ("postgres:///upkeep", 2, f"{VARIABLE}: found no host in the environment"),
        ("postgres://nobody:x@127.0.0.1:1/upkeep?connect_timeout=2", 2, "the database could not be reached"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_not_well(
    book: Ledger, config: Path, connection: str, code: int, said: str
) -> None:
    """Exit code 2 and the reason: a witness that sees nothing must not look like one that saw that all is well."""
    done = overdue(book, config, **{VARIABLE: connection})
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""


def test_the_connection_may_be_a_uri_and_a_target_must_be_known(book: Ledger, config: Path) -> None:
    """As Airflow takes it, escaped characters and all."""
    password, login = book.passwords["dashboard"], quote(book.login("dashboard"), safe="")
    uri = f"postgresql://{login}:{quote(password)}@127.0.0.1:{book.cluster.port}/{book.name}?sslmode=prefer"
    assert overdue(book, config, **{VARIABLE: uri}).returncode in (0, 1)
    unknown = overdue(book, config, "--target", "other")
    assert unknown.returncode == 2
    assert "found no target 'other', expected one of: primary" in unknown.stderr


def test_a_mistake_in_what_it_does_not_read_does_not_silence_it(book: Ledger, config: Path) -> None:
    """Who is told of what, and what is judged how, says nothing of windows: a witness that needs it would be mute."""
    before = overdue(book, config)
    for name in ("routing.yaml", "thresholds.yaml"):
        (config / name).write_text("nonsense: 1\n")
    after = overdue(book, config)
    assert (after.returncode, after.stdout, after.stderr) == (before.returncode, before.stdout, before.stderr)
    assert after.returncode in (0, 1)
