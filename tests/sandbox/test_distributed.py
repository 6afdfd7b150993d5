"""A sandbox on Celery: what it runs, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import commands, distributed
from sandbox.processes import SandboxError
from sandbox.programs import programs_of, supervisor_config
from sandbox.stack import environment, open_sandbox


def test_the_executor_is_kept_and_decides_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two schedulers and two workers that know their names; the usual sandbox has one scheduler and no queue."""
    usual = open_sandbox(tmp_path / "usual")
    monkeypatch.setenv(distributed.EXECUTOR, distributed.CELERY)
    celery = open_sandbox(tmp_path / "celery")
    monkeypatch.delenv(distributed.EXECUTOR)
    assert open_sandbox(tmp_path / "celery") == celery
    own = {"redis", "scheduler-2", *distributed.WORKERS}
    assert set(programs_of(celery)) - set(programs_of(usual)) == own
    assert next(iter(programs_of(celery))) == "redis"
    found = supervisor_config(celery)
    assert all(f'{distributed.WORKER}="{name}"' in found for name in distributed.WORKERS)
    executors = [environment(one)["AIRFLOW__CORE__EXECUTOR"] for one in (usual, celery)]
    assert executors == [distributed.LOCAL, distributed.CELERY]
    conf = celery.folder / "redis.conf"
    assert conf.stat().st_mode & 0o777 == 0o600 and f"port {celery.ports['redis']}" in conf.read_text()


def test_a_worker_tells_airflow_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """All run on one host: without a name of its own nobody could say who ran what."""
    assert distributed.host() == "sandbox"
    monkeypatch.setenv(distributed.WORKER, "worker-2")
    assert distributed.host() == "worker-2"


@pytest.mark.parametrize(
    ("made_with", "asked", "redis", "says"),
    [
        (
            "KubernetesExecutor",
            "KubernetesExecutor",
            True,
            "found 'KubernetesExecutor', expected LocalExecutor or CeleryExecutor",
        ),
        ("", distributed.CELERY, True, "was made with LocalExecutor"),
        (distributed.CELERY, "", False, "found no redis-server. Run: sudo apt-get install redis-server"),
    ],
    ids=["unknown", "another", "no-redis"],
)
def test_what_cannot_be_brought_up_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_with: str, asked: str, redis: bool, says: str
) -> None:
    """An executor nobody knows, another one than the sandbox was made with, a Redis that is not installed."""
    monkeypatch.setenv("UPKEEP_SANDBOX", str(tmp_path))
    monkeypatch.setenv(distributed.EXECUTOR, made_with)
    open_sandbox()
    monkeypatch.setenv(distributed.EXECUTOR, asked)
    if not redis:
        monkeypatch.setattr(distributed, "_redis_server", lambda: None)
    with pytest.raises(SandboxError, match=says):
        commands.up()
