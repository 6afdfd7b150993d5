"""The fault catalogue through the whole window: planted the finding appears, healed it is gone.

``make test`` takes a sample, ``make faults`` all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
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
SAMPLE = (
    "failed-logins",
    "connection-saturation",
    "corrupt-backup",
    "long-transaction",
    "role-without-pg-monitor",
    "expired-key",
)


@pytest.fixture
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


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", sorted(SEEN) if os.environ.get("UPKEEP_FAULTS") == "all" else SAMPLE)
def test_a_fault_appears_and_disappears(running: Running, name: str) -> None:
    """Planted by the command that a person types, seen by a real run; healed, the next one sees what was before."""
    group, key, level = SEEN[name]

    def seen() -> dict[str, str]:
        run = running.trigger({"groups": [group]})
        running.finish(run)
        findings = by_key(running.report(run))
        return {each: one["level"] for each, one in findings.items() if each.startswith(key)}

    before = seen()
    planted = running.cli("fault", name)
    assert planted.returncode == 0, planted.stdout + planted.stderr
    try:
        if name == "long-transaction":
            time.sleep(60 * LONG_MINUTES)
        found = seen()
        assert found != before
        assert level in found.values()
    finally:
        healed = running.cli("heal", name)
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert seen() == before


def test_an_unknown_fault_is_refused(running: Running) -> None:
    """The message names the known ones."""
    refused = running.cli("fault", "earthquake")
    assert refused.returncode == 1
    assert "'earthquake'" in refused.stderr
    assert "failed-logins" in refused.stderr
