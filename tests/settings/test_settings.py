"""The configuration: what is shipped loads, and every mistake in it is said where it stands."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stages.config import BANDS, EXCEPTIONS, MAIN, refusal
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from upkeep.core.findings import Level
from upkeep.settings.audit import RULES
from upkeep.settings.base import METRICS, ROOT, ConfigError
from upkeep.settings.calendar import config_folder, reread
from upkeep.settings.load import settings, validate_once
from upkeep.settings.maintenance import Maintenance

#: An entry of the last one, as a test spoils it.
ENTRY = "exceptions: [{key: a, reason: why, by: Ann, expires: 2027-01-31}]"
HEALTH = 'ok: "(95, 100]"'


def spoilt(folder: Path, file: str, old: str, new: str) -> str:
    """The message after one change, which must be possible."""
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return refusal(folder)


def test_the_shipped_configuration_loads(config: Path) -> None:
    """All of it, with the guide's six metrics in both files, and the same object the second time."""
    shipped = settings(config)
    assert shipped.targets == ("primary",)
    assert set(shipped.maintenance.metrics) == set(shipped.thresholds.metrics) == set(METRICS)
    assert shipped.maintenance.windows["daily"].cron == "0 2 * * *"
    assert shipped.maintenance.verdict.red_on == {Level.CRITICAL}
    assert shipped.target("primary").connections.functions == "upkeep_functions"
    assert settings(config) is shipped


def test_a_statement_may_hold_what_only_looks_like_a_second_one(config: Path) -> None:
    """A semicolon in a literal, a comment, a name, or at its end."""
    text = """SELECT ';', "a;b" FROM public.error_logs -- one; two\n;"""
    path = config / MAIN
    named = json.dumps([{"name": "one", "sql": text}])
    path.write_text(path.read_text().replace("  proof_days: 8 ", f"  statements: {named}\n  proof_days: 8 ", 1))
    assert [one.sql for one in settings(config).maintenance.indexes.statements] == [text]


def test_another_folder_is_read_when_the_environment_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UPKEEP_CONFIG, and without it, or with an empty one, the folder beside plugins/."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(config))
    assert config_folder() == config
    for unset in ("", None):
        monkeypatch.setenv("UPKEEP_CONFIG", "") if unset == "" else monkeypatch.delenv("UPKEEP_CONFIG")
        assert config_folder() == ROOT / "config"


def test_what_a_fork_reads_is_the_file_as_it_is_then(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was validated before it was forked: changed, spoilt, mended, and as it was."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(config))
    validate_once()
    path = config / MAIN
    text = path.read_text()
    assert "0 2 * * *" in text
    path.write_text(text.replace("0 2 * * *", "5 2 * * *", 1))
    assert reread().windows["daily"].cron == "5 2 * * *"
    path.write_text("roles: [")
    validate_once()  # says nothing: whoever needs the settings does
    assert "found text that is not the expected YAML" in refusal(config)
    path.write_text(text)
    assert reread().windows["daily"].cron == settings(config).maintenance.windows["daily"].cron == "0 2 * * *"


def test_the_settings_cannot_be_changed(config: Path) -> None:
    """Frozen: a task cannot loosen a threshold for the next one."""
    with pytest.raises(ValueError, match="frozen"):
        settings(config).maintenance.http.attempts = 9  # type: ignore[misc]


BAD: dict[str, tuple[str, str, str, str]] = {
    # a mistake: the file, what stands there, what is written instead, and all that is said
    "a missing setting": (
        MAIN,
        "  attempts: 3  ",
        "  #",
        "http.attempts: found nothing, expected this setting to be given",
    ),
    "a misspelt setting": (
        MAIN,
        "  attempts: 3",
        "  attempts: 3\n  max_answer_byte: 5",
        "http.max_answer_byte: found a setting that does not exist, expected only known ones; "
        "did you mean 'max_answer_bytes'?",
    ),
    "a misspelt setting of a target": (
        MAIN,
        "    title: Agentic Ecosystem",
        "    title: Agentic Ecosystem\n    titel: A",
        "targets.primary.titel: found a setting that does not exist, expected only known ones; did you mean 'title'?",
    ),
    "a misspelt section": (
        MAIN,
        "targets:",
        "verdicts: {}\ntargets:",
        "verdicts: found a setting that does not exist, expected only known ones; did you mean 'verdict'?",
    ),
    "a setting like no other": (
        MAIN,
        "targets:",
        "zzzz: 1\ntargets:",
        "zzzz: found a setting that does not exist, expected only known ones",
    ),
    "a word for a number": (
        MAIN,
        "  attempts: 3",
        "  attempts: three",
        "http.attempts: found 'three': expected a valid integer",
    ),
    "a yes for a number": (
        MAIN,
        "  attempts: 3",
        "  attempts: yes",
        "http.attempts: found True: expected a valid integer",
    ),
    "a checkout that is somewhere from here": (
        MAIN,
        "    title: Agentic Ecosystem",
        "    title: Agentic Ecosystem\n    checkout: {folder: srv/platform, registry: 'https://example.org/'}",
        "targets.primary.checkout.folder: found 'srv/platform', expected an absolute path",
    ),
    "a registry with a user in it": (
        MAIN,
        "    title: Agentic Ecosystem",
        "    title: Agentic Ecosystem\n    checkout: {folder: /srv, registry: 'https://me:word@example.org/'}",
        "targets.primary.checkout.registry: found something else, "
        "expected a URL such as https://registry.example/ without a user name",
    ),
    "a day that is none": (
        MAIN,
        "  as_of: ",
        "  as_of: yesterday # ",
        "patches.as_of: found 'yesterday': expected a valid date or datetime, input is too short",
    ),
    "a minor version of nothing": (
        MAIN,
        "  postgres_minors: {14: 25,",
        "  postgres_minors: {14: -1,",
        "patches.postgres_minors.14: found -1: expected greater than or equal to 0",
    ),
    "a class of accounts that no LIKE can be": (
        MAIN,
        "  account_classes: {}",
        "  account_classes: {staff: 'a\\'}",
        "security.account_classes.staff: found 'a\\\\': expected to match pattern '^[^\\x00\\\\]+$'",
    ),
    "consents without a column": (
        MAIN,
        "user: user_id, type: consent_type,",
        "user: user_id,",
        "compliance.consents.type: found nothing, expected this setting to be given",
    ),
    "processing without a schema": (
        MAIN,
        "table: public.data_processing_logs",
        "table: processing_logs",
        "compliance.processing.table: found 'processing_logs', expected schema.table, such as public.security_logs",
    ),
    "a key that is rotated never": (
        MAIN,
        "  rotation_days: 90",
        "  rotation_days: 0",
        "keys.rotation_days: found 0: expected greater than or equal to 1",
    ),
    "a day of rotation that is none": (
        MAIN,
        "  rotated: {}",
        "  rotated: {upkeep_functions: May}",
        "keys.rotated.upkeep_functions: found 'May': expected a valid date or datetime, input is too short",
    ),
    "a rule of the audit that does not exist": (
        MAIN,
        "  leave_out: []",
        "  leave_out: [rls_of]",
        "audit.leave_out: found ['rls_of'], expected names of rules: " + ", ".join(RULES),
    ),
    "no exposed schema": (
        MAIN,
        "  exposed_schemas: [public]",
        "  exposed_schemas: []",
        "audit.exposed_schemas: found []: expected to have at least 1 item after validation, not 0",
    ),
    "a role's name that the server would cut": (
        MAIN,
        "  api_roles: [anon, authenticated]",
        f"  api_roles: [{'a' * 64}]",
        f"audit.api_roles.0: found '{'a' * 64}', expected a name of 1 to 63 bytes",
    ),
    "a list for a number": (
        MAIN,
        "  attempts: 3",
        "  attempts: [3]",
        "http.attempts: found [3]: expected a valid integer",
    ),
    "a number for a text": (
        MAIN,
        "title: Agentic Ecosystem",
        "title: 7",
        "targets.primary.title: found 7: expected a valid string",
    ),
    "too many attempts": (
        MAIN,
        "  attempts: 3",
        "  attempts: 11",
        "http.attempts: found 11: expected less than or equal to 10",
    ),
    "no patience": (
        MAIN,
        "connect_timeout_seconds: 5",
        "connect_timeout_seconds: 0",
        "http.connect_timeout_seconds: found 0: expected greater than 0",
    ),
    "more patience than supabase has": (
        MAIN,
        "read_timeout_seconds: 30",
        "read_timeout_seconds: 151",
        "http.read_timeout_seconds: found 151: expected less than or equal to 150",
    ),
    "no end": (
        MAIN,
        "long_query_minutes: 5",
        "long_query_minutes: .inf",
        "checks.long_query_minutes: found inf: expected a finite number",
    ),
    "no target": (
        MAIN,
        "targets:",
        "targets: {}\nledgers:",
        "targets: found {}: expected to have at least 1 item after validation, not 0",
    ),
    "a target's name that no DAG id can hold": (
        MAIN,
        "  primary:",
        "  Primary One:",
        "targets.Primary One.[key]: found 'Primary One': expected to match pattern '^[a-z][a-z0-9_]{0,39}$'",
    ),
    "a secret in place of a Connection": (
        MAIN,
        "read: upkeep_target_read ",
        "read: postgres://u:p@h/d ",
        "targets.primary.connections.read: found 'postgres://u:p@h/d': expected to match pattern "
        "'^[A-Za-z0-9_.-]{1,200}$'",
    ),
    "a path with a hole": (
        MAIN,
        "path: result.overall_health_percent",
        "path: result..x",
        r"metrics.overall_health.path: found 'result..x': expected to match pattern '^[^.\s]+(\.[^.\s]+)*$'",
    ),
    "an unknown metric": (
        MAIN,
        "  cpu_usage: ",
        "  gpu_usage: ",
        f"metrics: found missing ['cpu_usage'] and unknown ['gpu_usage'], expected exactly {list(METRICS)}",
    ),
    "an unknown metric among the thresholds": (
        BANDS,
        "  cpu_usage: ",
        "  gpu_usage: ",
        f"metrics: found missing ['cpu_usage'] and unknown ['gpu_usage'], expected exactly {list(METRICS)}",
    ),
    "bounds that leave the file's own bands out": (
        BANDS,
        "error_rate:           {warning: [0.1, 1.5]",
        "error_rate:           {warning: [0.1, 0.4]",
        "bounds: found error_rate: the edge of warning at 0.5, expected one from 0.1 to 0.4, for the bands of this "
        "file must be allowed",
    ),
    "bounds that let warning begin after critical": (
        BANDS,
        "overall_health:       {warning: [92, 99.5]",
        "overall_health:       {warning: [89, 99.5]",
        "bounds: found overall_health: warning [89.0, 99.5] beyond critical [90.0, 98.0], expected each end of warning "
        "on the good side of the same end of critical",
    ),
    "bounds the wrong way round": (
        BANDS,
        "critical: [0.3, 2]}",
        "critical: [2, 0.3]}",
        "bounds.error_rate.critical: found [2.0, 0.3], expected the lower end first",
    ),
    "bounds without an end": (
        BANDS,
        "critical: [0.3, 2]}",
        "critical: [0.3, .inf]}",
        "bounds.error_rate.critical.1: found inf: expected a finite number",
    ),
    "bounds of an unknown metric": (
        BANDS,
        "  cpu_usage:            {warning: [30, 75]",
        "  gpu_usage:            {warning: [30, 75]",
        f"bounds: found missing ['cpu_usage'] and unknown ['gpu_usage'], expected exactly {list(METRICS)}",
    ),
    "a history that is too short for what it takes": (
        BANDS,
        "history_days: 60",
        "history_days: 20",
        "proposals.history_days: found 20, in which there are never least_windows (28), expected at least that",
    ),
    "overlapping bands": (
        BANDS,
        HEALTH,
        'ok: "[95, 100]"',
        "metrics.overall_health: found bands that overlap: [90, 95] and [95, 100] share values, expected no overlap",
    ),
    "bands with a gap": (
        BANDS,
        HEALTH,
        'ok: "(96, 100]"',
        "metrics.overall_health: found bands with a gap: [90, 95] and (96, 100] do not touch, expected no gap",
    ),
    "bands with a gap of one point": (
        BANDS,
        'ok: "[0, 500)",  warning: "[500',
        'ok: "[0, 500)",  warning: "(500',
        "metrics.response_time: found bands with a gap: [0, 500) and (500, 1000] do not touch, expected no gap",
    ),
    "warning at an end": (
        BANDS,
        'ok: "[0, 60)",   warning: "[60, 80]"',
        'ok: "[60, 80]",   warning: "[0, 60)"',
        "metrics.cpu_usage: found the warning band [0, 60) at an end, expected it between ok and critical",
    ),
    "an interval in words": (
        BANDS,
        HEALTH,
        'ok: "95 to 100"',
        "metrics.overall_health.ok: found '95 to 100', expected an interval such as '[90, 95]' or '(1000, inf)'",
    ),
    "a number for an interval": (
        BANDS,
        HEALTH,
        "ok: 95",
        "metrics.overall_health.ok: found 95, expected an interval such as '[90, 95]' or '(1000, inf)'",
    ),
    "a number with two points": (
        BANDS,
        HEALTH,
        'ok: "(95.0.1, 100]"',
        "metrics.overall_health.ok: found '(95.0.1, 100]', expected an interval such as '[90, 95]' or '(1000, inf)'",
    ),
    "an interval backwards": (
        BANDS,
        HEALTH,
        'ok: "(100, 95]"',
        "metrics.overall_health.ok: found '(100, 95]', expected low end <= high end, some value between, "
        "and 'inf)' open",
    ),
    "an interval of nothing": (
        BANDS,
        HEALTH,
        'ok: "(95, 95]"',
        "metrics.overall_health.ok: found '(95, 95]', expected low end <= high end, some value between, "
        "and 'inf)' open",
    ),
    "an end that is never reached": (
        BANDS,
        "(1000, inf)",
        "(1000, inf]",
        "metrics.response_time.critical: found '(1000, inf]', expected low end <= high end, some value between, "
        "and 'inf)' open",
    ),
    "a misspelt band": (
        BANDS,
        HEALTH,
        HEALTH + ', okay: "(95, 100]"',
        "metrics.overall_health.okay: found a setting that does not exist, expected only known ones; "
        "did you mean 'ok'?",
    ),
    "a misspelt expectation": (
        BANDS,
        'unit: "ms", expected',
        'unit: "ms", expectd',
        "expectations.query_response.expectd: found a setting that does not exist, expected only known ones; "
        "did you mean 'expected'?",
    ),
    "a missing band": (
        BANDS,
        HEALTH + ",",
        "",
        "metrics.overall_health.ok: found nothing, expected this setting to be given",
    ),
    "no cron line": (
        MAIN,
        "0 2 * * *",
        "daily at two",
        "windows.daily.cron: found 'daily at two': "
        "3 fields, expected a cron line of five fields, such as '0 2 * * *' (UTC)",
    ),
    "an hour that is none": (
        MAIN,
        "0 2 * * *",
        "0 26 * * *",
        "windows.daily.cron: found '0 26 * * *': "
        "its hour is '26', expected 0 to 23, '*', or lists, ranges and steps of them",
    ),
    "a cron line with seconds": (
        MAIN,
        "0 2 * * *",
        "0 0 2 * * *",
        "windows.daily.cron: found '0 0 2 * * *': "
        "6 fields, expected a cron line of five fields, such as '0 2 * * *' (UTC)",
    ),
    "a random time": (
        MAIN,
        "0 2 * * *",
        "R R * * *",
        "windows.daily.cron: found 'R R * * *': "
        "its minute is 'R', expected 0 to 59, '*', or lists, ranges and steps of them",
    ),
    "a weekday that is none": (
        MAIN,
        "0 2 * * *",
        "0 2 * * MO-FRI",
        "windows.daily.cron: found '0 2 * * MO-FRI': its day of the week is 'MO-FRI', expected 0 to 7 or sun to sat, "
        "'*', or lists, ranges and steps of them",
    ),
    "a cron line with a year's month": (
        MAIN,
        "0 2 * * *",
        "0 2 1 13 *",
        "windows.daily.cron: found '0 2 1 13 *': its month is '13', expected 1 to 12 or jan to dec, '*', or lists, "
        "ranges and steps of them",
    ),
    "a day that never comes": (
        MAIN,
        "0 2 * * *",
        "0 2 30 2 *",
        "windows.daily.cron: found '0 2 30 2 *': expected a cron line with a day that exists, unlike 30 February",
    ),
    "a window longer than a day": (
        MAIN,
        "length_minutes: 30",
        "length_minutes: 1441",
        "windows.daily.length_minutes: found 1441: expected less than or equal to 1440",
    ),
    "a range that is every day to Airflow": (
        MAIN,
        "0 3 * * 0",
        "0 3 * * sun-sun",
        "windows.weekly.cron: found '0 3 * * sun-sun': its day of the week is 'sun-sun', which Airflow takes for every "
        "value, expected a range that ends on another value than it begins with",
    ),
    "a day of the month that Airflow forgets": (
        MAIN,
        "0 2 * * 0#1",
        "0 2 5-9 * 0#1",
        "windows.monthly.cron: found '0 2 5-9 * 0#1': its day of the month is '5-9' and its day of the week '0#1', of "
        "which Airflow heeds one alone, expected '*' for the other",
    ),
    "a window that is longer than the time to the next": (
        MAIN,
        '"0 3 * * 0", length_minutes: 120',
        '"0 3,22 * * 6,0", length_minutes: 301',
        "windows.weekly.length_minutes: found 301, yet a window is due on 2028-01-01 at 22:00 and the next one on "
        "2028-01-02 at 03:00 UTC, expected one that is over when the next is due",
    ),
    "a target's own window that is longer than the time to the next": (
        MAIN,
        "    # windows:",
        '    windows: {daily: {cron: "0 2,3 * * *", length_minutes: 90}}\n    # windows:',
        "targets.primary.windows.daily.length_minutes: found 90, yet a window is due on 2028-01-01 at 02:00 and the "
        "next one on 2028-01-01 at 03:00 UTC, expected one that is over when the next is due",
    ),
    "a target's own window of a cadence that does not exist": (
        MAIN,
        "    # windows:",
        '    windows: {yearly: {cron: "0 2 1 1 *", length_minutes: 30}}\n    # windows:',
        "targets.primary.windows.yearly.[key]: found 'yearly': expected 'daily', 'weekly' or 'monthly'",
    ),
    "a target's own month in which nobody has the time to sign": (
        MAIN,
        "    # windows:",
        '    windows: {monthly: {cron: "0 2 * * 0#1", length_minutes: 30}}\n    # windows:',
        "monthly: found 90 minutes to answer, expected less than targets.primary.windows.monthly has (30)",
    ),
    "a target's own daily window that ends before its backup is verified": (
        MAIN,
        "    # windows:",
        '    backups: {base: /b, wal: /w}\n    windows: {daily: {cron: "0 2 * * *", length_minutes: 15}}\n    #',
        "windows: found targets.primary.windows.daily.length_minutes 15, expected a minute more than "
        "targets.primary.backups.verify_timeout_seconds (900)",
    ),
    "backups and dumps that take longer to read than the daily window is": (
        MAIN,
        "    # windows:",
        "    backups: {base: /b, wal: /w}\n    dumps: {folder: /d, verify_timeout_seconds: 841}\n    # windows:",
        "windows: found daily.length_minutes 30, expected a minute more than "
        "targets.primary.backups.verify_timeout_seconds (900) and targets.primary.dumps.verify_timeout_seconds (841)",
    ),
    "dumps of a host in no time zone": (
        MAIN,
        "    # windows:",
        "    dumps: {folder: /d, time_zone: CEST}\n    # windows:",
        "targets.primary.dumps.time_zone: found 'CEST', expected a time zone such as 'Europe/Berlin' or 'UTC'",
    ),
    "no weekly window": (
        MAIN,
        '  weekly: {cron: "0 3 * * 0", length_minutes: 120}',
        "",
        "windows: found ['daily', 'monthly'], expected daily, weekly and monthly",
    ),
    "another window": (
        MAIN,
        "  daily: {",
        "  hourly: {cron: '0 * * * *', length_minutes: 5}\n  daily: {",
        "windows: found ['daily', 'hourly', 'monthly', 'weekly'], expected daily, weekly and monthly",
    ),
    "a role for somebody unknown": (
        MAIN,
        "Database Administrator, users: []",
        "Database Administrator, users: [zoe, dora]",
        "roles: found ['dora', 'zoe'] in dba.users, expected names from people: []",
    ),
    "a monthly task that is none": (
        MAIN,
        "    cost: devops\n",
        "    costs: devops\n",
        "monthly.tasks: found missing ['cost'] and unknown ['costs'], expected exactly ['audit', 'recovery', "
        "'rollback', 'baselines', 'capacity', 'documentation', 'integrations', 'cost', 'database']",
    ),
    "a role that signs on twice": (
        MAIN,
        "sign_on: [devops, dba, security, lead]",
        "sign_on: [devops, devops]",
        "monthly.sign_on: found ['devops', 'devops'], expected no role twice",
    ),
    "a sign-off by a role that is none": (
        MAIN,
        "sign_off: lead ",
        "sign_off: boss ",
        "monthly: found ['boss'], expected names from roles: ['dba', 'devops', 'lead', 'security']",
    ),
    "a deputy unknown": (
        MAIN,
        "Database Administrator, users: []",
        "Database Administrator, users: [], deputies: [zoe]",
        "roles: found ['zoe'] in dba.deputies, expected names from people: []",
    ),
    "two people with one id": (
        MAIN,
        "people: {}",
        "people: {dora: {id: '7'}, omar: {id: '7'}}",
        "people: found the id '7' of two people, expected one person behind each",
    ),
    "an id that is another's name": (
        MAIN,
        "people: {}",
        "people: {dora: {id: omar}, omar: {}}",
        "people: found the id 'omar' of two people, expected one person behind each",
    ),
    "two people with one shell": (
        MAIN,
        "people: {}",
        "people: {dora: {shell: [root]}, omar: {shell: [omar, root]}}",
        "people: found the shell 'root' of two people, expected one person behind each",
    ),
    "an approval by an unknown role": (
        MAIN,
        "default: [dba, devops]",
        "default: [dba, boss]",
        "approval: found ['boss'] in roles.default, expected names from roles: ['dba', 'devops', 'lead', 'security']",
    ),
    "an approval by nobody": (
        MAIN,
        "default: [dba, devops]",
        "default: []",
        "approval.roles: found [] for default, expected at least one role and none twice",
    ),
    "an approval by one role twice": (
        MAIN,
        "default: [dba, devops]",
        "default: [dba, dba]",
        "approval.roles: found ['dba', 'dba'] for default, expected at least one role and none twice",
    ),
    "a table to rebuild that has no schema": (
        MAIN,
        "tables: [public.user_consents,",
        "tables: [user_consents,",
        "reindex.tables.0: found 'user_consents', expected schema.table, such as public.security_logs",
    ),
    "a table to rebuild twice": (
        MAIN,
        "tables: [public.user_consents,",
        "tables: [public.error_logs,",
        "reindex.tables: found public.error_logs twice, expected each table once",
    ),
    "a bloat of everything": (
        MAIN,
        "  bloat_percent: 30 ",
        "  bloat_percent: 100 ",
        "reindex.bloat_percent: found 100: expected less than 100",
    ),
    "no room for a copy": (
        MAIN,
        "  room_factor: 2.0 ",
        "  room_factor: 0.5 ",
        "reindex.room_factor: found 0.5: expected greater than or equal to 1",
    ),
    "an override that is no yes or no": (
        MAIN,
        "override: true",
        "override: 1",
        "approval.override: found 1: expected a valid boolean",
    ),
    "a freeze without a zone": (
        MAIN,
        "freezes: []",
        "freezes: [{start: 2026-12-24T00:00:00, end: 2027-01-02T00:00:00Z, reason: Holidays}]",
        "freezes.0.start: found 2026-12-24 00:00:00, expected a time with its zone, such as 2026-12-24T00:00:00Z",
    ),
    "a freeze that ends before it starts": (
        MAIN,
        "freezes: []",
        "freezes: [{start: 2026-12-24T00:00:00Z, end: 2026-12-24T00:00:00Z, reason: Holidays}]",
        "freezes.0.end: found 2026-12-24 00:00:00+00:00, expected a time after start (2026-12-24 00:00:00+00:00)",
    ),
    "a freeze without a reason": (
        MAIN,
        "freezes: []",
        "freezes: [{start: 2026-12-24T00:00:00Z, end: 2027-01-02T00:00:00Z, reason: ''}]",
        "freezes.0.reason: found '': expected to have at least 1 character",
    ),
    "a server that is no number": (
        MAIN,
        '# system_identifier: "7400000000000000000" ',
        "system_identifier: primary ",
        "targets.primary.system_identifier: found 'primary': expected to match pattern '^[0-9]{1,20}$'",
    ),
    "a server without quotes": (
        MAIN,
        '# system_identifier: "7400000000000000000" ',
        "system_identifier: 7400000000000000000 ",
        "targets.primary.system_identifier: found 7400000000000000000: expected a valid string",
    ),
    "a ledger that is no UUID": (
        MAIN,
        "# identity: 00000000-0000-0000-0000-000000000000 ",
        "identity: mine ",
        "ledger.identity: found 'mine': expected to match pattern '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'",
    ),
    "guards that look with what changes": (
        MAIN,
        "maintain: upkeep_target_maintain ",
        "maintain: upkeep_target_read ",
        "targets.primary.connections.maintain: found 'upkeep_target_read' for read and for maintain, expected a "
        "Connection for each",
    ),
    "a dashboard that writes": (
        MAIN,
        "dashboard: upkeep_ledger_dashboard ",
        "dashboard: upkeep_ledger ",
        "ledger.dashboard: found 'upkeep_ledger' for dashboard and for tasks, expected a Connection for each",
    ),
    "tasks that own the ledger": (
        MAIN,
        "owner: upkeep_ledger_owner ",
        "owner: upkeep_ledger ",
        "ledger.owner: found 'upkeep_ledger' for owner and for tasks, expected a Connection for each",
    ),
    "a webhook in place of a Connection": (
        MAIN,
        "# slack: upkeep_slack ",
        "slack: https://hooks.slack.com/services/T/B/X ",
        "approval.slack: found 'https://hooks.slack.com/services/T/B/X': expected to match pattern "
        "'^[A-Za-z0-9_.-]{1,200}$'",
    ),
    "a guard that never looks": (
        MAIN,
        "poll_seconds: 1",
        "poll_seconds: 0",
        "guards.poll_seconds: found 0: expected greater than 0",
    ),
    "more dead rows than rows": (
        MAIN,
        "dead_percent: 10 ",
        "dead_percent: 101 ",
        "optimise.dead_percent: found 101: expected less than or equal to 100",
    ),
    "predictions corrected from nothing": (
        MAIN,
        "least_receipts: 5 ",
        "least_receipts: 0 ",
        "optimise.least_receipts: found 0: expected greater than or equal to 1",
    ),
    "a trend that always fires": (
        MAIN,
        "worse_percent: 20 ",
        "worse_percent: 0 ",
        "trends.worse_percent: found 0: expected greater than 0",
    ),
    "a forecast from two points": (
        MAIN,
        "least_points: 8 ",
        "least_points: 2 ",
        "capacity.least_points: found 2: expected greater than or equal to 4",
    ),
    "a storage in words": (
        MAIN,
        "# storage_bytes: 8589934592 ",
        "storage_bytes: 8 GB ",
        "targets.primary.storage_bytes: found '8 GB': expected a valid integer",
    ),
    "a freeze warning below its advisory": (
        MAIN,
        "freeze_warning_percent: 120 ",
        "freeze_warning_percent: 79 ",
        "optimise.freeze_warning_percent: found 79, expected at least freeze_advisory_percent (80)",
    ),
    "statistics from the future": (
        MAIN,
        "statistics_days: 30 ",
        "statistics_days: -1 ",
        "indexes.statistics_days: found -1: expected greater than or equal to 0",
    ),
    "a statement that is none to plan": (
        MAIN,
        "  proof_days: 8 ",
        "  statements: [{name: gone, sql: DROP TABLE public.error_logs}]\n  proof_days: 8 ",
        "indexes.statements.0.sql: found 'DROP TABLE public.error_logs', expected one SELECT, alone or behind WITH",
    ),
    "one statement for a list of them": (
        MAIN,
        "  proof_days: 8 ",
        "  statements: SELECT 1\n  proof_days: 8 ",
        "indexes.statements: found 'SELECT 1': expected a list",
    ),
    "two statements in one": (
        MAIN,
        "  proof_days: 8 ",
        "  statements: [{name: two, sql: 'SELECT 1; SELECT 2'}]\n  proof_days: 8 ",
        "indexes.statements.0.sql: found more behind the semicolon of 'SELECT 1; SELECT 2', expected one SELECT, "
        "alone or behind WITH",
    ),
    "two statements of one name": (
        MAIN,
        "  proof_days: 8 ",
        "  statements: [{name: one, sql: SELECT 1}, {name: one, sql: SELECT 2}]\n  proof_days: 8 ",
        "indexes.statements: found one twice, expected a name of its own for each statement",
    ),
    "weeks that baselines never see": (
        BANDS,
        "weekday_windows: 8 ",
        "weekday_windows: 13 ",
        "baselines.weekday_windows: found 13, expected at most the weeks in history_days (12)",
    ),
    "baselines from windows that never come": (
        BANDS,
        "history_days: 90 ",
        "history_days: 27 ",
        "baselines.history_days: found 27, in which there are never least_windows (28), expected at least that",
    ),
    "a drift that is never told": (
        BANDS,
        "drift_percent: 25 ",
        "drift_percent: .inf ",
        "baselines.drift_percent: found inf: expected less than or equal to 1000",
    ),
    "a baseline's limit that is no number": (
        BANDS,
        "trust-scorer:          [40, 300]",
        "trust-scorer:          [40, .inf]",
        "baselines.limits.trust-scorer.1: found inf: expected a finite number",
    ),
    "a limit that does not allow the guide's number": (
        BANDS,
        "trust-scorer:          [40, 300]",
        "trust-scorer:          [40, 149]",
        "baselines: found limits.trust-scorer [40, 149], expected the guide's 150 ms between its ends",
    ),
    "a function without a limit": (
        BANDS,
        "    trust-scorer:          [40, 300]\n",
        "",
        "baselines: found missing ['trust-scorer'] and unknown [], expected exactly "
        "['gdpr-compliance', 'database-scalability', 'trust-scorer', 'vibe-analyzer', 'agent-recommender', "
        "'production-monitoring', 'error-tracking']",
    ),
    "a trigger below the baseline itself": (
        BANDS,
        "response_time_percent: 150 ",
        "response_time_percent: 90 ",
        "triggers.response_time_percent: found 90: expected greater than 100",
    ),
    "a replica that is no Connection": (
        MAIN,
        "# replicas: [upkeep_target_replica] ",
        "replicas: [host=there] ",
        "targets.primary.replicas.0: found 'host=there': expected to match pattern '^[A-Za-z0-9_.-]{1,200}$'",
    ),
    "a third party's URL with a password": (
        MAIN,
        "  endpoints: []",
        "  endpoints: [{name: a, url: 'https://user:S3CRET@a.test/'}]",
        "integrations.endpoints.0.url: found something else, expected a URL such as https://status.example/ "
        "without user name, query or fragment",
    ),
    "a third party's URL with a query": (
        MAIN,
        "  endpoints: []",
        "  endpoints: [{name: a, url: 'https://a.test/?key=S3CRET'}]",
        "integrations.endpoints.0.url: found something else, expected a URL such as https://status.example/ "
        "without user name, query or fragment",
    ),
    "a third party that is no web address": (
        MAIN,
        "  endpoints: []",
        "  endpoints: [{name: a, url: 'ftp://a.test/'}]",
        "integrations.endpoints.0.url: found something else, expected a URL such as https://status.example/ "
        "without user name, query or fragment",
    ),
    "a port that is none": (
        MAIN,
        "  endpoints: []",
        "  endpoints: [{name: a, url: 'https://a.test:99999/'}]",
        "integrations.endpoints.0.url: found something else, expected a URL such as https://status.example/ "
        "without user name, query or fragment",
    ),
    "two third parties of one name": (
        MAIN,
        "  endpoints: []",
        "  endpoints: [{name: a, url: 'https://a.test'}, {name: a, url: 'https://b.test'}]",
        "integrations.endpoints: found the name 'a' of two endpoints, expected a name for each",
    ),
    "a status that is none": (
        MAIN,
        "  endpoints: []",
        "  endpoints: [{name: a, url: 'https://a.test', expect_status: [20]}]",
        "integrations.endpoints.0.expect_status.0: found 20: expected greater than or equal to 100",
    ),
    "a certificate that is critical before it is a warning": (
        MAIN,
        "certificate_critical_days: 7 ",
        "certificate_critical_days: 30 ",
        "integrations.certificate_critical_days: found 30, expected less than certificate_warning_days (30)",
    ),
    "a guide at a relative path": (
        MAIN,
        "  # guide: /srv/docs/system-maintenance-guide.md ",
        "  guide: docs/guide.md ",
        "documents.guide.path: found 'docs/guide.md', expected a URL or an absolute path",
    ),
    "a guide at a URL with a password": (
        MAIN,
        "  # guide: /srv/docs/system-maintenance-guide.md ",
        "  guide: https://user:S3CRET@a.test/guide.md ",
        "documents.guide.path: found something else, expected a URL such as https://status.example/ "
        "without user name, query or fragment",
    ),
    "a document that stands twice": (
        MAIN,
        "  review_days: 31",
        "  guide: /a.md\n  runbooks: [/b.md, {path: /a.md, owner: us}]\n  review_days: 31",
        "documents.runbooks: found '/a.md' twice, expected each document once",
    ),
    "a review that lasts no time": (
        MAIN,
        "  review_days: 31",
        "  review_days: 0",
        "documents.review_days: found 0: expected greater than or equal to 1",
    ),
    "ok turns red": (
        MAIN,
        "red_on: [critical]",
        "red_on: [critical, ok]",
        "verdict.red_on: found 'ok', which cannot turn the verdict red, expected other levels",
    ),
    "a level that is none": (
        MAIN,
        "red_on: [critical]",
        "red_on: [critcal]",
        "verdict.red_on.0: found 'critcal': expected 'ok', 'advisory', 'warning', 'critical' or 'unknown'",
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "said"), BAD.values(), ids=BAD)
def test_a_mistake_names_its_file_its_setting_what_was_found_and_what_was_expected(
    config: Path, file: str, old: str, new: str, said: str
) -> None:
    """One line per mistake, and this mistake's line is among them, whole."""
    assert f"config/{file}: {said}" in spoilt(config, file, old, new).splitlines()


# People ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def staffed(config: Path) -> Maintenance:
    """Three people: one plain, one whom the auth manager calls by a number, one who also comes from a shell."""
    text = (config / MAIN).read_text()
    for old, new in (
        ("people: {}", "people: {dora: {}, omar: {id: '7'}, root: {shell: [deploy, cron]}}"),
        ("Database Administrator, users: []", "Database Administrator, users: [dora, omar]"),
        ("freezes: []", "freezes: [{start: 2026-12-24T00:00:00Z, end: 2027-01-02T00:00:00+01:00, reason: Holidays}]"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (config / MAIN).write_text(text)
    return settings(config).maintenance


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (None, frozenset()),
        ("dora", {"dora"}),
        ("omar", {"omar"}),
        ("deploy", {"root"}),
        ("cron", {"root"}),
        ("7", None),
        ("postgres", None),
        ("Dora", None),
        ("", None),
    ],
)
def test_who_counts_as_having_asked(staffed: Maintenance, name: str | None, counts: frozenset[str] | None) -> None:
    """The schedule is nobody, a name or a shell's alias is one person, and whoever is unknown might be anybody."""
    assert staffed.requester(name) == counts


def test_a_name_that_is_a_person_and_anothers_shell_might_be_either(config: Path) -> None:
    """OS users and Airflow's users are two lists of names: a name on both is nobody in particular."""
    text = (config / MAIN).read_text()
    (config / MAIN).write_text(text.replace("people: {}", "people: {dora: {shell: [omar]}, omar: {}}", 1))
    assert settings(config).maintenance.requester("omar") is None


@pytest.mark.parametrize(
    ("user_id", "person"), [("dora", "dora"), ("7", "omar"), ("omar", None), ("deploy", None), ("", None)]
)
def test_a_person_is_known_by_what_the_auth_manager_calls_them(
    staffed: Maintenance, user_id: str, person: str | None
) -> None:
    """Where an id is given, the name is none: somebody else could have taken it as theirs."""
    assert staffed.person_by_id(user_id) == person


def test_what_is_reread_is_what_the_file_says_now(config: Path) -> None:
    """``settings`` stays as it was for the rest of the process; ``reread`` sees the change."""
    before = settings(config).maintenance
    text = (config / MAIN).read_text()
    (config / MAIN).write_text(text.replace("override: true", "override: false", 1))
    assert settings(config).maintenance is before
    assert (before.approval.override, reread(config).approval.override) == (True, False)


def test_who_holds_a_role(staffed: Maintenance) -> None:
    """Its people, nobody, and nobody for a role that is none."""
    assert staffed.holders("dba") == {"dora", "omar"}
    assert staffed.holders("lead") == staffed.holders("boss") == frozenset()


def test_a_freeze_keeps_its_zone(staffed: Maintenance) -> None:
    """Its end is the moment that was written, whatever the zone."""
    (freeze,) = staffed.freezes
    assert freeze.end == datetime(2027, 1, 1, 23, tzinfo=UTC)


def test_the_shipped_configuration_changes_nothing(config: Path) -> None:
    """No server is pinned, no ledger, and nobody holds a role: each alone refuses every change (docs/gate.md)."""
    shipped = settings(config).maintenance
    assert (shipped.targets["primary"].system_identifier, shipped.ledger.identity) == (None, None)
    assert all(not shipped.holders(role) for role in shipped.roles)
    assert all(len(needed) > 1 for needed in shipped.approval.roles.values())


# The files ------------------------------------------------------------------------------------------------------


def test_all_mistakes_of_a_file_are_said_at_once(config: Path) -> None:
    """Three mistakes are three lines: nobody has to start three times."""
    text = (config / MAIN).read_text()
    for old, new in (("  attempts: 3", "  attempts: 0"), ("0 2 * * *", "never"), ("[critical]", "[red]")):
        text = text.replace(old, new)
    (config / MAIN).write_text(text)
    settings_named = [line.split(": ")[1] for line in refusal(config).splitlines()]
    assert settings_named == ["windows.daily.cron", "http.attempts", "verdict.red_on.0"]


@pytest.mark.parametrize(
    ("file", "old", "new", "key"),
    [
        (MAIN, "  attempts: 3 ", "  attempts: 2\n  attempts: 3 ", "attempts"),
        (MAIN, "\nsql:", "\nsql: {}\nsql:", "sql"),
        (BANDS, HEALTH, f'ok: "[0, 1]", {HEALTH}', "ok"),
    ],
)
def test_a_setting_that_stands_twice_is_refused(config: Path, file: str, old: str, new: str, key: str) -> None:
    """YAML would silently take the last one."""
    said = spoilt(config, file, old, new)
    assert said.startswith(f"config/{file}: found text that is not the expected YAML: the setting {key!r} stands twice")
    assert "line " in said


def test_yaml_anchors_may_be_merged(config: Path) -> None:
    """Two targets that share their settings are no setting that stands twice."""
    text = (config / MAIN).read_text().replace("  primary:\n", "  primary: &first\n", 1)
    (config / MAIN).write_text(text.replace("\nledger:", "\n  second: {<<: *first, title: Second}\n\nledger:", 1))
    second = settings(config).target("second")
    assert (second.title, second.connections) == ("Second", settings(config).target("primary").connections)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "found no such file in {folder}, expected one (or set UPKEEP_CONFIG)"),
        (b"metrics: [", "found text that is not the expected YAML: "),
        (b"\xff\xfe\x00\x01", "found text that is not the expected YAML: "),
        (b"a: \x00", "found text that is not the expected YAML: "),
        (b"", "(the whole file): found None: expected a valid dictionary"),
        (b"# nothing but words\n", "(the whole file): found None: expected a valid dictionary"),
        (b"- metrics\n", "(the whole file): found ['metrics']: expected a valid dictionary"),
        (
            b"metrics: !!python/object/apply:os.getcwd []\n",
            "found text that is not the expected YAML: could not determine",
        ),
    ],
    ids=["no file", "not YAML", "not text", "a null byte", "empty", "comments alone", "a list", "code"],
)
@pytest.mark.parametrize("file", [MAIN, BANDS, EXCEPTIONS])
def test_a_file_that_cannot_be_read_is_said(config: Path, file: str, content: bytes | None, said: str) -> None:
    """Whichever of the files it is, and however broken, it is named."""
    path = config / file
    path.unlink() if content is None else path.write_bytes(content)
    assert refusal(config).startswith(f"config/{file}: {said.format(folder=config)}")


def test_a_folder_in_place_of_a_file_is_said(config: Path) -> None:
    """What a volume that was mounted wrongly leaves behind."""
    (config / BANDS).unlink()
    (config / BANDS).mkdir()
    expected = "config/thresholds.yaml: found a file that cannot be read (Is a directory), expected YAML"
    assert refusal(config) == expected


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key: a,", "key: '*',", "exceptions.0.key: found '*', expected a finding's key, or the beginning of one"),
        ("key: a,", "key: 'audit*',", "exceptions.0.key: found 'audit*', expected a finding's key"),
        ("key: a,", "key: 'audit:*:public.jobs',", "exceptions.0.key: found 'audit:*:public.jobs', expected"),
        ("key: a,", "key: ' ',", "exceptions.0.key: found ' ', expected a finding's key"),
        ("key: a, ", "", "exceptions.0.key: found nothing, expected this setting to be given"),
        ("reason: why", "reason: '  '", "exceptions.0.reason: found '  ', expected a line of 1 to 500 characters"),
        ("by: Ann", "by: ''", "exceptions.0.by: found '', expected a line of 1 to 500 characters"),
        ("by: Ann", 'by: "A\\nB"', "exceptions.0.by: found 'A\\nB', expected a line"),
        (
            "2027-01-31}",
            "2027-01-31, up_to: ok}",
            "exceptions.0.up_to: found 'ok', expected advisory, warning or critical",
        ),
        ("2027-01-31", "soon", "exceptions.0.expires: found 'soon': expected a valid date"),
        (", expires: 2027-01-31", "", "exceptions.0.expires: found nothing, expected this setting to be given"),
        ("by: Ann,", "by: Ann, untill: 1,", "exceptions.0.untill: found a setting that does not exist"),
        (
            ENTRY,
            ENTRY.replace("]", ", {key: a, reason: b, by: c, expires: 2027-01-01}]"),
            "exceptions: found the key 'a' twice",
        ),
    ],
)
def test_a_mistake_in_an_exception_is_said(config: Path, old: str, new: str, said: str) -> None:
    """Nobody accepts everything, nothing without a reason, a name and an end, and no finding twice."""
    (config / EXCEPTIONS).write_text(ENTRY)
    assert spoilt(config, EXCEPTIONS, old, new).startswith(f"config/{EXCEPTIONS}: {said}")


def test_exceptions_are_read_and_none_are_shipped(config: Path) -> None:
    """What is shipped accepts nothing; an end that has passed, or is far away, still loads."""
    assert settings(ROOT / "config").exceptions == ()
    (config / EXCEPTIONS).write_text(
        "exceptions:\n"
        "  - {key: 'audit:rls_off:public.*', reason: ' why ', by: Ann, expires: 2020-01-31}\n"
        "  - {key: 'permission:role:\"a\"', reason: b, by: c, expires: 2099-01-01}\n"
    )
    first, second = settings(config).exceptions
    assert (first.key, first.reason, first.by, first.expires) == (
        "audit:rls_off:public.*",
        "why",
        "Ann",
        date(2020, 1, 31),
    )
    assert (second.key, second.expires) == ('permission:role:"a"', date(2099, 1, 1))


def test_a_target_that_is_not_there_names_those_that_are(config: Path) -> None:
    """A DAG id of yesterday's configuration, for one."""
    shipped: Any = settings(config)
    with pytest.raises(ConfigError) as caught:
        shipped.target("staging")
    assert str(caught.value) == (
        "config/maintenance.yaml: targets: found no target 'staging', expected one of: primary"
    )
