"""The DAG folder as Airflow sees it: exactly the DAGs, tasks, owners and clocks that we mean."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stages.dags import look
from tests.stages.ok_means import ANSWERS, CHECKS, INSPECTIONS, places
from upkeep.areas import answers
from upkeep.settings.base import ROOT
from upkeep.settings.monthly import MONTHLY_TASKS

#: Looks that others measure for, by the one that waits for them.
WAITING = {
    "database.database_expectations": {"database.scalability_report"},
    "evidence.indexes.missing_indexes": {"evidence.backups.restoration"},
    "evidence.trends.trends": {"evidence.trends.performance_report", "evidence.trends.get_error_trends"},
    "evidence.capacity.capacity": {"evidence.capacity.scalability_report"},
    "evidence.capacity.scaling": {"evidence.capacity.scalability_report"},
    "evidence.audit.consents": {"evidence.audit.compliance_report"},
}
GROUPS = ["calendar", "health", "performance", "errors", "database", "security", "backups"]


def looking(dag: Mapping[str, Any]) -> set[str]:
    """The tasks of a DAG that look at something."""
    return {name for name, task in dag["tasks"].items() if task["look"]}


def every_look(parsed: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """DAG, name and task of each look."""
    return [(dag, name, found["tasks"][name]) for dag, found in parsed["dags"].items() for name in looking(found)]


def looks_first(dag: Mapping[str, Any], looks: set[str], opened: str) -> set[str]:
    """Hold that looks wait for the opening alone, but those that wait for another; the ends, which others wait for."""
    upstream = {name: set(dag["tasks"][name]["upstream"]) for name in looks}
    late = {name: before for name, before in WAITING.items() if name in looks}
    assert upstream == {name: late.get(name, {opened}) for name in looks}
    return looks - set().union(*late.values())


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
    assert set(parsed["dags"]) == {
        "maintenance_daily",
        "maintenance_weekly",
        "maintenance_monthly",
        "maintenance_alerts",
    }


def test_alerts_are_two_tasks_that_reports_and_the_clock_wake(parsed: dict[str, Any]) -> None:
    """Judge, then deliver; one run at a time, none caught up; each report announces itself, the watch what changed."""
    alerts = parsed["dags"]["maintenance_alerts"]
    assert (alerts["schedule"], alerts["catchup"], alerts["max_active_runs"]) == ("*/10 * * * * UTC", False, 1)
    assert {name: task["upstream"] for name, task in alerts["tasks"].items()} == {"judge": [], "deliver": ["judge"]}
    announced = {
        (dag, name)
        for dag, found in parsed["dags"].items()
        for name, task in found["tasks"].items()
        if task["outlets"] == ["upkeep_report"]
    }
    assert alerts["assets"] == ["upkeep_report", "upkeep_alerts"]
    assert announced == {
        ("maintenance_daily", "report"),
        ("maintenance_weekly", "report"),
        ("maintenance_monthly", "report"),
        ("maintenance_monthly", "sign_off.signed_report"),
    }


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
    looks = looking(daily)
    assert {name.partition(".")[0] for name in looks} == set(GROUPS)
    ends = looks_first(daily, looks, "open_window")
    tasks = daily["tasks"]
    assert set(tasks) - looks == {"open_window", "report", "verdict"}
    assert tasks["database.database_expectations"]["rule"] == "all_done"  # SQL measures also when the call failed
    assert set(tasks["report"]["upstream"]) == ends
    assert tasks["verdict"]["upstream"] == ["report"]
    assert tasks["report"]["rule"] == "all_done"


@pytest.mark.guide("X11", "holds")
def test_every_task_has_an_owner_a_clock_and_few_retries(daily: Mapping[str, Any]) -> None:
    """X11: no task without an execution timeout; the verdict is never retried."""
    for name, task in daily["tasks"].items():
        assert 0 < task["timeout"] <= 600, name
        assert task["retries"] == (0 if name == "verdict" else 1), name


#: Each group's owner: of config/routing.yaml, the DevOps Engineer's where it names none.
OWNERS = {"performance": "Technical Lead", "database": "Database Administrator", "security": "Security Engineer"}


@pytest.mark.guide("G133-G136", "holds")
def test_each_look_is_owned_as_its_findings_are(daily: Mapping[str, Any], weekly: Mapping[str, Any]) -> None:
    """In the owner column of Airflow's tasks: by the group, or its group, as routing.owners says."""
    for name, task in daily["tasks"].items():
        assert task["owner"] == OWNERS.get(name.partition(".")[0], "DevOps Engineer"), name
    owners = {name: task["owner"] for name, task in weekly["tasks"].items()}
    assert owners["evidence.indexes.unused_indexes"] == "Database Administrator"
    assert owners["evidence.access.permissions"] == "Security Engineer"
    assert owners["evidence.trends.performance_report"] == "Technical Lead"
    assert owners["evidence.patches.npm_audit"] == "DevOps Engineer"


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
    second = {name for name in tasks if name.startswith("after.")}
    looks = looking(weekly) - second
    assert all(name.startswith("evidence.") for name in looks)
    asked = {f"approve.{role}" for role in ("dba", "devops", "lead", "security")}
    chain = {"open_window", "plan", "wait_for_window", "apply", "report", "verdict"}
    assert set(tasks) == looks | second | asked | chain
    upstream = {name: set(task["upstream"]) for name, task in tasks.items()}
    assert upstream["plan"] == looks_first(weekly, looks, "open_window")
    assert all(upstream[name] == {"plan"} for name in asked)
    assert (upstream["wait_for_window"], upstream["apply"]) == (asked, {"wait_for_window"})
    assert all(upstream[name] == {"apply"} for name in second)
    assert (upstream["report"], upstream["verdict"]) == (second, {"report"})
    assert tasks["apply"]["retries"] == 0
    assert tasks["approve.dba"]["owner"] == "Database Administrator"
    rules = {name: task["rule"] for name, task in tasks.items()}
    late = looks & set(WAITING)
    assert all(rules[name] == "all_done" for name in (set(tasks) - looks - {"open_window", "verdict"}) | late)


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
    signers = {f"sign_on.{role}" for role in ("dba", "devops", "lead", "security")}
    owners = {f"attest.{role}" for role in ("dba", "devops", "lead", "security")}
    assert all(upstream[name] == {"sign_on.quorum"} for name in signers)
    assert upstream["attest.seal"] == looks_first(monthly, evidence, "open_window")
    assert all(upstream[name] == {"attest.seal"} for name in owners)
    assert upstream["plan"] == signers | owners
    approvals = {name for name in tasks if name.startswith("approve.")}
    assert all(upstream[name] == {"plan"} for name in approvals)
    assert (upstream["wait_for_window"], upstream["apply"]) == (approvals, {"wait_for_window"})
    after = {name for name in tasks if name.startswith("after.")}
    assert looking(monthly) == evidence | after
    assert upstream["after.rollback.function_health"] == owners  # after the answers, not after the plan
    assert all(upstream[name] == {"apply"} for name in after - {"after.rollback.function_health"})
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


def test_every_look_is_where_the_table_says(parsed: dict[str, Any]) -> None:
    """A look that goes from a window, comes into one or changes its group differs from docs/what-ok-means.md."""
    found: dict[str, dict[str, Counter[str]]] = {CHECKS: {}, ANSWERS: {}, INSPECTIONS: {}}
    for dag, name, task in every_look(parsed):
        seen = task["look"]
        if "check" in seen:
            title, known = CHECKS, seen["check"].rpartition("/")[2]
        elif "inspection" in seen:
            title, known = INSPECTIONS, seen["inspection"]
        elif "action" in seen:
            title, known = ANSWERS, f"{seen['function']} {seen['action']}"
        else:
            continue
        place = f"{dag.removeprefix('maintenance_')} {name.split('.')[-2]}"
        found[title].setdefault(known, Counter())[place] += 1
    for title, looks in found.items():
        assert looks == places(title)


def test_what_a_plan_changes_is_looked_at_before_and_after(parsed: dict[str, Any]) -> None:
    """Each look after apply is one that the plan was drawn up beside: by the same name, in the same group."""
    for dag in ("maintenance_weekly", "maintenance_monthly"):
        tasks = parsed["dags"][dag]["tasks"]
        after = {name: task["look"] for name, task in tasks.items() if name.startswith("after.")}
        before = {f"after.{name.removeprefix('evidence.')}": task["look"] for name, task in tasks.items()}
        assert after and after.items() <= before.items()


def test_the_daily_calls_are_those_that_check_asks_for(daily: Mapping[str, Any]) -> None:
    """`python -m upkeep check` and the bench ask what this DAG asks: functions, arguments, guide items."""
    calls = [task["look"] for task in daily["tasks"].values() if "action" in task["look"]]
    asked = [call._asdict() | {"arguments": dict(call.arguments)} for call in answers.DAILY]
    assert sorted(calls, key=str) == sorted(({key: one[key] for key in calls[0]} for one in asked), key=str)


@pytest.mark.guide("G85", "holds")
def test_indexes_are_asked_for_all_tables_and_for_the_guides(weekly: Mapping[str, Any]) -> None:
    """Two calls of one action: without a filter, and of the heavily used tables (G85)."""
    tasks = weekly["tasks"]
    every, named = (
        tasks[f"evidence.indexes.index_recommendations{name}"]["look"]["arguments"] for name in ("", "_by_table")
    )
    tables = ["user_consents", "data_processing_logs", "error_logs", "performance_alerts"]
    assert (every, named) == ({"table_filters": {}}, {"table_filters": {"include_tables": tables}})


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
    for part in ("**Touches**", "**The report**", "**When something is red**"):
        assert part in daily["doc"]


@pytest.fixture
def two_targets(tmp_path: Path) -> Path:
    """The shipped config and a second target, which has a weekly window of its own."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "maintenance.yaml"
    second = (
        "  staging:\n    title: Staging\n    connections: {functions: f2, read: r2}\n"
        '    windows: {weekly: {cron: "30 6 * * 0", length_minutes: 60}}\n\nledger:'
    )
    text = file.read_text()
    assert "\nledger:" in text
    file.write_text(text.replace("\nledger:", second, 1))
    return config


def test_a_second_target_gets_dags_of_its_own(tmp_path: Path, two_targets: Path) -> None:
    """The first target's DAG keeps its name when a second one comes; that one's carry a suffix, at times of its own."""
    names = {f"maintenance_{cadence}" for cadence in ("daily", "weekly", "monthly")}
    dags = look(tmp_path, two_targets)["dags"]
    assert set(dags) == {"maintenance_alerts"} | names | {f"{name}__staging" for name in names}
    assert {name: dags[name]["schedule"] for name in ("maintenance_weekly", "maintenance_weekly__staging")} == {
        "maintenance_weekly": "0 3 * * 0 UTC",
        "maintenance_weekly__staging": "30 6 * * 0 UTC",
    }
    assert dags["maintenance_daily__staging"]["schedule"] == dags["maintenance_daily"]["schedule"]


def test_the_runbook_says_when_the_targets_own_window_is_due(tmp_path: Path, two_targets: Path) -> None:
    """Each DAG's page names the times in force and the setting that they are from; no page names another target's."""
    dags = look(tmp_path, two_targets)["dags"]
    said = {name: dags[name]["doc"].partition("**Due**")[2].partition("\n")[0].strip() for name in dags}
    assert said["maintenance_weekly"] == "`0 3 * * 0` in UTC, open for 120 minutes (`windows.weekly`)"
    assert said["maintenance_daily__staging"] == said["maintenance_daily"]
    assert said["maintenance_weekly__staging"] == (
        "`30 6 * * 0` in UTC, open for 60 minutes (`targets.staging.windows.weekly`)"
    )
    assert [name for name in dags if "0:00" in dags[name]["doc"] or "Sunday" in dags[name]["doc"]] == []


@pytest.mark.parametrize("running", ["maintenance_weekly", "maintenance_weekly__staging"])
def test_the_process_of_a_task_builds_no_other_targets_dag(tmp_path: Path, two_targets: Path, running: str) -> None:
    """Airflow parses the whole file for each task, and says which DAG the task is of: twenty targets cost it one."""
    built = set(look(tmp_path, two_targets, running)["dags"])
    assert {name for name in built if name.startswith("maintenance_weekly")} == {running}


def test_a_dag_that_nobody_knows_builds_all(tmp_path: Path, two_targets: Path) -> None:
    """Of a target that was taken out of config or renamed, so that Airflow says itself which DAG it does not find."""
    assert len(look(tmp_path, two_targets, "maintenance_weekly__gone")["dags"]) == 7


def test_a_task_holds_no_copy_of_its_dags_form(parsed: dict[str, Any]) -> None:
    """Airflow copies what a DAG's form holds into each task made after it: half of the time that parsing took."""
    assert [name for name, dag in parsed["dags"].items() if not dag["params"]] == ["maintenance_alerts"]
    assert [
        (dag, name) for dag, found in parsed["dags"].items() for name, t in found["tasks"].items() if t["form"]
    ] == []


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
    line = "    default: [dba, devops]"
    assert line in file.read_text()
    file.write_text(file.read_text().replace(line, "    #"))
    said = r"maintenance\.yaml: approval\.roles: found \['archive'.*\], expected a list of roles for each of \['archive"
    with pytest.raises(AssertionError, match=said):
        look(tmp_path, config)


def test_looks_at_the_ledger_run_whatever_became_of_the_calls(parsed: dict[str, Any]) -> None:
    """A call that failed is no reason not to compare the others."""
    tasks = {name: task for dag in parsed["dags"].values() for name, task in dag["tasks"].items()}
    rules = {name.rpartition(".")[2]: task["rule"] for name, task in tasks.items()}
    assert {name: rules[name] for name in ("trends", "capacity", "scaling", "costs")} == dict.fromkeys(
        ("trends", "capacity", "scaling", "costs"), "all_done"
    )
