"""The fault catalogue through the whole window: planted the finding appears, healed it is gone.

``make test`` takes a sample, ``make faults`` all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from sandbox import faults
from sandbox.config import rewrite_config
from tests.e2e.conftest import Running
from tests.e2e.test_sandbox import by_key

#: Fault → the group that sees it, the finding's key (its beginning), the level it appears with.
SEEN = {
    "error-burst": ("health", "metric:error_rate", "critical"),
    "failed-logins": ("security", "failed_logins:", "warning"),
    "connection-saturation": ("database", "connections", "critical"),
    "role-without-pg-monitor": ("database", "connections", "unknown"),
    "stale-backup": ("backups", "backups:age", "critical"),
    "corrupt-backup": ("backups", "backups:integrity", "critical"),
    "backup-truncated-file": ("backups", "backups:", "critical"),
    "backup-missing-file": ("backups", "backups:", "critical"),
    "missing-wal": ("backups", "backups:wal", "critical"),
    "backup-truncated-segment": ("backups", "backups:", "critical"),
    "backup-unfinished": ("backups", "backups:", "critical"),
    "backup-broken-manifest": ("backups", "backups:", "critical"),
    "stale-dump": ("backups", "backups:dumps:age", "critical"),
    "corrupt-dump": ("backups", "backups:dumps:integrity", "critical"),
    "dump-truncated-file": ("backups", "backups:dumps:integrity", "critical"),
    "dump-missing-file": ("backups", "backups:dumps:integrity", "critical"),
    "dump-unfinished": ("backups", "backups:dumps:", "critical"),
    "function-500": ("errors", "step:errors.get_error_analytics", "unknown"),
    "function-success-false": ("errors", "step:errors.get_error_analytics", "unknown"),
    "function-truncated": ("errors", "step:errors.get_error_analytics", "unknown"),
    "function-html": ("errors", "step:errors.get_error_analytics", "unknown"),
    "expired-key": ("health", "step:health.system_status", "unknown"),
    "long-transaction": ("database", "long_running_queries:app:", "warning"),
}
#: A transaction counts as long after this in these runs, not after five minutes.
LONG_MINUTES = 0.1
#: What a run cannot show within a test's patience, with the test that shows it instead.
ELSEWHERE = {
    "bloat": "judged weekly (G54): tests/areas/tables/test_dead_rows.py, and removed in tests/e2e/test_weekly.py",
    "index-bloat": "judged monthly (G57): tests/sandbox/test_faults.py, removed in tests/areas/indexes/test_reindex.py",
    "unvalidated-constraint": "judged monthly (G60): tests/sandbox/test_faults.py",
    "function-never": "ends after minutes of retries: tests/wires/test_transport.py",
    "function-rolled-back": "no fault, but what is attested monthly (G104): tests/areas/backups/test_rollback.py",
    "function-slow-when-cold": "cold after ten minutes of silence: tests/areas/health/test_latencies.py",
}
#: Planted together: a run costs more than the checks in it. None hides another.
SAMPLE = (
    ("failed-logins", "corrupt-backup", "corrupt-dump", "long-transaction", "expired-key"),
    ("connection-saturation",),
    ("role-without-pg-monitor",),
)
PLANTED = tuple((name,) for name in sorted(SEEN)) if os.environ.get("UPKEEP_FAULTS") == "all" else SAMPLE


@pytest.fixture(scope="module")
def impatient(running: Running) -> Iterator[None]:
    """The sandbox's limit of long queries is a few seconds."""
    kept: dict[str, Any] = {}

    def lower(content: dict[str, Any]) -> None:
        kept.update(content["checks"])
        content["checks"]["long_query_minutes"] = LONG_MINUTES

    rewrite_config(running.sandbox, lower)
    yield
    rewrite_config(running.sandbox, lambda content: content["checks"].update(kept))


def test_every_fault_of_the_catalogue_is_shown_somewhere() -> None:
    """A fault that nobody looks for is not in the catalogue for nothing."""
    assert set(SEEN) | set(ELSEWHERE) == set(faults.FAULTS)
    assert not set(SEEN) & set(ELSEWHERE)


def seen(running: Running, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Fault → what a run says of it: key → level."""
    run = running.trigger({"groups": sorted({SEEN[name][0] for name in names})})
    running.finish(run)
    levels = {key: one["level"] for key, one in by_key(running.report(run)).items()}
    return {name: {key: levels[key] for key in levels if key.startswith(SEEN[name][1])} for name in names}


@pytest.fixture(scope="module")
def before(running: Running, impatient: None) -> Iterator[dict[str, dict[str, str]]]:
    """What a run says before any fault is planted; when each has been healed, one more says the same."""
    names = [name for together in PLANTED for name in together]
    found = seen(running, names)
    yield found
    assert seen(running, names) == found


@pytest.mark.parametrize("names", PLANTED, ids=" ".join)
def test_a_fault_appears_and_disappears(
    running: Running, before: dict[str, dict[str, str]], names: tuple[str, ...]
) -> None:
    """Planted by the command that a person types, seen by a real run, healed."""
    try:
        for name in names:
            planted = running.cli("fault", name)
            assert planted.returncode == 0, planted.stdout + planted.stderr
        if "long-transaction" in names:
            time.sleep(60 * LONG_MINUTES)
        found = seen(running, names)
        hidden = [name for name in names if found[name] == before[name] or SEEN[name][2] not in found[name].values()]
        assert not hidden, found
    finally:
        healed = [running.cli("heal", name) for name in names]
    for each in healed:
        assert each.returncode == 0, each.stdout + each.stderr


def test_an_unknown_fault_is_refused(running: Running) -> None:
    """The message names the known ones."""
    refused = running.cli("fault", "earthquake")
    assert refused.returncode == 1
    assert "'earthquake'" in refused.stderr
    assert "failed-logins" in refused.stderr
