"""`python -m upkeep check` as an operator runs it: a process of its own, a real target, ledger and functions twin.

The processes are forked from one that has imported Airflow; no run may show a secret.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlparse
import yaml
from airflow.models.pool import Pool
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import create_engine, delete
from sqlalchemy.orm import Session

from sandbox.ports import free_port
from sandbox.postgres import HOST, Cluster
from sandbox.target import OWNER
from sandbox.twin import keys
from tests.stages.config import write, written
from tests.stages.copies import copy_database
from tests.stages.forks import Forks, forks
from tests.stages.pgbouncer import pooler
from tests.stages.platform import login
from tests.stages.server import Server, answer
from tests.stages.signing import CONNECTION, SIGNING
from tests.stages.standby import standby
from tests.stages.twin import LEGACY_KEY, SECRET, SECRET_KEY, running
from upkeep.areas import answers
from upkeep.areas.backups import canary
from upkeep.areas.kinds import NAMES
from upkeep.areas.registry import CHECKS
from upkeep.cli.check.collect import missing
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.base import ROOT
from upkeep.wires import database, queries
from upkeep.wires.clocks import ClockReading, least_doubtful

LEDGER_ROLES = ("owner", "tasks", "dashboard")

EVERYTHING = (
    "ledger as tasks (upkeep_ledger)",
    "ledger as dashboard (upkeep_ledger_dashboard)",
    "primary: production-monitoring system_status",
    "primary: overall health",
    "primary: response time",
    "primary: error rate",
    "primary: database connections",
    "primary: memory usage",
    "primary: cpu usage",
    *(f"primary: {call.function} {call.action}" for call in answers.DAILY[1:]),
    "primary: clock of the functions",
    "primary: database, read-only (upkeep_target_read)",
    "primary: clock of the database",
    "primary: a server that is not in recovery",
    "primary: no transaction pooling",
    "primary: extension pg_stat_statements",
    "primary: extension pgstattuple",
    *(f"primary: {check.title.lower()}" for check in CHECKS.values()),
)

MAINTAIN = "primary: a Connection that may change it (upkeep_target_maintain)"
WATCH = "primary: a Connection that guards may trust (upkeep_target_read)"
DROPS = "primary: dropping indexes that can go (upkeep_target_maintain)"
POOLING = "primary: no transaction pooling before changes"
UNUSED = "primary: indexes that nothing uses"
MISSING = "primary: foreign keys and large tables without an index"
#: What young statistics say nothing of.
YOUNG = {UNUSED, MISSING}
AUDIT = "primary: security audit"
SERVER, LEDGER = "primary: the server that config pins", "the ledger that config pins"
KEY = "the key that signs the ledger's rows"
POOL, ONCE = "the pool upkeep_mutations, in which changes queue", "Upkeep once in this Airflow"
SLACK = "Slack, where those who must answer are notified"
CHANGES = (
    MAINTAIN,
    WATCH,
    DROPS,
    POOLING,
    SERVER,
    LEDGER,
    KEY,
    POOL,
    ONCE,
    "role devops, DevOps Engineer: omar, olga",
    "role dba, Database Administrator: dora, omar",
    "role security, Security Engineer: sana",
    "role lead, Technical Lead: lena",
    "the monthly window's sign-on",
    SLACK,
)


@dataclass(frozen=True)
class Said:
    """What one run printed: its exit code, what can be collected, and why not."""

    code: int
    rows: Mapping[str, str]
    why: Mapping[str, str]
    output: str
    errors: str


@dataclass(frozen=True)
class Deployment:
    """A target, its functions and a ledger, with the Connections that an operator would set."""

    connections: Mapping[str, Mapping[str, Any]]
    passwords: Mapping[str, str]
    config: Path
    forks: Forks

    def check(
        self,
        *arguments: str,
        config: Path | None = None,
        home: Path | None = None,
        beside: Path | None = None,
        **changed: Mapping[str, Any] | None,
    ) -> Said:
        """Run the command; a Connection that is changed gets these fields, one that is None is absent.

        ``home`` is another Airflow's, ``beside`` a folder of packages beside Upkeep.
        """
        done = self.run("check", *arguments, config=config, home=home, beside=beside, **changed)
        return Said(done.returncode, *_table(done.stdout), done.stdout, done.stderr)

    def run(
        self,
        *arguments: str,
        config: Path | None = None,
        home: Path | None = None,
        beside: Path | None = None,
        **changed: Mapping[str, Any] | None,
    ) -> subprocess.CompletedProcess[str]:
        """``python -m upkeep …``, which must not print a secret."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "UPKEEP"))}
        fields = {
            name: {**given, **(changed.get(name) or {})}
            for name, given in self.connections.items()
            if changed.get(name, given) is not None
        }
        environment = {
            **kept,
            **({"AIRFLOW_HOME": str(home)} if home else {}),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), *([str(beside)] if beside else [])]),
            "UPKEEP_CONFIG": str(config or self.config),
            **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in fields.items()},
        }
        if home:  # Airflow takes it up when it is imported
            argv = [sys.executable, "-m", "upkeep", *arguments]
            done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        else:
            done = self.forks.run(arguments, environment)
        hidden = {*self.passwords.values(), SECRET, SECRET_KEY, LEGACY_KEY}
        hidden |= {str(value["password"]) for value in fields.values()}
        assert not any(secret in done.stdout + done.stderr for secret in hidden)
        return done

    def changed_config(self, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
        """A copy of the configuration with a change."""
        copy = Path(shutil.copytree(self.config, folder / "config"))
        file = copy / "maintenance.yaml"
        content = written(file)
        change(content)
        write(file, content)
        return copy


def _configure(folder: Path, server: str, ledger: str) -> Path:
    """The shipped configuration with what changes need: people, pins, a channel."""
    config = Path(shutil.copytree(ROOT / "config", folder / "config"))
    text = (config / "maintenance.yaml").read_text(encoding="utf-8")
    for old, new in {
        '# system_identifier: "7400000000000000000" ': f'system_identifier: "{server}" ',
        "# identity: 00000000-0000-0000-0000-000000000000 ": f"identity: {ledger} ",
        "people: {}": "people: {dora: {}, omar: {}, olga: {}, sana: {}, lena: {}}",
        "title: DevOps Engineer, users: []": "title: DevOps Engineer, users: [omar, olga]",
        "title: Database Administrator, users: []": "title: Database Administrator, users: [dora, omar]",
        "title: Security Engineer, users: []": "title: Security Engineer, users: [sana]",
        "title: Technical Lead, users: []": "title: Technical Lead, users: [lena]",
        "# slack: upkeep_slack": "slack: upkeep_slack",
        "keys: {}": f"keys: {{tests: {{public: {SIGNING.keys['tests'].public}}}}}",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (config / "maintenance.yaml").write_text(text, encoding="utf-8")
    return config


def _table(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The printed table as what → yes or NO, and what → the reason below it, or below its group."""
    rows: dict[str, str] = {}
    why: dict[str, str] = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"(\S.*?)  +(?:[GX][-\dGX]* +)?(yes|NO|off)", line):
            rows[match[1]] = match[2]
        elif match := re.fullmatch(r"    (?:these (\d+): )?(.*)", line):
            why |= dict.fromkeys(list(rows)[-int(match[1] or 1) :], match[2])
    return rows, why


def _ledger(cluster: Cluster, name: str, passwords: Mapping[str, str]) -> None:
    """The ledger's roles, database, tables and grants."""
    roles = {role: f"{name}_{role}" for role in LEDGER_ROLES}
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        for statement in sqlparse.split(database.script("setup/ledger_roles", database=name, **roles)):
            connection.execute(statement.encode())
        for role, login in roles.items():
            alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(alter.format(sql.Identifier(login), sql.Literal(passwords[role])))
    owner = cluster.dsn(name, roles["owner"], passwords["owner"])
    upgrade(lambda: psycopg.connect(owner))
    with psycopg.connect(owner) as connection:
        grants = database.script("setup/ledger_grants", tasks=roles["tasks"], dashboard=roles["dashboard"])
        connection.execute(grants.encode())


@pytest.fixture(scope="module")
def target(cluster: Cluster, seeded_template: str) -> Iterator[str]:
    """The name of a seeded target with the project's grants for upkeep_read, all of them taken back at the end."""
    name = f"cli_{secrets.token_hex(4)}"
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        copy_database(connection, name, seeded_template)
        try:
            with psycopg.connect(cluster.dsn(name), autocommit=True) as opened:
                opened.execute(database.script("setup/target_grants", role="upkeep_read", database=name).encode())
                grants = queries.path("setup/maintain_grants", opened.info.server_version).stem
                names = {"role": "upkeep_maintain", "database": name, "owner": OWNER}
                opened.execute(database.script(f"setup/{grants}", **names).encode())
                opened.execute("ANALYZE")  # a copy of the template knows of no rows
                opened.execute("SELECT count(*) FROM application_logs WHERE id = 1")
                opened.execute("SELECT pg_stat_force_next_flush()")
            yield name
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute("REVOKE pg_monitor FROM upkeep_read")
            connection.execute("ALTER ROLE upkeep_read RESET default_transaction_read_only")


@pytest.fixture(scope="module")
def deployment(
    cluster: Cluster, target: str, role_passwords: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Everything that the daily window needs, as it should be."""
    folder = tmp_path_factory.mktemp("deployment")
    name = f"{target}_ledger"
    passwords = {role: secrets.token_urlsafe(12) for role in LEDGER_ROLES}

    def connection(schema: str, login: str, password: str) -> dict[str, Any]:
        where = {"conn_type": "postgres", "host": HOST, "port": cluster.port}
        return {**where, "schema": schema, "login": login, "password": password}

    try:
        _ledger(cluster, name, passwords)
        reader = cluster.dsn(target, "functions_twin", role_passwords["functions_twin"])
        pins = []
        for database_name, query in ((target, "setup/identity"), (name, "ledger/identity")):
            with psycopg.connect(cluster.dsn(database_name)) as opened:
                ((pin,),) = opened.execute(queries.load(query).encode()).fetchall()
                pins.append(str(pin))
        with running(reader, folder) as twin, forks(folder) as forked:
            pools(folder, 1)
            connections = {
                "upkeep_functions": {"conn_type": "http", "host": twin.url, "password": LEGACY_KEY},
                "upkeep_target_read": connection(target, "upkeep_read", role_passwords["upkeep_read"]),
                "upkeep_target_maintain": connection(target, "upkeep_maintain", role_passwords["upkeep_maintain"]),
                "upkeep_slack": {"conn_type": "slackwebhook", "password": "T000/B000/S3CRETTOKEN"},
                "upkeep_signing": json.loads(CONNECTION),
                "upkeep_ledger": connection(name, f"{name}_tasks", passwords["tasks"]),
                "upkeep_ledger_dashboard": connection(name, f"{name}_dashboard", passwords["dashboard"]),
            }
            known = {**role_passwords, **passwords, "postgres": cluster.password}
            yield Deployment(connections, known, _configure(folder, *pins), forked)
    finally:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as opened:
            opened.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            for role in LEDGER_ROLES:
                opened.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(f"{name}_{role}")))


def pools(home: Path, slots: int | None) -> None:
    """Airflow's own database in its home, with the pool of so many slots alone; None: without it."""
    engine = create_engine(f"sqlite:///{home}/airflow.db")
    Pool.metadata.create_all(engine, tables=[Pool.metadata.tables["slot_pool"]])
    with Session(engine) as session:
        session.execute(delete(Pool))
        if slots is not None:
            session.add(Pool(pool="upkeep_mutations", slots=slots, include_deferred=False))
        session.commit()
    engine.dispose()


@pytest.mark.guide("X13", "silent")
def test_a_deployment_as_it_should_be(deployment: Deployment) -> None:
    """Every row says yes, there is a row for everything that the window needs, and the exit code is 0."""
    said = deployment.check()
    assert said.errors == ""
    configuration, *others = said.rows
    assert configuration.startswith("configuration in ")
    assert sorted(others) == sorted(EVERYTHING + CHANGES)  # what has one cause stands together
    assert {what for what, can in said.rows.items() if can != "yes"} == {*YOUNG, DROPS}, said.output
    assert set(said.why) == {*YOUNG, DROPS, AUDIT}
    assert "not readable: permission denied for view pg_hba_file_rules" in said.why[AUDIT]
    assert {said.rows[what] for what in (*YOUNG, DROPS)} == {"off"}
    assert "statistics reach back 0.0 days only" in said.why[UNUSED]
    assert said.why[DROPS] == (
        "role upkeep_maintain does not own 8 of 8 tables with indexes (they belong to platform_owner), so that drops, "
        "rebuilds and validations there end as not done; `python -m upkeep grants indexes` prints what it needs"
    )
    everything = len(EVERYTHING) + 1
    assert f"\n{everything - len(YOUNG)} of {everything} can be collected.\n" in said.output
    assert said.output.endswith(f"\n{len(CHANGES) - 1} of {len(CHANGES)} are there.\n")
    assert said.code == 0


@pytest.mark.guide("X9", "holds")
def test_the_pool_that_changes_queue_in(deployment: Deployment, tmp_path: Path) -> None:
    """Without it, or without a slot, no change is ever scheduled; where nobody can ask it is not known."""
    said = {}
    for slots in (None, 0, 3, 1):
        pools(tmp_path, slots)
        found = deployment.check("--target", "primary", home=tmp_path)
        said[slots] = (found.rows[POOL], found.why.get(POOL, ""), found.code)
    assert said[None][0] == said[0][0] == "NO" and said[None][2] == 1
    assert said[None][1] == (
        "found none, expected one slot: no change is ever scheduled. "
        '`airflow pools set upkeep_mutations 1 "one mutation at a time"` makes it'
    )
    assert "found 0 slots, expected 1" in said[0][1]
    assert said[3][0] == "yes" and "several targets may be changed at once" in said[3][1]
    assert said[1] == ("yes", "", 0)
    (tmp_path / "airflow.db").unlink()
    unknown = deployment.check("--target", "primary", home=tmp_path)
    assert unknown.rows[POOL] == "off" and "Airflow's own database cannot be asked from here" in unknown.why[POOL]


def test_a_wheel_beside_a_checkouts_plugin_is_found(deployment: Deployment, tmp_path: Path) -> None:
    """Two versions of Upkeep in one Airflow; with one of them gone it is right again."""
    pools(tmp_path, 1)
    packages = tmp_path / "packages"
    about = packages / "upkeep-9.9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: upkeep\nVersion: 9.9\n")
    plugin = tmp_path / "plugins" / "upkeep_plugin.py"
    plugin.parent.mkdir()
    plugin.touch()
    both = deployment.check("--target", "primary", home=tmp_path, beside=packages)
    assert (both.rows[ONCE], both.code) == ("NO", 1)
    assert f"found the wheel 9.9 and {plugin}, expected one of them" in both.why[ONCE]
    plugin.unlink()
    assert deployment.check("--target", "primary", home=tmp_path, beside=packages).rows[ONCE] == "yes"


@pytest.mark.guide("X2", "holds")
def test_a_secret_key_before_a_function_that_verifies_jwt(deployment: Deployment) -> None:
    """A new key is no JWT: functions with verify_jwt say NO and name it, the others say yes (X2)."""
    said = deployment.check("--target", "primary", upkeep_functions={"password": SECRET_KEY})
    assert said.code == 1
    assert [what for what, can in said.rows.items() if can == "NO"] == [
        "primary: production-monitoring system_status",
        "primary: database-scalability performance_analysis",
        "primary: database-scalability scalability_report",
    ]
    why = said.why["primary: production-monitoring system_status"]
    assert "Connection 'upkeep_functions', function 'production-monitoring'" in why
    assert "verify_jwt" in why
    assert said.rows["primary: error-tracking get_error_analytics"] == "yes"


def test_a_read_role_without_pg_monitor(deployment: Deployment, cluster: Cluster) -> None:
    """Only checks that must see sessions, statements or hidden settings say NO, and name the command for the grants."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute("REVOKE pg_monitor FROM upkeep_read")
        try:
            said = deployment.check()
        finally:
            connection.execute("GRANT pg_monitor TO upkeep_read")
    blind = [
        "primary: long-running queries",
        "primary: connections by state",
        "primary: new statements",
        "primary: access review",
        "primary: slow statements",
        AUDIT,
    ]
    assert said.code == 1
    assert sorted(what for what, can in said.rows.items() if can == "NO") == sorted(blind)  # one cause stands together
    assert all("python -m upkeep grants target" in said.why[what] for what in blind)


def test_logins_that_are_not_what_they_should_be(deployment: Deployment, role_passwords: dict[str, str]) -> None:
    """A Connection that is absent, one to a role that may write, a wrong password and a wrong key each say NO."""
    said = deployment.check(
        upkeep_ledger=None,
        upkeep_ledger_dashboard={"password": "S3CRETMARKER"},
        upkeep_target_read={"login": "app", "password": role_passwords["app"]},
        upkeep_functions={"password": keys.legacy_key("another-secret-that-is-at-least-32-bytes-long")},
    )
    assert said.code == 1
    assert said.errors == ""
    absent = said.why["ledger as tasks (upkeep_ledger)"]
    assert "Connection 'upkeep_ledger': found none" in absent
    assert "AIRFLOW_CONN_UPKEEP_LEDGER" in absent
    refused = said.why["ledger as dashboard (upkeep_ledger_dashboard)"]
    assert "Connection 'upkeep_ledger_dashboard'" in refused
    assert "password authentication failed" in refused
    writes = said.why["primary: database, read-only (upkeep_target_read)"]
    assert "role app may write" in writes
    assert "python -m upkeep grants target" in writes
    for function in ("production-monitoring system_status", "error-tracking get_error_analytics"):
        assert "found 401" in said.why[f"primary: {function}"]
        assert "check the API key" in said.why[f"primary: {function}"]
    assert said.rows["primary: table sizes and growth"] == "yes"
    assert said.rows["primary: clock of the functions"] == "yes"  # a refusal has a date, too
    assert {said.rows[f"primary: {call.function} {call.action}"] for call in answers.DAILY} == {"NO"}
    assert f"of {len(said.rows) - len(CHANGES)} can be collected." in said.output


def test_roles_of_the_ledger_that_may_too_much(deployment: Deployment, cluster: Cluster) -> None:
    """The owner's login for tasks, a role that writes for the dashboard, and one column that checks could change."""
    ledger = deployment.connections["upkeep_ledger"]
    owner = {"login": ledger["schema"] + "_owner", "password": deployment.passwords["owner"]}
    target = deployment.connections["upkeep_target_read"]["schema"]
    with psycopg.connect(cluster.dsn(target), autocommit=True) as connection:
        connection.execute("GRANT UPDATE (message) ON error_logs TO upkeep_read")
        try:
            said = deployment.check(
                upkeep_ledger=owner,
                upkeep_ledger_dashboard={name: ledger[name] for name in ("login", "password")},
            )
        finally:
            connection.execute("REVOKE UPDATE (message) ON error_logs FROM upkeep_read")
    assert said.code == 1
    assert "owns the ledger's tables" in said.why["ledger as tasks (upkeep_ledger)"]
    assert "may write" in said.why["ledger as dashboard (upkeep_ledger_dashboard)"]
    assert "role upkeep_read may write" in said.why["primary: database, read-only (upkeep_target_read)"]


def test_a_database_without_the_ledgers_tables_and_a_port_without_a_server(deployment: Deployment, port: int) -> None:
    """Before `ledger upgrade` the row names that command; what cannot be reached is named, and the rest still asked."""
    unreachable = {"host": f"http://{HOST}:{port}"}
    said = deployment.check(
        upkeep_ledger={"schema": deployment.connections["upkeep_target_read"]["schema"]},
        upkeep_functions=unreachable,
        upkeep_target_read={"port": port},
    )
    assert said.code == 1
    assert "python -m upkeep ledger upgrade" in said.why["ledger as tasks (upkeep_ledger)"]
    assert said.rows["ledger as dashboard (upkeep_ledger_dashboard)"] == "yes"
    assert "Connection refused" in said.why["primary: production-monitoring system_status"]
    assert "Connection refused" in said.why["primary: database, read-only (upkeep_target_read)"]
    assert "no answer with a Date header" in said.why["primary: clock of the functions"]
    assert "Connection refused" in said.why["primary: no transaction pooling"]


def test_a_configuration_that_cannot_be_used(deployment: Deployment, tmp_path: Path) -> None:
    """Exit code 2, the file, the setting, what was found and what was meant, on stderr alone; so for the target."""
    for file in (ROOT / "config").glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    maintenance = tmp_path / "maintenance.yaml"
    text = maintenance.read_text(encoding="utf-8")
    maintenance.write_text(text.replace("largest_tables: 10", "largest_table: 10"), encoding="utf-8")
    said = deployment.check(config=tmp_path)
    assert (said.code, said.output) == (2, "")
    assert f"{tmp_path.name}/maintenance.yaml: checks.largest_table: " in said.errors
    assert "did you mean 'largest_tables'?" in said.errors
    assert "Traceback" not in said.errors
    said = deployment.check("--target", "secondary")
    assert (said.code, said.output) == (2, "")
    assert "found no target 'secondary', expected one of: primary" in said.errors
    unapproved = deployment.changed_config(tmp_path, lambda content: content["approval"]["roles"].pop("default"))
    said = deployment.check(config=unapproved)
    assert (said.code, said.output) == (2, "")
    assert said.errors.startswith(
        "config/maintenance.yaml: approval.roles: found ['archive', 'baselines', 'delete', 'thresholds'], "
    )
    assert f"expected a list of roles for each of {sorted(NAMES)}, or a default for " in said.errors


def test_extensions_that_are_absent(deployment: Deployment, cluster: Cluster) -> None:
    """One that a number depends on says NO, one that only sharpens a number is a remark; each names what to type."""
    target = deployment.connections["upkeep_target_read"]["schema"]
    with psycopg.connect(cluster.dsn(target), autocommit=True) as connection:
        connection.execute("DROP EXTENSION pg_stat_statements, pgstattuple")
        try:
            said = deployment.check()
        finally:
            connection.execute("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgstattuple")
    assert said.rows["primary: extension pg_stat_statements"] == "NO"
    assert (
        "CREATE EXTENSION pg_stat_statements. It is for the time that"
        in said.why["primary: extension pg_stat_statements"]
    )
    assert said.rows["primary: extension pgstattuple"] == "yes"
    assert "the server has 1.5: CREATE EXTENSION pgstattuple" in said.why["primary: extension pgstattuple"]
    assert said.rows["primary: query time, pool, cache and index usage"] == "NO"


def test_an_extension_that_the_server_does_not_have_or_hides(empty_database: str, cluster: Cluster) -> None:
    """One that is nowhere, one that is there, and one whose schema the role may not use are told apart."""
    query = queries.load("setup/extensions")
    with psycopg.connect(empty_database, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("CREATE SCHEMA hidden; CREATE EXTENSION pgstattuple SCHEMA hidden")
        connection.execute("SET ROLE pg_monitor")
        names = ["no such thing", "pgstattuple", "pg_stat_statements", "plpgsql"]
        rows = connection.execute(query.encode(), {"names": names}).fetchall()
    assert [row["name"] for row in rows] == names
    nowhere, hidden, available, there = (missing(row) for row in rows)
    assert "the server does not have it" in nowhere
    assert "may not use its schema 'hidden'" in hidden
    assert "CREATE EXTENSION pg_stat_statements" in available
    assert there == ""


@pytest.mark.guide("X13", "fires")
def test_a_target_behind_transaction_pooling(
    deployment: Deployment, cluster: Cluster, role_passwords: dict[str, str], port: int
) -> None:
    """Everything can be collected through it; a remark says what will refuse, and names both ports (X13)."""
    with pooler(cluster, port, "transaction", {"upkeep_read": role_passwords["upkeep_read"]}):
        said = deployment.check(upkeep_target_read={"port": port})
    assert (said.code, {what for what, can in said.rows.items() if can != "yes"}) == (0, {*YOUNG, DROPS}), said.output
    assert set(said.why) == {"primary: no transaction pooling", *YOUNG, DROPS, AUDIT}
    why = said.why["primary: no transaction pooling"]
    assert "a pooler in transaction mode: two clients at once were served by the same backend" in why
    assert "reading works, changes will be refused" in why
    assert f"the port of Connection 'upkeep_target_read', found {port}" in why
    assert "5432 instead of 6543" in why


@pytest.mark.guide("X13", "fires", "silent")
def test_a_target_behind_statement_and_session_pooling(
    deployment: Deployment, cluster: Cluster, role_passwords: dict[str, str], port: int
) -> None:
    """Through a pooler in statement mode nothing can be collected, and it says so; one in session mode is silent."""
    logins = {"upkeep_read": role_passwords["upkeep_read"]}
    with pooler(cluster, port, "statement", logins):
        said = deployment.check(upkeep_target_read={"port": port})
    assert said.rows["primary: no transaction pooling"] == "NO"
    assert "a pooler in statement mode" in said.why["primary: no transaction pooling"]
    assert said.code == 1
    other = free_port()
    with pooler(cluster, other, "session", logins):
        said = deployment.check(upkeep_target_read={"port": other})
    assert (said.code, set(said.why)) == (0, {*YOUNG, DROPS, AUDIT}), said.output


def test_a_target_in_recovery(deployment: Deployment, cluster: Cluster, port: int) -> None:
    """A standby is named as one."""
    with standby(cluster, port):
        said = deployment.check(upkeep_target_read={"port": port})
    recovery = "primary: a server that is not in recovery"
    assert said.rows[recovery] == "yes"
    assert "found a server in recovery, a standby" in said.why[recovery]
    assert said.rows["primary: connections by state"] == "yes"


# What a change needs --------------------------------------------------------------------------------------------


def test_what_nobody_asked_for_is_off(deployment: Deployment) -> None:
    """The shipped configuration looks and changes nothing: each thing that a change lacks is off and named, code 0."""
    said = deployment.check(config=ROOT / "config", upkeep_target_maintain=None, upkeep_slack=None)
    assert (said.code, said.errors) == (0, ""), said.output
    devops, dba = "role devops, DevOps Engineer", "role dba, Database Administrator"
    signs = "the monthly window's sign-on"
    security = "role security, Security Engineer"  # archives need one
    off = (MAINTAIN, LEDGER, KEY, devops, dba, security, "role lead, Technical Lead", signs, SLACK)
    assert tuple(said.rows)[-len(off) :] == off
    assert {said.rows[what] for what in off} == {"off"}
    assert set(said.why) == {*YOUNG, AUDIT, *off}
    assert "found none in the environment (AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN)" in said.why[MAINTAIN]
    assert said.why[MAINTAIN].endswith("Nothing is changed in primary")
    assert "ledger.identity: found none" in said.why[LEDGER]
    assert "`python -m upkeep check --print-identity` prints it" in said.why[LEDGER]
    assert said.why[KEY].startswith("config/maintenance.yaml: ledger.signing.keys: found none")
    assert "`python -m upkeep ledger keygen` makes one" in said.why[KEY]
    assert "roles.dba.users: found nobody" in said.why[dba]
    refused = [kind for kind in NAMES if kind not in ("baselines", "thresholds")]
    assert said.why[dba].endswith(f"refused: {', '.join(refused)}")
    assert "monthly.sign_on: devops and dba and security and lead have no user" in said.why[signs]
    assert "approval.slack: found none, so nobody is notified" in said.why[SLACK]
    assert said.output.endswith("\n2 of 11 are there.\n")  # of Airflow itself


def test_a_target_without_a_maintain_connection_in_config(deployment: Deployment, tmp_path: Path) -> None:
    """One row that names the setting; two roles that only one person could answer for are said to refuse."""

    def change(content: dict[str, Any]) -> None:
        del content["targets"]["primary"]["connections"]["maintain"]
        content["roles"]["devops"]["users"] = content["roles"]["dba"]["users"] = ["omar"]

    said = deployment.check(config=deployment.changed_config(tmp_path, change))
    what = "primary: targets.primary.connections.maintain"
    assert said.why[what] == "found none in config: nothing is changed in primary"
    assert (
        "approval.roles.optimise: 2 roles need a person each, and omar cannot fill devops too"
        in said.why["different people for optimise"]
    )
    assert (said.code, {said.rows[what], said.rows["different people for optimise"]}) == (0, {"off"})
    assert not {MAINTAIN, POOLING, SERVER} & set(said.rows)


def test_the_login_of_a_canary_is_looked_at_where_config_wants_one(
    deployment: Deployment, cluster: Cluster, tmp_path: Path
) -> None:
    """Off until a plan has made its schema, NO without its Connection or with rights of its own, else yes."""
    name, where = f"canary_{secrets.token_hex(4)}", deployment.connections["upkeep_target_read"]

    def change(content: dict[str, Any]) -> None:
        content["targets"]["primary"]["canary"] = {"connection": "upkeep_target_canary", "role": name}

    config, admin = deployment.changed_config(tmp_path, change), cluster.dsn(where["schema"])
    what = "primary: a canary row each day (upkeep_target_canary)"
    said = deployment.check(config=config)
    assert (said.code, said.rows[what]) == (1, "NO")
    assert "Connection 'upkeep_target_canary': found none in the environment" in said.why[what]
    with login(cluster, admin, name) as writer, psycopg.connect(admin, autocommit=True) as connection:
        mine = {**where, "login": name, "password": psycopg.conninfo.conninfo_to_dict(writer)["password"]}
        with_it = replace(deployment, connections={**deployment.connections, "upkeep_target_canary": mine})
        said = with_it.check(config=config)
        assert (said.code, said.rows[what]) == (0, "off"), said.output
        assert said.why[what].startswith("not there yet: ")
        try:
            connection.execute(canary.create(name).encode())
            assert with_it.check(config=config).rows[what] == "yes"
            connection.execute(sql.SQL("GRANT SELECT ON error_logs TO {}").format(sql.Identifier(name)))
            said = with_it.check(config=config)
            assert (said.code, said.rows[what]) == (1, "NO")
            assert "has rights of its own: grants of its own" in said.why[what]
        finally:
            connection.execute("DROP SCHEMA IF EXISTS upkeep_canary CASCADE")


def test_other_servers_than_the_pinned_and_a_role_that_may_not(
    deployment: Deployment, cluster: Cluster, tmp_path: Path
) -> None:
    """Each NO names the setting and what is there; one table that may not be vacuumed is enough."""

    def change(content: dict[str, Any]) -> None:
        content["targets"]["primary"]["system_identifier"] = "7400000000000000000"
        content["ledger"]["identity"] = "00000000-0000-0000-0000-000000000000"

    target = deployment.connections["upkeep_target_read"]["schema"]
    with psycopg.connect(cluster.dsn(target), autocommit=True) as connection:
        connection.execute("REVOKE MAINTAIN ON error_logs, audit_logs FROM upkeep_maintain")
        try:
            said = deployment.check(
                config=deployment.changed_config(tmp_path, change),
                upkeep_slack={"conn_type": "http"},
            )
        finally:
            connection.execute("GRANT MAINTAIN ON error_logs, audit_logs TO upkeep_maintain")
    assert [what for what, can in said.rows.items() if can == "NO"] == [MAINTAIN, SERVER, LEDGER, SLACK]
    assert said.why[SERVER].startswith("targets.primary.system_identifier: found 7400000000000000000, expected that of")
    assert said.why[LEDGER].startswith("ledger.identity: found 00000000-0000-0000-0000-000000000000, expected that of")
    assert "found type 'http', expected 'slackwebhook'" in said.why[SLACK]
    assert said.why[MAINTAIN] == (
        "role upkeep_maintain may not VACUUM 2 of 8 tables: public.audit_logs, public.error_logs; "
        "`python -m upkeep grants maintain` prints what it needs"
    )
    assert said.code == 1


def test_maintain_logins_that_are_not_what_they_should_be(
    deployment: Deployment, cluster: Cluster, role_passwords: dict[str, str]
) -> None:
    """A superuser may too much, a role that owns nothing too little; each says NO."""
    said = deployment.check(upkeep_target_maintain={"login": "postgres", "password": cluster.password})
    assert (said.code, said.rows[MAINTAIN], said.rows[SERVER]) == (1, "NO", "yes")
    assert "role postgres is a superuser" in said.why[MAINTAIN]
    said = deployment.check(upkeep_target_maintain={"login": "app", "password": role_passwords["app"]})
    assert (said.code, said.rows[MAINTAIN]) == (1, "NO")
    assert "role app may not VACUUM 8 of 8 tables: public.application_logs, " in said.why[MAINTAIN]
    assert " and 3 more; " in said.why[MAINTAIN]


@pytest.mark.guide("X13", "fires")
def test_changes_through_transaction_pooling_are_refused(
    deployment: Deployment, cluster: Cluster, role_passwords: dict[str, str], port: int
) -> None:
    """For looking it is a remark, for changing it is a NO that names the Connection's port (X13)."""
    with pooler(cluster, port, "transaction", {"upkeep_maintain": role_passwords["upkeep_maintain"]}):
        said = deployment.check(upkeep_target_maintain={"port": port})
    assert [what for what, can in said.rows.items() if can == "NO"] == [POOLING]
    assert "a pooler in transaction mode" in said.why[POOLING]
    assert f"the port of Connection 'upkeep_target_maintain', found {port}" in said.why[POOLING]
    assert said.code == 1


STORE = """
import json, sys
from airflow.models import Connection
from airflow.models.base import Base
from airflow.models.team import Team
from airflow.utils.session import create_session
with create_session() as session:
    Base.metadata.create_all(session.get_bind(), tables=[Team.__table__, Connection.__table__])
    session.add(Connection(conn_id=sys.argv[1], **json.loads(sys.argv[2])))
"""


@pytest.mark.parametrize(("name", "row"), [("upkeep_target_maintain", MAINTAIN), ("upkeep_target_read", WATCH)])
def test_a_connection_from_airflows_own_store_changes_nothing(
    deployment: Deployment, tmp_path: Path, name: str, row: str
) -> None:
    """An operator may edit it there: neither what changes something nor what guards it may come from there (rule 8)."""
    given = json.dumps(deployment.connections[name])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    argv = [sys.executable, "-W", "ignore", "-c", STORE, name, given]
    subprocess.run(argv, env={**kept, "AIRFLOW_HOME": str(tmp_path)}, check=True, timeout=120, cwd=tmp_path)
    done = deployment.run("check", home=tmp_path, **{name: None})
    rows, why = _table(done.stdout)
    assert (done.returncode, rows[row]) == (1, "NO"), done.stdout
    assert "one from Airflow's own store, which operators may edit, is not trusted" in why[row]
    assert why[row].endswith("Nothing is changed in primary")


def test_the_identities_are_printed_as_config_wants_them(deployment: Deployment, tmp_path: Path, port: int) -> None:
    """The lines alone, and they are what this deployment's config pins; who cannot be asked is said on stderr."""
    pinned = yaml.safe_load((deployment.config / "maintenance.yaml").read_text(encoding="utf-8"))
    server = pinned["targets"]["primary"]["system_identifier"]
    lines = [f'targets.primary.system_identifier: "{server}"', f"ledger.identity: {pinned['ledger']['identity']}"]
    done = deployment.run("check", "--print-identity", config=ROOT / "config")
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, lines, "")
    without = deployment.run("check", "--print-identity", upkeep_target_maintain=None, upkeep_ledger={"port": port})
    assert (without.returncode, without.stdout.splitlines()) == (1, lines[:1])
    assert without.stderr.startswith("ledger.identity: Connection 'upkeep_ledger': ")
    assert "Connection refused" in without.stderr


def test_a_missing_connection_is_said_once(deployment: Deployment) -> None:
    """Without any Connection each of them is one sentence below all that waits for it, and every row is still there."""
    said = deployment.check(**dict.fromkeys(deployment.connections))
    waiting = [what for what in EVERYTHING if what in said.rows]
    assert (said.code, {said.rows[what] for what in waiting}) == (1, {"NO"}), said.output
    metrics = set(EVERYTHING[3:9])  # they are read from an answer: without one there is no row of theirs
    assert set(EVERYTHING) - set(waiting) == metrics
    for name in deployment.connections:
        collected = said.output.split("WHAT A CHANGE NEEDS")[0]
        assert collected.count(f"Connection '{name}': found none") == (
            name not in ("upkeep_target_maintain", "upkeep_slack", "upkeep_signing")
        )
    assert said.why["primary: clock of the functions"] == said.why["primary: error-tracking get_errors"]
    assert f"these {len(CHECKS) + 6}: Connection 'upkeep_target_read': found none" in said.output


def test_grants_reach_a_log_in_another_schema(deployment: Deployment, cluster: Cluster, tmp_path: Path) -> None:
    """Each table that config names is granted by itself, and no other of its schema."""

    def move(content: dict[str, Any]) -> None:
        content["logs"]["security"]["table"] = "Audit log.events"
        content["logs"]["application"]["table"] = "Audit log.requests"

    database_name = deployment.connections["upkeep_target_read"]["schema"]
    printed = deployment.run("grants", "target", config=deployment.changed_config(tmp_path, move))
    assert (printed.returncode, printed.stderr) == (0, "")
    assert "Audit log" not in deployment.run("grants", "target").stdout
    may = """
        SELECT array_agg(c.relname ORDER BY c.relname) FROM pg_class c
        WHERE c.relnamespace = '"Audit log"'::regnamespace AND has_table_privilege('upkeep_read', c.oid, 'SELECT')
          AND has_schema_privilege('upkeep_read', c.relnamespace, 'USAGE')"""
    with psycopg.connect(cluster.dsn(database_name)) as connection:
        connection.execute('CREATE SCHEMA "Audit log"')
        for table in ("events", "requests", "other"):
            connection.execute(sql.SQL('CREATE TABLE "Audit log".{} ()').format(sql.Identifier(table)))
        assert connection.execute(may).fetchone() == (None,)
        connection.execute(printed.stdout.encode())
        assert connection.execute(may).fetchone() == (["events", "requests"],)
        connection.rollback()


def test_grants_are_printed_before_there_is_a_connection(deployment: Deployment, cluster: Cluster) -> None:
    """With names from the command line what is printed runs; without them it says what is missing, and nothing runs."""
    none: dict[str, None] = dict.fromkeys(deployment.connections)
    database_name = deployment.connections["upkeep_target_read"]["schema"]
    named = ("--role", "upkeep_read", "--dbname", database_name)
    printed = deployment.run("grants", "target", *named, **none)
    assert (printed.returncode, printed.stderr) == (0, "")
    with psycopg.connect(cluster.dsn(database_name)) as connection:
        connection.execute(printed.stdout.encode())
    unnamed = deployment.run("grants", "target", **none)
    assert (unnamed.returncode, unnamed.stderr) == (0, "")
    assert unnamed.stdout.startswith(
        "-- Connection 'upkeep_target_read': found none. Replace <role> and <database> below"
    )
    assert 'GRANT pg_monitor TO "<role>";' in unnamed.stdout
    with psycopg.connect(cluster.dsn(database_name)) as connection, pytest.raises(psycopg.Error, match="<database>"):
        connection.execute(unnamed.stdout.encode())
    half = deployment.run("grants", "maintain", "--role", "robot", **none)
    assert half.returncode == 0, half.stderr
    assert "Replace <database> below" in half.stdout
    assert "GRANT MAINTAIN ON" in half.stdout and 'GRANT "<owner>" TO "robot";' in half.stdout
    asked = deployment.run("grants", "maintain", "--role", "robot", upkeep_target_maintain=None)
    assert asked.returncode == 0, asked.stderr
    assert "<owner>" not in asked.stdout


def test_grants_for_the_ledger_are_printed_before_there_is_a_connection(deployment: Deployment) -> None:
    """Each role is named like its Connection; one name for three roles is refused."""
    printed = deployment.run("grants", "ledger", "--dbname", "maintenance", **dict.fromkeys(deployment.connections))
    assert (printed.returncode, printed.stderr) == (0, "")
    assert "-- Found no Connection upkeep_ledger_owner, upkeep_ledger, upkeep_ledger_dashboard: " in printed.stdout
    assert 'CREATE DATABASE "maintenance" OWNER "upkeep_ledger_owner";' in printed.stdout
    refused = deployment.run("grants", "ledger", "--role", "robot")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("--role: found 'robot', expected none")


def test_the_printed_grants_for_maintain_are_those_for_this_server(
    deployment: Deployment, cluster: Cluster, port: int
) -> None:
    """What is printed runs, twice; without a server to ask it is said in a sentence."""
    printed = deployment.run("grants", "maintain")
    assert (printed.returncode, printed.stderr) == (0, "")
    with psycopg.connect(cluster.dsn(deployment.connections["upkeep_target_read"]["schema"])) as connection:
        for _ in range(2):
            connection.execute(printed.stdout.encode())
        assert ("GRANT MAINTAIN" in printed.stdout) == (connection.info.server_version >= 170_000)
    indexes = deployment.run("grants", "indexes")
    assert (indexes.returncode, indexes.stderr) == (0, "")
    assert indexes.stdout.endswith('GRANT "platform_owner" TO "upkeep_maintain";\n')
    with psycopg.connect(cluster.dsn(deployment.connections["upkeep_target_read"]["schema"])) as connection:
        connection.execute("CREATE SCHEMA other; CREATE TABLE other.thing (id int)")  # by the superuser
        connection.commit()
        wider = deployment.run("grants", "maintain"), deployment.run("grants", "indexes")
        for printed in wider:
            assert (printed.returncode, printed.stderr) == (0, "")
            connection.execute(printed.stdout.encode())
        assert 'GRANT USAGE ON SCHEMA "other" TO "upkeep_maintain";' in wider[0].stdout
        assert "-- 1 tables of schema other belong to postgres, a superuser" in wider[1].stdout
        assert 'GRANT "postgres"' not in wider[0].stdout + wider[1].stdout
        connection.rollback()
        connection.execute("ALTER TABLE other.thing OWNER TO platform_owner")  # who may not create there
        connection.commit()
        closed = deployment.run("grants", "indexes").stdout
        assert 'GRANT CREATE ON SCHEMA "other" TO "platform_owner";' in closed
        assert 'GRANT CREATE ON SCHEMA "public"' not in closed
        connection.execute(closed.encode())
        connection.commit()
        assert "GRANT CREATE" not in deployment.run("grants", "indexes").stdout
        connection.execute("DROP SCHEMA other CASCADE")
    refused = deployment.run("grants", "maintain", upkeep_target_read={"port": port})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Connection 'upkeep_target_read': the database could not be reached")


# Clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "can", "why"),
    [
        (600, "NO", "ahead of this host's clock"),
        (-600, "NO", "behind this host's clock"),
        (20, "yes", "ahead of this host's clock"),
        (0, "yes", ""),
        (None, "NO", "no answer with a Date header"),
    ],
)
def test_functions_whose_clock_is_wrong(deployment: Deployment, ahead: int | None, can: str, why: str) -> None:
    """Ten minutes are too much in either direction, 20 s a remark, nothing is silent, no date is not known."""

    def speak(server: Server, connection: socket.socket) -> None:
        headers = {} if ahead is None else {"Date": formatdate(time.time() + ahead, usegmt=True)}
        answer("500 Internal Server Error", "{}", **headers)(server, connection)

    with Server(speak) as server:
        said = deployment.check(upkeep_functions={"host": server.url})
    clock = "primary: clock of the functions"
    assert said.rows[clock] == can
    assert why in said.why.get(clock, "")
    assert bool(why) == (clock in said.why)
    assert said.rows["primary: clock of the database"] == "yes"
    assert "primary: clock of the database" not in said.why


@pytest.mark.parametrize(
    ("reading", "certain", "misleading"),
    [
        (ClockReading(100, 100, 100), 0, False),
        (ClockReading(100, 101, 102.5), 1.5, False),
        (ClockReading(100, 101, 103), 2, False),
        (ClockReading(100, 101, 98), 2, False),
        (ClockReading(100, 101, 103.25), 2.25, False),
        (ClockReading(100, 101, 161), 60, False),
        (ClockReading(100, 101, 161.25), 60.25, True),
        (ClockReading(100, 101, 39.75), 60.25, True),
        (ClockReading(100, 150, 101), 0, False),
        (ClockReading(100, 100, 103, coarse=0.5), 2.5, False),
    ],
)
def test_what_is_certain_of_a_skew(reading: ClockReading, certain: float, misleading: bool) -> None:
    """The time that an answer took and the fineness of the clock are no skew; both directions count alike."""
    assert (reading.certain, reading.misleading) == (certain, misleading)


def test_the_quickest_answer_is_judged() -> None:
    """A function that started cold and took half a minute says less of its clock than the next call."""
    slow, quick = ClockReading(100, 130, 200), ClockReading(130, 130.5, 131)
    assert least_doubtful([slow, quick]) is quick
    assert str(ClockReading(100, 101, 110.5)).startswith(
        "found it 10.0 s ahead of this host's clock (give or take 0.5 s)"
    )
