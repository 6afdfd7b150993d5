"""The DAG folder as Airflow sees it: exactly the DAGs, tasks, owners and clocks that we mean."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stages.dags import look
from upkeep.settings.base import ROOT
from upkeep.settings.monthly import MONTHLY_TASKS

#: The weekly looks before the plan, and those that are repeated after it.
TWICE = ("optimisation.dead_rows", "indexes.unused_indexes", "indexes.duplicate_indexes", "indexes.invalid_indexes")
FIRST = (
    "optimisation.freeze_age",
    "indexes.index_recommendations",
    "indexes.index_recommendations_by_table",
    "indexes.missing_indexes",
    "logs.cleanup_and_archival",
    "patches.npm_audit",
    "patches.npm_outdated",
    "patches.version_lag",
    "access.access_patterns",
    "access.new_queries",
    "access.permissions",
    "trends.performance_report",
    "trends.get_error_trends",
    "trends.query_optimization",
    "trends.slow_queries",
    "capacity.database_metrics",
    "capacity.scalability_report",
    "thresholds.thresholds",
)
GROUPS = ["health", "performance", "errors", "database", "security", "backups"]


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a parse of the shipped DAGs with the shipped config brings."""
    return look(tmp_path_factory.mktemp("home"))


@pytest.fixture
def daily(parsed: dict[str, Any]) -> Mapping[str, Any]:
    """The daily DAG."""
    found: Mapping[str, Any] = parsed["dags"]["maintenance_daily"]
    return found


def test_exactly_these_dags(parsed: dict[str, Any]) -> None:
    """A DAG that nobody told this test about fails it, and so does one that is gone."""
    assert set(parsed["dags"]) == {"maintenance_daily", "maintenance_weekly", "maintenance_monthly"}


def test_parsing_imports_no_driver_and_no_web_framework(parsed: dict[str, Any]) -> None:
    """Parsing is what the dag-processor does all day: the heavy libraries come when a task runs."""
    assert parsed["ours"] is True
    assert parsed["imported"] == []


@pytest.mark.guide("G1", "holds")
def test_the_daily_schedule_is_the_guides(daily: Mapping[str, Any]) -> None:
    """02:00 UTC every day, one window at a time, nothing caught up on its own (G1)."""
    assert (daily["schedule"], daily["catchup"], daily["max_active_runs"]) == ("0 2 * * * UTC", False, 1)


@pytest.mark.guide("G2-G7", "holds")
def test_exactly_these_tasks_in_this_order(daily: Mapping[str, Any]) -> None:
    """The window opens, the groups look side by side, the report waits for all, the verdict for the report."""
    first = {
        "health.system_status",
        "performance.function_latencies",
        "performance.overnight_alerts",
        "errors.get_error_analytics",
        "database.performance_analysis",
        "database.scalability_report",
        "database.table_sizes",
        "database.long_running_queries",
        "database.connections",
        "database.server",
        "security.get_errors",
        "security.failed_logins",
        "security.new_addresses",
        "security.rate_limits",
        "security.service_role_hours",
        "security.scan_age",
        "backups.newest_backup",
    }
    beside = "database.database_expectations"
    tasks = daily["tasks"]
    assert set(tasks) == {"open_window", "report", "verdict", beside} | first
    assert all(tasks[step]["upstream"] == ["open_window"] for step in first)
    assert tasks[beside]["upstream"] == ["database.scalability_report"]
    assert tasks[beside]["rule"] == "all_done"  # SQL is measured also when the function did not answer
    assert set(tasks["report"]["upstream"]) == (first | {beside}) - {"database.scalability_report"}
    assert tasks["verdict"]["upstream"] == ["report"]
    assert tasks["report"]["rule"] == "all_done"


@pytest.mark.guide("X11", "holds")
def test_every_task_has_an_owner_a_clock_and_few_retries(daily: Mapping[str, Any]) -> None:
    """X11: no task without an execution timeout; the verdict is never retried."""
    for name, task in daily["tasks"].items():
        assert task["owner"] == "DevOps Engineer", name
        assert 0 < task["timeout"] <= 600, name
        assert task["retries"] == (0 if name == "verdict" else 1), name


@pytest.fixture
def weekly(parsed: dict[str, Any]) -> Mapping[str, Any]:
    """The weekly DAG."""
    found: Mapping[str, Any] = parsed["dags"]["maintenance_weekly"]
    return found


@pytest.mark.guide("G12", "holds")
def test_the_weekly_schedule_is_the_guides(weekly: Mapping[str, Any]) -> None:
    """Sundays 03:00 UTC; a run that waits for the next window does not hold up that window's own (G12)."""
    assert (weekly["schedule"], weekly["catchup"]) == ("0 3 * * 0 UTC", False)
    assert weekly["max_active_runs"] > 1


@pytest.mark.guide("G12", "holds")
def test_nothing_is_applied_but_behind_the_approvals(weekly: Mapping[str, Any]) -> None:
    """Evidence, plan, one question per role, the wait, one apply that is never retried, evidence, report (G12)."""
    tasks = weekly["tasks"]
    looks = {f"evidence.{name}" for name in (*FIRST, *TWICE)}
    second = {f"after.{name}" for name in TWICE}
    late = {"evidence.trends.trends", "evidence.capacity.capacity"}
    asked = {f"approve.{role}" for role in ("dba", "devops", "lead")}
    chain = {"open_window", "plan", "wait_for_window", "apply", "report", "verdict"}
    assert set(tasks) == looks | late | second | asked | chain
    upstream = {name: set(task["upstream"]) for name, task in tasks.items()}
    assert all(upstream[name] == {"open_window"} for name in looks)
    measured = {"evidence.trends.performance_report", "evidence.trends.get_error_trends"}
    assert upstream["evidence.trends.trends"] == measured
    assert upstream["evidence.capacity.capacity"] == {"evidence.capacity.scalability_report"}
    assert upstream["plan"] == looks - measured - {"evidence.capacity.scalability_report"} | late
    assert all(upstream[name] == {"plan"} for name in asked)
    assert (upstream["wait_for_window"], upstream["apply"]) == (asked, {"wait_for_window"})
    assert all(upstream[name] == {"apply"} for name in second)
    assert (upstream["report"], upstream["verdict"]) == (second, {"report"})
    assert tasks["apply"]["retries"] == 0
    assert tasks["approve.dba"]["owner"] == "Database Administrator"
    rules = {name: task["rule"] for name, task in tasks.items()}
    assert all(rules[name] == "all_done" for name in set(tasks) - looks - {"open_window", "verdict"})


@pytest.fixture
def monthly(parsed: dict[str, Any]) -> Mapping[str, Any]:
    """The monthly DAG."""
    found: Mapping[str, Any] = parsed["dags"]["maintenance_monthly"]
    return found


@pytest.mark.guide("G23", "X8", "holds")
def test_the_monthly_schedule_is_the_guides(monthly: Mapping[str, Any]) -> None:
    """First Sundays 02:00 UTC, and not the days 1 to 7 or Sundays (G23, X8)."""
    assert (monthly["schedule"], monthly["catchup"]) == ("0 2 * * 0#1 UTC", False)
    assert monthly["max_active_runs"] > 1


@pytest.mark.guide("G23", "G24", "G26-G30", "G133-G136", "holds")
def test_the_month_waits_for_its_people_where_they_decide_and_nowhere_else(monthly: Mapping[str, Any]) -> None:
    """G23-G30: evidence beside sign-on, sealed, attested by owner; plan, approval, apply; sign-off after the report."""
    tasks = monthly["tasks"]
    upstream = {name: set(task["upstream"]) for name, task in tasks.items()}
    evidence = {name for name in tasks if name.startswith("evidence.")}
    assert {name.split(".")[1] for name in evidence} == set(MONTHLY_TASKS)
    assert upstream["sign_on.quorum"] == {"open_window"}
    first = {name for name in evidence if upstream[name] == {"open_window"}}
    assert evidence - first == {"evidence.audit.consents", "evidence.capacity.scaling"}
    signers = {f"sign_on.{role}" for role in ("dba", "devops", "lead", "security")}
    owners = {f"attest.{role}" for role in ("dba", "devops", "lead", "security")}
    assert all(upstream[name] == {"sign_on.quorum"} for name in signers)
    asked_by_others = {"evidence.audit.compliance_report", "evidence.capacity.scalability_report"}
    assert upstream["attest.seal"] == evidence - asked_by_others
    assert all(upstream[name] == {"attest.seal"} for name in owners)
    assert upstream["plan"] == signers | owners
    approvals = {name for name in tasks if name.startswith("approve.")}
    assert all(upstream[name] == {"plan"} for name in approvals)
    assert (upstream["wait_for_window"], upstream["apply"]) == (approvals, {"wait_for_window"})
    after = {name for name in tasks if name.startswith("after.")}
    assert all(upstream[name] == {"apply"} for name in after)
    assert (upstream["report"], upstream["verdict"], upstream["sign_off.sheet"]) == (after, {"report"}, {"report"})
    assert (upstream["sign_off.lead"], upstream["sign_off.signed_report"]) == ({"sign_off.sheet"}, {"sign_off.lead"})
    assert tasks["apply"]["retries"] == 0
    titles = {
        "dba": "Database Administrator",
        "devops": "DevOps Engineer",
        "security": "Security Engineer",
        "lead": "Technical Lead",
    }
    assert all(tasks[f"attest.{role}"]["owner"] == title for role, title in titles.items())
    ends = {"plan", "apply", "report", "attest.seal", "wait_for_window", "sign_off.signed_report"}
    assert all(tasks[name]["rule"] == "all_done" for name in ends | signers | owners | approvals | after)


@pytest.mark.guide("X9", "holds")
def test_apply_alone_waits_in_the_pool_of_mutations(parsed: dict[str, Any]) -> None:
    """One slot of ``upkeep_mutations``, which the sandbox makes with one: the second apply waits in Airflow's queue."""
    pools = {
        (dag, name): task["pool"] for dag, found in parsed["dags"].items() for name, task in found["tasks"].items()
    }
    mutations = {key for key, pool in pools.items() if pool != ["default_pool", 1]}
    assert mutations == {("maintenance_weekly", "apply"), ("maintenance_monthly", "apply")}
    assert all(pools[key] == ["upkeep_mutations", 1] for key in mutations)


def test_when_to_apply_is_one_of_two_words(weekly: Mapping[str, Any]) -> None:
    """The weekly form adds one choice, and no free text."""
    assert set(weekly["params"]) == {"groups", "dry_run", "when"}
    assert weekly["params"]["when"]["enum"] == ["for the next window", "now, outside the calendar"]


def test_the_form_holds_groups_and_dry_run_only(daily: Mapping[str, Any]) -> None:
    """Nothing that a person types can reach a connection, URL, SQL or path."""
    assert set(daily["params"]) == {"groups", "dry_run"}
    assert daily["params"]["groups"]["items"]["enum"] == GROUPS
    assert daily["params"]["dry_run"]["type"] == "boolean"


def test_the_runbook_is_the_docstring(daily: Mapping[str, Any]) -> None:
    """The UI's Dag Docs say what it touches and what to do when it is red."""
    for part in ("02:00 UTC", "**Touches**", "**The report**", "**When something is red**"):
        assert part in daily["doc"]


def test_a_second_target_gets_dags_of_its_own(tmp_path: Path) -> None:
    """The first target's DAG keeps its name when a second target comes; the second's carries a suffix."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "maintenance.yaml"
    second = "  staging:\n    title: Staging\n    connections: {functions: f2, read: r2}\n\nledger:"
    text = file.read_text()
    assert "\nledger:" in text
    file.write_text(text.replace("\nledger:", second, 1))
    names = {f"maintenance_{cadence}" for cadence in ("daily", "weekly", "monthly")}
    assert set(look(tmp_path, config)["dags"]) == names | {f"{name}__staging" for name in names}


def test_a_metric_that_no_call_brings_fails_the_parse(tmp_path: Path) -> None:
    """A metric looked for in an answer that is never asked for would be missing in every report without a word."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "maintenance.yaml"
    text = file.read_text()
    line = "cpu_usage:            {function: production-monitoring, action: system_status"
    assert line in text
    file.write_text(text.replace(line, line.replace("system_status", "health_check")))
    with pytest.raises(AssertionError, match=r"metrics\.cpu_usage: found production-monitoring health_check, expected"):
        look(tmp_path, config)


def test_a_broken_config_fails_the_parse_and_names_the_setting(tmp_path: Path) -> None:
    """Airflow shows it as an import error: the file, the setting, what was found."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "maintenance.yaml"
    file.write_text(file.read_text().replace("attempts:", "atempts:"))
    with pytest.raises(AssertionError, match=r"maintenance\.yaml: http\.atempts: found a setting that does not exist"):
        look(tmp_path, config)


def test_a_kind_of_action_that_nobody_approves_fails_the_parse(tmp_path: Path) -> None:
    """Airflow shows it as an import error of every DAG: the setting, what was found, what was expected."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "maintenance.yaml"
    line = "    reindex: [dba, devops]"
    assert line in file.read_text()
    file.write_text(file.read_text().replace(line, "    #"))
    said = r"maintenance\.yaml: approval\.roles: found \['baselines'.*\], expected a list of roles for exactly \['base"
    with pytest.raises(AssertionError, match=said):
        look(tmp_path, config)


def test_looks_at_the_ledger_run_whatever_became_of_the_calls(parsed: dict[str, Any]) -> None:
    """A call that failed is no reason not to compare the others."""
    tasks = {name: task for dag in parsed["dags"].values() for name, task in dag["tasks"].items()}
    rules = {name.rpartition(".")[2]: task["rule"] for name, task in tasks.items()}
    assert {name: rules[name] for name in ("trends", "capacity", "scaling", "costs")} == dict.fromkeys(
        ("trends", "capacity", "scaling", "costs"), "all_done"
    )
