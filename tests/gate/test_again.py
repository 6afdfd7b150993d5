"""What people, config and the clock say is looked at again before each action, not once for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.stages.sessions import until
from tests.stages.stage import Go, Stage, changed, states
from upkeep.gate.apply.target import LOCK
from upkeep.settings.approval import Role
from upkeep.settings.base import ConfigError
from upkeep.settings.maintenance import Maintenance

GONE = "bob, who approved as devops, does not hold that role any more"


def without_bob(config: Maintenance) -> Maintenance:
    """The config after somebody has taken bob out of his role."""
    return config.model_copy(update={"roles": {**config.roles, "devops": Role(title="DevOps", users=("eve",))}})


def test_who_is_removed_while_one_action_runs_has_not_approved_the_next(stage: Stage) -> None:
    """Config is read again before each action: what runs goes on, what has not begun is refused."""
    stage.dirty("a", "b")
    stored = stage.approved()
    config = changed(stage.config, guards={"lock_timeout_seconds": 60.0})
    files = [config]
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE a IN SHARE MODE")
        go = Go(lambda: stage.apply(stored, config=config, reread=lambda: files[-1]))
        stage.until_running("VACUUM%a")
        files.append(without_bob(config))
    outcomes = go.result()
    assert states(outcomes) == {"a": "done", "b": "refused"}
    assert outcomes["b"].reason == GONE
    assert stage.permits(stored) == [("a", 1, "done")]


def test_who_is_removed_while_an_action_waits_for_quiet_has_not_approved_it(stage: Stage) -> None:
    """The wait for the guards may be long: after it, and before the permit, everything is judged again."""
    stage.dirty("a", "b")
    stored = stage.approved()
    config = changed(stage.config, guards={"lock_timeout_seconds": 60.0})
    files = [config]
    with ThreadPoolExecutor() as pool, psycopg.connect(stage.dsn) as holder, psycopg.connect(stage.dsn) as waiter:
        holder.execute("LOCK TABLE a IN SHARE MODE")
        go = Go(lambda: stage.apply(stored, config=config, reread=lambda: files[-1]))
        stage.until_running("VACUUM%a")
        waiting = pool.submit(waiter.execute, "SELECT pg_advisory_lock(%s)", [LOCK])  # waits for a lock of ours
        until(lambda: any(text.startswith("Waiting: ") for text in stage.said))
        files.append(without_bob(config))
        waiter.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiting.result()
    outcomes = go.result()
    assert states(outcomes) == {"a": "not done", "b": "refused"}
    assert outcomes["b"].reason == GONE
    assert stage.permits(stored) == [("a", 1, "not done")]


def test_a_config_that_cannot_be_read_any_more_refuses_what_has_not_begun(stage: Stage) -> None:
    """Half a file is no config in which everybody still holds their role."""
    stage.dirty("kept")
    stored = stage.approved()

    def broken() -> Maintenance:
        raise ConfigError("config/maintenance.yaml: roles: found nothing, expected this setting to be given")

    outcome = stage.apply(stored, reread=broken)["kept"]
    assert outcome.state == "refused"
    assert outcome.reason.startswith("config can no longer be read: config/maintenance.yaml: roles: found nothing")
    assert stage.vacuums() == {"kept": 0}
