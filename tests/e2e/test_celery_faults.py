"""Faults of what is distributed: real Redis, two Celery workers, two schedulers, each killed in the middle of things.

`make faults` alone runs these. What must hold of each: no mutation runs twice, none is without a row in the ledger, and
the run ends by itself or the report says what a person must do. Each test adds a row to a table that is printed at the
end; docs/distributed.md has it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import distributed
from tests.e2e.conftest import Running, brought_up
from tests.e2e.distributed import Distributed, told

MINUTE = 60.0
ONCE = "one mutation; the run ends by itself; Clear on apply settles what is unknown"
NO_HELP = "one mutation; nobody has to help"
NO_ROOM = "one mutation; no window is carried out until there is room"
#: What a worker logs of a task that another one runs.
IGNORED = "Task already running elsewhere, ignoring redelivered message"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox on Celery in place of the others' one."""
    with brought_up(tmp_path_factory.mktemp("celery"), **{distributed.EXECUTOR: distributed.CELERY}) as found:
        yield found


@pytest.fixture(scope="module")
def trial(running: Running, pytestconfig: pytest.Config) -> Distributed:
    """The weekly window, and the table of what was seen: a line each as soon as it is known."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def show(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", flush=True)

    show("| fault | promised | seen |")
    show("| --- | --- | --- |")
    return Distributed(running, show=show)


@pytest.fixture
def table(trial: Distributed, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a table of the test's own, which is dropped; no run is left waiting."""
    name = f"worn_{len(trial.rows)}"
    yield name
    trial.end()
    trial.drop(name)


def test_two_workers_share_the_work(trial: Distributed) -> None:
    """A daily window is green, and each worker ran some of its tasks."""
    run = trial.running.trigger()
    assert trial.running.finish(run) == "success"
    shares = trial.hosts(run, "maintenance_daily")
    assert set(shares) == set(distributed.WORKERS), shares
    seen = ", ".join(f"{name} {count} tasks" for name, count in sorted(shares.items()))
    trial.saw("none: a daily window", "both workers take tasks", f"{seen}, in {trial.seconds(run):.0f} s")


def test_a_worker_dies_with_all_its_tasks(trial: Distributed, table: str) -> None:
    """A machine goes while VACUUM runs: apply is not repeated by itself, and done once after Clear."""
    run = trial.in_the_middle(table)
    trial.kill_all_of(trial.worker_of(trial.applying()))
    trial.once("kill -9 of a worker and all its tasks inside apply", run, table, ONCE)


def test_a_worker_dies_and_its_tasks_live_on(trial: Distributed, table: str) -> None:
    """The main process alone is killed, as by the OOM killer; whoever applies is an orphan now."""
    run = trial.in_the_middle(table)
    trial.kill_main_of(trial.worker_of(trial.applying()))
    trial.once("kill -9 of a worker's main process alone inside apply", run, table, ONCE)


def test_a_scheduler_dies(trial: Distributed, table: str) -> None:
    """One of two: the other carries on, and apply notices nothing."""
    run = trial.in_the_middle(table)
    trial.kill_all_of("scheduler")
    trial.once("kill -9 of one scheduler inside apply", run, table, NO_HELP)


def test_a_worker_and_both_schedulers_die(trial: Distributed, table: str) -> None:
    """All at once, while VACUUM runs."""
    run = trial.in_the_middle(table)
    trial.kill_all_of(trial.worker_of(trial.applying()), *distributed.SCHEDULERS)
    trial.once("kill -9 of a worker and both schedulers inside apply", run, table, ONCE)


def test_the_queue_dies(trial: Distributed, table: str) -> None:
    """Redis is killed while VACUUM runs and the tasks of a daily window are queued."""
    run = trial.in_the_middle(table)
    daily = trial.running.trigger()
    trial.running.wait(lambda: "queued" in trial.running.states(daily).values(), 0.1)
    trial.kill_all_of("redis")
    began = trial.running.finish(daily)
    assert began == "success"
    so_far = f"daily window {began} {trial.seconds(daily):.0f} s after its start; "
    trial.once("kill -9 of Redis inside apply, a daily window queued", run, table, NO_HELP, so_far)


def test_the_database_restarts(trial: Distributed, table: str) -> None:
    """One server holds metadata, ledger and target here: all three go at once, amid VACUUM."""
    run = trial.in_the_middle(table)
    trial.restart("postgres")
    trial.once("restart of PostgreSQL (metadata, ledger and target at once) inside apply", run, table, ONCE)


def test_the_metadata_are_away(trial: Distributed, table: str) -> None:
    """Airflow's login is refused for a minute; ledger and target stay."""
    run = trial.in_the_middle(table)
    with trial.turned_away("airflow"):
        time.sleep(MINUTE)
    trial.once("Airflow's metadata away for a minute inside apply", run, table, ONCE)


def test_the_ledger_is_away(trial: Distributed, table: str) -> None:
    """For a minute, and until the statement has ended: its receipt is written when the ledger is back."""
    run = trial.in_the_middle(table)
    with trial.turned_away("upkeep_tasks"):
        time.sleep(MINUTE)
        trial.no_statement_runs(table)
    trial.once("the ledger away for a minute, in which the statement ends", run, table, NO_HELP)


def test_the_target_is_away(trial: Distributed, table: str) -> None:
    """It ends the statement and stays away until apply has given up; back again, Clear does what is left."""
    run = trial.in_the_middle(table)
    with trial.turned_away("upkeep_maintain", "upkeep_read"):
        trial.until(run, "apply", "success", "failed")
    trial.once("the target away inside apply, until that gives up", run, table, ONCE)


def test_a_task_is_delivered_twice(trial: Distributed, table: str) -> None:
    """As Redis' transport does when the visibility timeout is over: while apply runs, and after it has ended."""
    run = trial.in_the_middle(table, more=4_000)
    message, ignored = trial.queue.message_of(run, "apply"), trial.workers_said(IGNORED)
    trial.queue.deliver_again()
    trial.running.wait(lambda: trial.workers_said(IGNORED) > ignored)
    assert trial.vacuuming(table), "the statement ended before the second delivery came"
    trial.once("apply delivered again while it runs", run, table, f"{NO_HELP}; the second delivery ends at once")
    states, outcome = trial.states(run), trial.outcome(run)
    begun = f"[{message['headers']['id']}] Executing workload in Celery"
    before = trial.workers_said(begun)
    trial.queue.send(message)
    trial.running.wait(lambda: trial.workers_said(begun) > before and not trial.queue.has(message))
    assert (trial.states(run), trial.outcome(run)) == (states, outcome)
    seen = f"Airflow's API refuses its start; {told(outcome)}, and no task of the run has another state"
    trial.saw("apply delivered again after it has ended", "nothing is done", seen)


def test_the_logs_have_no_room(trial: Distributed, table: str) -> None:
    """The file system of Airflow's task logs is full while VACUUM runs and as a daily window begins."""
    with trial.small_logs() as fill:
        run = trial.in_the_middle(table, more=4_000)
        fill()
        daily = trial.running.trigger()
        without = trial.running.finish(daily)
        state, seconds = trial.ends(run)
        so_far = f"daily window {without}, weekly {state} {seconds:.0f} s later, no report; "
        assert (without, state) == ("failed", "failed")
        assert trial.upkeep("overdue").returncode in (0, 1), "what looks from outside needs no log"
        trial.no_statement_runs(table)
    assert trial.running.finish(trial.running.trigger()) == "success"
    # The process of apply has ended its statement and written its receipt, whatever Airflow made of its task.
    trial.running.wait(lambda: trial.outcome(run)[-1][1] is not None)
    assert trial.clear(run, "report").status_code == 200
    trial.finish(run)
    trial.once("no room for task logs inside apply, a daily window triggered", run, table, NO_ROOM, so_far)


def test_a_worker_dies_inside_an_archive(trial: Distributed, tmp_path: Path) -> None:
    """When the first file of the first archive is there: each archive is written once, each can be read back."""
    with trial.archiving(tmp_path) as (run, wanted):
        trial.running.wait(lambda: list(tmp_path.rglob(".*.new")), 0.02)
        trial.kill_all_of(trial.worker_of(trial.applying()))
        state, seconds = trial.ends(run)
        before, headline = Counter(one[2] for one in trial.receipts(run)), trial.headline(run)
        trial.cleared(run)
        receipts = trial.receipts(run)
        done = Counter(action for action, _, outcome in receipts if outcome == "done")
        assert done == Counter(wanted) and None not in {outcome for *_, outcome in receipts}, receipts
        verified = trial.upkeep("archive", "verify")
        # Nothing is ever deleted there: what the killed process had begun is named, for a person to remove.
        said = verified.stdout + verified.stderr
        assert f"{len(wanted)} archives are as they were written, 1 are not" in said, said
        assert ".new: found no manifest, so that it is no archive" in said, said
        found = trial.upkeep("archive", "find").stdout.splitlines()
        leftovers = [line for line in found if line.endswith("has no manifest: it is no archive")]
        assert (len(found), len(leftovers)) == (len(wanted) + 1, 1)
    trial.saw(
        "kill -9 of a worker and all its tasks inside an archive",
        "each archive once, each verified; Clear on apply settles what is unknown",
        f"run {state} by itself {seconds:.0f} s after, {counted(before)} of {len(wanted)}, “{headline}”; "
        f"after Clear on apply {counted(Counter(one[2] for one in receipts))}, all verified, "
        "and the file that the killed process had begun is named",
    )


def test_a_worker_dies_inside_a_restoration(trial: Distributed) -> None:
    """While a copy is restored: the step is tried again by itself, and no copy and no server of it is left."""
    run, task = trial.trigger(conf={"groups": ["backups"]}), "evidence.backups.restoration"
    trial.running.wait(trial.restored_copies, 0.1)
    trial.kill_all_of(trial.task(run, task)["hostname"])
    began = time.monotonic()
    trial.reject_but(run)
    state, _ = trial.ends(run)
    seconds = time.monotonic() - began
    step, tries = trial.steps(run)[task], trial.task(run, task)["try_number"]
    assert (state, step, tries) == ("success", "ran", 2)
    assert not trial.restored_copies() and not trial.restored_servers()
    trial.saw(
        "kill -9 of a worker and all its tasks inside a restoration",
        "tried again by itself; no copy and no server of it is left",
        f"run {state} by itself {seconds:.0f} s after, the step {step} at try {tries}; nothing is left",
    )


def test_no_action_of_any_of_these_runs_was_done_twice(trial: Distributed) -> None:
    """At the end, when everything late has come: every permit of every run has its receipt, every action one *done*."""
    rows = trial.running.ledger(
        "SELECT p.digest, p.action_id, r.outcome"
        " FROM upkeep.permits p LEFT JOIN upkeep.receipts r ON r.permit_id = p.id"
    )
    done = Counter((digest, action) for digest, action, outcome in rows if outcome == "done")
    open_ones = [row for row in rows if row[2] is None]
    assert done and set(done.values()) == {1} and not open_ones
    seen = f"{len(rows)} permits, {len(done)} actions done, each once, {len(open_ones)} permits without a receipt"
    trial.saw("all of the above", "no mutation twice, none without a row", seen)


def counted(outcomes: Counter[str | None]) -> str:
    """Outcomes of permits as a person reads them."""
    return ", ".join(f"{count} {outcome or 'without receipt'}" for outcome, count in outcomes.items()) or "no permit"
