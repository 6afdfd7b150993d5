"""The security audit on a real PostgreSQL: each rule is made to fire and falls silent when what it found is mended."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg import sql

from sandbox.postgres import Cluster, identity
from tests.stages.platform import Platform, bare, login, platform, until  # noqa: F401  # two are fixtures
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.areas.security.audit.ask import MAX_DETAIL, SHOWN
from upkeep.areas.security.audit.rules import RULES
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.audit import Audit
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database, queries
from upkeep.wires.queries import source

CONFIG = settings(ROOT / "config")
SCHEMA = 'Api "S" 🦔%s'
S = '"Api ""S"" 🦔%s"'
#: Rules that look at roles and lines of the whole server, which other tests use too.
OF_SERVER = {
    "superusers",
    "role_attributes",
    "powerful_memberships",
    "admin_memberships",
    "password_expired",
    "password_without_expiry",
}


def quoted(name: str) -> str:
    """As the server writes an identifier that must be quoted."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Estate:
    """A database with one exposed schema and a role of the API; ``other`` is a role that nobody comes as."""

    platform: Platform
    api: str
    other: str

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run as the superuser, with {s}, {api} and {other} filled in."""
        return self.platform.sql(statement, s=SCHEMA, api=self.api, other=self.other)

    def audit(self, dsn: str = "", **changed: Any) -> LookResult:
        """Carry out the audit, as the reader unless told otherwise."""
        names = {"exposed_schemas": (SCHEMA,), "api_roles": (self.api,), "expected_superusers": (), "leave_out": ()}
        return look(dsn or self.platform.reader, Audit(**(names | changed)))

    def found(self, dsn: str = "", **changed: Any) -> dict[str, Finding]:
        """Findings by what follows audit: in their keys."""
        return {one.key.removeprefix("audit:"): one for one in self.audit(dsn, **changed).findings}


def look(dsn: str, audit: Audit) -> LookResult:
    """Carry out the audit over this connection, with this section in config's place."""
    config = CONFIG.model_copy(update={"maintenance": CONFIG.maintenance.model_copy(update={"audit": audit})})
    with database.session(lambda: psycopg.connect(dsn), config.maintenance.sql, read_only=True) as session:
        return carry_out(find("audit"), Look(session, config, datetime.now(UTC)))


@pytest.fixture
def estate(platform: Platform, cluster: Cluster) -> Iterator[Estate]:  # noqa: F811
    """An exposed schema that the API may look into, and in it one table that is guarded well."""
    api, other = (f'{name} "{secrets.token_hex(3)}" 🦔' for name in ("Anon", "Other"))
    with login(cluster, platform.admin, api), login(cluster, platform.admin, other):
        estate = Estate(platform, api, other)
        estate.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # before 15 a new database gives it
        estate.sql("CREATE SCHEMA {s}")
        estate.sql("GRANT USAGE ON SCHEMA {s} TO {api}")
        estate.sql("CREATE TABLE {s}.good (id int, owner text)")
        estate.sql("ALTER TABLE {s}.good ENABLE ROW LEVEL SECURITY")
        estate.sql("CREATE POLICY own ON {s}.good USING (owner = current_user)")
        estate.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON {s}.good TO {api}")
        yield estate


@dataclass(frozen=True)
class Case:
    """What is done, how it is mended, and the finding in between; {api} and {other} in ``name`` are quoted names."""

    rule: str
    done: tuple[str, ...]
    undone: tuple[str, ...]
    name: str
    level: Level
    detail: str


DEFINER = (
    "CREATE FUNCTION {s}.f(int, text[]) RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'"
)
FOREIGN = (
    "CREATE FOREIGN DATA WRAPPER nowhere",
    "CREATE SERVER away FOREIGN DATA WRAPPER nowhere",
    "CREATE FOREIGN TABLE {s}.far (id int) SERVER away",
    "GRANT SELECT ON {s}.far TO {api}",
)
CASES = {
    "a table without row-level security that the API reads": Case(
        "rls_off",
        ("CREATE TABLE {s}.bad (id int)", "GRANT SELECT (id) ON {s}.bad TO {api}"),
        ("ALTER TABLE {s}.bad ENABLE ROW LEVEL SECURITY",),
        f"{S}.bad",
        Level.WARNING,
        "every row can be read by {api}",
    ),
    "one that nobody reads yet": Case(
        "rls_off",
        ("CREATE TABLE {s}.bad (id int)",),
        ("DROP TABLE {s}.bad",),
        f"{S}.bad",
        Level.ADVISORY,
        "no role of the API may read it today; one GRANT is all that is missing",
    ),
    "row-level security without a policy": Case(
        "rls_without_policy",
        ("CREATE TABLE {s}.bad (id int)", "ALTER TABLE {s}.bad ENABLE ROW LEVEL SECURITY"),
        ("CREATE POLICY p ON {s}.bad USING (id > 1)",),
        f"{S}.bad",
        Level.ADVISORY,
        "row-level security is on and no policy lets anybody in; its owner is postgres",
    ),
    "policies that are not asked": Case(
        "policy_without_rls",
        (
            "CREATE TABLE public.bad (id int)",
            'CREATE POLICY "P o""licy" ON public.bad USING (id > 1)',
            "CREATE POLICY another ON public.bad USING (id > 2)",
        ),
        ("ALTER TABLE public.bad ENABLE ROW LEVEL SECURITY",),
        "public.bad",
        Level.WARNING,
        'never asked: "P o""licy", another',
    ),
    "a policy that is true for PUBLIC": Case(
        "policy_always_true",
        ("CREATE POLICY p ON {s}.good FOR DELETE USING (true)",),
        ("ALTER POLICY p ON {s}.good USING (owner = current_user)",),
        f"p on {S}.good",
        Level.WARNING,
        "for DELETE to PUBLIC using (true)",
    ),
    "a policy that lets a role of the API insert anything": Case(
        "policy_always_true",
        ("CREATE POLICY p ON {s}.good TO {api}, {other} USING (id > 1) WITH CHECK (true)",),
        ("ALTER POLICY p ON {s}.good TO {other}",),
        f"p on {S}.good",
        Level.WARNING,
        "for ALL to {api}, {other} with check (true)",
    ),
    "a policy that believes the user": Case(
        "policy_user_metadata",
        ("CREATE POLICY p ON {s}.good FOR SELECT USING (('{{}}'::jsonb -> 'user_metadata') ? 'admin')",),
        ("DROP POLICY p ON {s}.good",),
        f"p on {S}.good",
        Level.WARNING,
        "it reads user_metadata, which the user whom it judges may change",
    ),
    "a table that the API may write": Case(
        "api_writes",
        (
            "CREATE TABLE {s}.bad (id int, note text)",
            "GRANT UPDATE (note), DELETE ON {s}.bad TO {other}",
            "GRANT {other} TO {api}",
        ),
        ("REVOKE {other} FROM {api}",),
        f"{S}.bad",
        Level.CRITICAL,
        "{api} may UPDATE, DELETE",
    ),
    "a table that everybody may write": Case(
        "api_writes",
        ("CREATE TABLE {s}.bad (id int)", "GRANT INSERT ON {s}.bad TO PUBLIC"),
        ("ALTER TABLE {s}.bad ENABLE ROW LEVEL SECURITY",),
        f"{S}.bad",
        Level.CRITICAL,
        "{api} may INSERT",
    ),
    "a view with its owner's rights": Case(
        "api_definer_views",
        ("CREATE VIEW {s}.v AS SELECT * FROM {s}.good", "GRANT SELECT ON {s}.v TO {api}"),
        ("DROP VIEW {s}.v",),
        f"{S}.v",
        Level.WARNING,
        "it reads as postgres, a superuser; open to {api}",
    ),
    "a view that nobody reads yet": Case(
        "api_definer_views",
        ("CREATE VIEW {s}.v AS SELECT 1 AS one", "ALTER VIEW {s}.v OWNER TO {other}"),
        ("DROP VIEW {s}.v",),
        f"{S}.v",
        Level.ADVISORY,
        "it reads as {other}; no role of the API may read it today",
    ),
    "a definer function that the API may call": Case(
        "api_definer_functions",
        (DEFINER, "REVOKE ALL ON FUNCTION {s}.f FROM PUBLIC", "GRANT EXECUTE ON FUNCTION {s}.f TO {api}"),
        ("ALTER FUNCTION {s}.f SECURITY INVOKER",),
        f"{S}.f(integer, text[])",
        Level.WARNING,
        "{api} may run it as postgres",
    ),
    "a materialized view": Case(
        "api_materialized_views",
        ("CREATE MATERIALIZED VIEW {s}.m AS SELECT 1 AS one", "GRANT SELECT ON {s}.m TO {api}"),
        ("REVOKE SELECT ON {s}.m FROM {api}",),
        f"{S}.m",
        Level.WARNING,
        "every row can be read by {api}",
    ),
    "a foreign table": Case(
        "api_foreign_tables",
        FOREIGN,
        ("REVOKE SELECT ON {s}.far FROM {api}",),
        f"{S}.far",
        Level.WARNING,
        "rows of the server away can be read by {api}",
    ),
    "a schema where all may create": Case(
        "schema_create",
        ("GRANT CREATE ON SCHEMA public TO PUBLIC",),
        ("REVOKE CREATE ON SCHEMA public FROM PUBLIC",),
        "schema public",
        Level.WARNING,
        "{api}, PUBLIC may CREATE",
    ),
    "a schema where the API may create": Case(
        "schema_create",
        ("GRANT CREATE ON SCHEMA {s} TO {api}",),
        ("REVOKE CREATE ON SCHEMA {s} FROM {api}",),
        f"schema {S}",
        Level.WARNING,
        "{api} may CREATE",
    ),
    "a schema open to all": Case(
        "public_schemas",
        ("GRANT USAGE ON SCHEMA {s} TO PUBLIC",),
        ("REVOKE USAGE ON SCHEMA {s} FROM PUBLIC",),
        S,
        Level.ADVISORY,
        "PUBLIC has USAGE",
    ),
    "a table open to all": Case(
        "public_tables",
        ("GRANT SELECT, REFERENCES ON {s}.good TO PUBLIC",),
        ("REVOKE ALL ON {s}.good FROM PUBLIC",),
        f"{S}.good",
        Level.WARNING,
        "PUBLIC has REFERENCES, SELECT",
    ),
    "a column open to all": Case(
        "public_tables",
        ("GRANT UPDATE (owner) ON {s}.good TO PUBLIC",),
        ("REVOKE UPDATE (owner) ON {s}.good FROM PUBLIC",),
        f"{S}.good.owner",
        Level.WARNING,
        "PUBLIC has UPDATE",
    ),
    "a definer function that all may call": Case(
        "public_functions",
        (DEFINER,),
        ("REVOKE EXECUTE ON FUNCTION {s}.f FROM PUBLIC",),
        f"{S}.f(integer, text[])",
        Level.WARNING,
        "everybody may run it as postgres, a superuser",
    ),
    "a function of the server given to all": Case(
        "public_system",
        ("GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO PUBLIC",),
        ("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) FROM PUBLIC",),
        "pg_catalog.pg_ls_dir(text) to PUBLIC",
        Level.WARNING,
        "EXECUTE, which a new server does not give",
    ),
    "a column of a catalogue given to the API": Case(
        "public_system",
        ("GRANT SELECT (rolname) ON pg_catalog.pg_authid TO {api}",),
        ("REVOKE SELECT (rolname) ON pg_catalog.pg_authid FROM {api}",),
        "pg_catalog.pg_authid.rolname to {api}",
        Level.WARNING,
        "SELECT, which a new server does not give",
    ),
    "default privileges for all": Case(
        "default_privileges",
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",),
        ("ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",),
        "tables by postgres to PUBLIC",
        Level.WARNING,
        "SELECT on each new one",
    ),
    "default privileges for the API": Case(
        "default_privileges",
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT SELECT ON SEQUENCES TO {api}",),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA {s} REVOKE SELECT ON SEQUENCES FROM {api}",),
        f"sequences by postgres in {S} to {{api}}",
        Level.ADVISORY,
        "SELECT on each new one",
    ),
    "default privileges for writing": Case(
        "default_privileges",
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT SELECT, DELETE ON TABLES TO {api}",),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA {s} REVOKE ALL ON TABLES FROM {api}",),
        f"tables by postgres in {S} to {{api}}",
        Level.WARNING,
        "DELETE, SELECT on each new one",
    ),
    "a definer function without search_path": Case(
        "definer_search_path",
        ("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'",),
        ("ALTER FUNCTION public.f() SET search_path = pg_catalog, pg_temp",),
        "public.f()",
        Level.WARNING,
        "it has no search_path of its own; it runs as postgres",
    ),
    "a definer function with the caller in its search_path": Case(
        "definer_search_path",
        (DEFINER, 'ALTER FUNCTION {s}.f SET search_path = "$user", public'),
        ("ALTER FUNCTION {s}.f SET search_path = public",),
        f"{S}.f(integer, text[])",
        Level.WARNING,
        'search_path="$user", public; it runs as postgres',
    ),
    "a superuser": Case(
        "superusers",
        ("ALTER ROLE {other} SUPERUSER",),
        ("ALTER ROLE {other} NOSUPERUSER",),
        "{other}",
        Level.WARNING,
        "a superuser that may log in",
    ),
    "a superuser that the API comes as": Case(
        "superusers",
        ("ALTER ROLE {api} SUPERUSER NOLOGIN",),
        ("ALTER ROLE {api} NOSUPERUSER",),
        "{api}",
        Level.CRITICAL,
        "a superuser without login, and a role of the API",
    ),
    "a role that makes databases": Case(
        "role_attributes",
        ("ALTER ROLE {other} CREATEDB",),
        ("ALTER ROLE {other} NOCREATEDB",),
        "{other}",
        Level.ADVISORY,
        "CREATEDB",
    ),
    "a role that makes roles and replicates": Case(
        "role_attributes",
        ("ALTER ROLE {other} CREATEROLE REPLICATION NOLOGIN",),
        ("ALTER ROLE {other} NOCREATEROLE NOREPLICATION",),
        "{other}",
        Level.WARNING,
        "CREATEROLE, REPLICATION, without login",
    ),
    "a role of the API that passes policies": Case(
        "role_attributes",
        ("ALTER ROLE {api} BYPASSRLS",),
        ("ALTER ROLE {api} NOBYPASSRLS",),
        "{api}",
        Level.CRITICAL,
        "BYPASSRLS, a role of the API",
    ),
    "a member of a powerful role": Case(
        "powerful_memberships",
        ("GRANT pg_execute_server_program TO {other}",),
        ("REVOKE pg_execute_server_program FROM {other}",),
        "{other} in pg_execute_server_program",
        Level.WARNING,
        "by a grant",
    ),
    "a role of the API that reaches one through another": Case(
        "powerful_memberships",
        ("GRANT pg_read_server_files TO {other}", "GRANT {other} TO {api}"),
        ("REVOKE {other} FROM {api}",),
        "{api} in pg_read_server_files",
        Level.CRITICAL,
        "through other roles, a role of the API",
    ),
    "a member that may make members": Case(
        "admin_memberships",
        ("GRANT {api} TO {other} WITH ADMIN OPTION",),
        ("REVOKE ADMIN OPTION FOR {api} FROM {other}",),
        "{other} over {api}",
        Level.ADVISORY,
        "may make anybody a member of it",
    ),
    "a role of the API that may make members of a role of the server": Case(
        "admin_memberships",
        ("GRANT pg_monitor TO {api} WITH ADMIN OPTION",),
        ("REVOKE pg_monitor FROM {api}",),
        "{api} over pg_monitor",
        Level.CRITICAL,
        "may make anybody a member of it, a role of the server, a role of the API",
    ),
    "a member of a role that passes policies": Case(
        "powerful_memberships",
        ("ALTER ROLE {api} BYPASSRLS", "GRANT {api} TO {other}"),
        ("ALTER ROLE {api} NOBYPASSRLS",),
        "{other} in {api}",
        Level.WARNING,
        "by a grant, which passes every policy",
    ),
    "a password that is over": Case(
        "password_expired",
        ("ALTER ROLE {other} VALID UNTIL '2020-02-03 04:05+00'",),
        ("ALTER ROLE {other} VALID UNTIL '2120-01-01'",),
        "{other}",
        Level.WARNING,
        "its password has been over since 2020-02-03 04:05 UTC",
    ),
    "a password for ever": Case(
        "password_without_expiry",
        ("ALTER ROLE {other} VALID UNTIL 'infinity'",),
        ("ALTER ROLE {other} VALID UNTIL '2120-01-01'",),
        "{other}",
        Level.ADVISORY,
        "VALID UNTIL infinity",
    ),
    "an extension that the API offers": Case(
        "extensions_exposed",
        ("CREATE EXTENSION pg_stat_statements SCHEMA {s}",),
        ("ALTER EXTENSION pg_stat_statements SET SCHEMA public",),
        "pg_stat_statements",
        Level.ADVISORY,
        f"in the schema {S}",
    ),
    "an extension that is behind": Case(
        "extension_versions",
        ("CREATE EXTENSION pg_stat_statements VERSION '1.8'",),
        ("ALTER EXTENSION pg_stat_statements UPDATE",),
        "pg_stat_statements",
        Level.ADVISORY,
        "1.8 is in use",
    ),
    "a role whose statements are in no log": Case(
        "setting_overrides",
        ("ALTER ROLE {other} SET log_statement = 'none'",),
        ("ALTER ROLE {other} RESET log_statement",),
        "role {other}: log_statement",
        Level.WARNING,
        "set to none",
    ),
}


@pytest.mark.guide("G78", "G79", "fires", "silent")
@pytest.mark.parametrize("case", CASES)
def test_each_rule_fires_and_falls_silent(estate: Estate, case: str) -> None:
    """Silent before, one finding with level and words in between, and nothing of it left when it is mended."""
    this = CASES[case]
    names = {"api": quoted(estate.api), "other": quoted(estate.other)}
    key = f"{this.rule}:{this.name.format(**names)}"
    if this.rule == "password_without_expiry":  # the one rule that finds every role as it was made
        estate.sql("ALTER ROLE {other} VALID UNTIL '2120-01-01'")
    assert key not in estate.found()
    for statement in this.done:
        estate.sql(statement)
    finding = estate.found()[key]
    assert finding.level is this.level
    assert finding.detail.startswith(this.detail.format(**names))
    assert finding.guide == ("G79" if this.rule in OF_SERVER else "G78")
    assert finding.expected and finding.remedy
    for statement in this.undone:
        estate.sql(statement)
    left = {name for name in estate.found() if name.partition(":")[0] == this.rule}
    assert key not in left
    if this.rule not in OF_SERVER:
        assert left == {this.rule}
        assert estate.found()[this.rule].level is Level.OK


def test_every_rule_has_a_case() -> None:
    """A rule that no test makes fire is not known to find anything; the four others have tests of their own."""
    of_their_own = {"configured_names", "password_md5", "pg_hba", "settings"}
    assert {case.rule for case in CASES.values()} | of_their_own == {rule.name for rule in RULES}


@pytest.mark.guide("G78", "G79", "silent")
def test_a_good_database_is_told_rule_by_rule(estate: Estate) -> None:
    """One finding says of each rule what was looked at, with the schemas and roles that it was looked at for."""
    found = estate.found(estate.platform.admin)
    for rule in RULES:
        if rule.name in OF_SERVER | {"settings"}:
            continue
        assert (found[rule.name].level, found[rule.name].remedy) == (Level.OK, ""), rule.name
    assert found["rls_off"].detail == f"nothing found; looked at every table of {SCHEMA}"
    assert found["api_writes"].detail.endswith(f"for {estate.api}")
    counted = {one.subject: one.value for one in estate.audit().samples}
    assert (counted["rls_off"], "password_md5" in counted) == (0.0, False)


def test_partitions_are_their_parents_matter_until_somebody_reads_them(estate: Estate) -> None:
    """A guarded parent has partitions without a guard of their own: only a grant on one of them is a way around it."""
    estate.sql("CREATE TABLE {s}.parted (id int) PARTITION BY RANGE (id)")
    estate.sql("ALTER TABLE {s}.parted ENABLE ROW LEVEL SECURITY")
    estate.sql("CREATE TABLE {s}.part PARTITION OF {s}.parted DEFAULT")
    assert estate.found()["rls_off"].level is Level.OK
    estate.sql("GRANT SELECT ON {s}.part TO {api}")
    finding = estate.found()[f"rls_off:{S}.parted"]
    assert finding.level is Level.WARNING
    assert finding.detail.endswith(f"partitions that can be read by themselves: 1, the first {S}.part")


@pytest.mark.parametrize("value", ["true", "on", "1", "yes"])
def test_a_view_that_reads_as_its_reader_is_good(estate: Estate, value: str) -> None:
    """However the option was written; before 15 no view can have it."""
    with psycopg.connect(estate.platform.admin) as connection:
        version = connection.info.server_version
    estate.sql("CREATE VIEW {s}.v AS SELECT 1 AS one")
    assert f"api_definer_views:{S}.v" in estate.found()
    if version < 150_000:
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            estate.sql("ALTER VIEW {s}.v SET (security_invoker = true)")
        return
    estate.sql(f"ALTER VIEW {{s}}.v SET (security_invoker = {value})")
    assert estate.found()["api_definer_views"].level is Level.OK
    estate.sql("ALTER VIEW {s}.v SET (security_invoker = off)")
    assert f"api_definer_views:{S}.v" in estate.found()


def test_what_an_extension_brings_is_its_own_matter(estate: Estate) -> None:
    """Its views open to PUBLIC come with it: only where it lies is said."""
    estate.sql("CREATE EXTENSION pg_stat_statements SCHEMA {s}")
    bad = {name for name, one in estate.found().items() if "pg_stat" in name and one.level is not Level.OK}
    assert bad == {"extensions_exposed:pg_stat_statements"}


def test_default_privileges_that_repeat_the_servers_own_are_none(estate: Estate) -> None:
    """The first entry for all schemas writes down what PUBLIC had anyway."""
    estate.sql("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {other}")
    assert estate.found()["default_privileges"].level is Level.OK


def test_an_expected_superuser_is_no_finding(estate: Estate) -> None:
    """Named in config, as the catalogue spells it."""
    estate.sql("ALTER ROLE {other} SUPERUSER")
    assert f"superusers:{quoted(estate.other)}" in estate.found()
    assert f"superusers:{quoted(estate.other)}" not in estate.found(expected_superusers=(estate.other,))


@pytest.mark.guide("G78", "fires", "silent")
def test_a_partitioned_table_is_one_finding_of_each_rule(estate: Estate) -> None:
    """Twenty partitions, each read by the API without row-level security, then closed to everybody."""
    estate.sql("CREATE TABLE {s}.years (id int) PARTITION BY LIST (id)")
    parts = [f"{{s}}.y{number}" for number in range(20)]
    for number, part in enumerate(parts):
        estate.sql(f"CREATE TABLE {part} PARTITION OF {{s}}.years FOR VALUES IN ({number})")
        estate.sql(f"GRANT SELECT ON {part} TO {{api}}")

    def about() -> dict[str, str]:
        return {key: one.detail for key, one in estate.found().items() if ".years" in key or ".y1" in key}

    (key,) = found = about()
    assert key.startswith("rls_off:") and key.endswith(".years")
    assert "partitions that can be read by themselves: 20" in found[key]
    for table in ("{s}.years", *parts):
        estate.sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    (key,) = found = about()
    assert key.startswith("rls_without_policy:") and key.endswith(".years")
    assert "partitions of which this is true: 20" in found[key]
    for table in ("{s}.years", *parts):
        estate.sql(f"CREATE POLICY p ON {table} FOR SELECT USING (id > 0)")
    assert about() == {}


def test_a_membership_that_allows_nothing_is_none(estate: Estate) -> None:
    """From 16 on a grant may give neither the rights nor the way to them; the right to grant it on is a way."""
    with psycopg.connect(estate.platform.admin) as connection:
        if connection.info.server_version < 160_000:
            older, plain = (queries.path("security/audit/powerful_memberships", version) for version in (150_000, None))
            assert older == plain
            return
    key = f"powerful_memberships:{quoted(estate.other)} in pg_write_server_files"
    estate.sql("GRANT pg_write_server_files TO {other} WITH INHERIT FALSE, SET FALSE")
    assert key not in estate.found()
    estate.sql("GRANT pg_write_server_files TO {other} WITH ADMIN TRUE")
    assert key in estate.found()


# What cannot be read, what is not there ---------------------------------------------------------------------------


@pytest.mark.guide("G78", "fires", "silent")
def test_names_that_this_server_does_not_have(estate: Estate) -> None:
    """Rules about them would be silent for ever: it is not known what they should have looked at."""
    assert estate.found()["configured_names"].level is Level.OK
    found = estate.found(exposed_schemas=(SCHEMA, "gone"), api_roles=(estate.api, 'No "body"'))
    unseen = found["configured_names:schema gone"]
    assert (
        unseen.level is Level.UNKNOWN
        and "config calls it exposed, and this database has no such schema" in unseen.detail
    )
    unseen = found['configured_names:role "No ""body"""']
    assert (
        unseen.level is Level.UNKNOWN
        and "config calls it a role of the API, and this server has no such role" in unseen.detail
    )
    assert found["rls_off"].level is Level.OK
    none = estate.found(api_roles=())
    assert none["api_writes"].detail.endswith("for no role (config names none)")


@pytest.mark.guide("G78", "G79", "fires", "silent")
def test_what_only_a_superuser_may_read_is_unknown(estate: Estate) -> None:
    """Passwords and pg_hba.conf: UNKNOWN for the reader, judged after a grant; the others are asked."""
    found = estate.found()
    for name, said in (("password_md5", "table pg_authid"), ("pg_hba", "view pg_hba_file_rules")):
        assert (found[name].level, found[name].detail) == (Level.UNKNOWN, f"not readable: permission denied for {said}")
        assert f"include/sql/security/audit/{name}.sql" in found[name].remedy
    assert {key.partition(":")[0] for key in found} == {rule.name for rule in RULES}
    reader = quoted(estate.platform.role)
    estate.sql(f"GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {reader}")
    estate.sql(f"GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {reader}")
    estate.sql(f"GRANT SELECT (rolname, rolcanlogin, rolpassword) ON pg_catalog.pg_authid TO {reader}")
    assert {estate.found()[name].level for name in ("password_md5", "pg_hba")} == {Level.OK}


def test_a_setting_that_is_hidden_without_pg_monitor_is_unknown(estate: Estate) -> None:
    """Nobody tells a role without it the oldest TLS that is spoken; the other settings are judged."""
    assert "settings:ssl_min_protocol_version" not in estate.found()
    reader = quoted(estate.platform.role)
    estate.sql(f"REVOKE pg_monitor FROM {reader}")
    found = estate.found()
    hidden = found["settings:ssl_min_protocol_version"]
    assert hidden.level is Level.UNKNOWN
    assert "`python -m upkeep grants target`" in hidden.detail
    assert found["settings:log_statement"].level is Level.ADVISORY


def test_a_catalogue_that_was_closed_costs_only_its_own_rules(estate: Estate) -> None:
    """Somebody who hardens a server may take a catalogue from PUBLIC."""
    estate.sql("REVOKE SELECT ON pg_catalog.pg_db_role_setting, pg_catalog.pg_policy FROM PUBLIC")
    found = estate.found()
    unknown = {name for name, one in found.items() if one.level is Level.UNKNOWN}
    assert unknown == {
        *(
            "setting_overrides",
            "rls_without_policy",
            "policy_without_rls",
            "policy_always_true",
            "policy_user_metadata",
        ),
        *("password_md5", "pg_hba"),
    }
    assert found["rls_off"].level is Level.OK


@pytest.mark.guide("G79", "fires", "silent")
def test_a_password_kept_as_md5(estate: Estate) -> None:
    """Found until it is set again, and its hash is in no finding."""
    with psycopg.connect(estate.platform.admin, autocommit=True) as admin:
        admin.execute("SET password_encryption = 'md5'")
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD 'old'").format(sql.Identifier(estate.other)))
        (hashed,) = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [estate.other]).fetchone()
    found = estate.found(estate.platform.admin)
    finding = found[f"password_md5:{quoted(estate.other)}"]
    assert (finding.level, finding.detail) == (Level.WARNING, "its password is kept as md5")
    assert hashed.startswith("md5") and hashed not in json.dumps([vars(one) for one in found.values()], default=str)
    estate.sql("ALTER ROLE {other} PASSWORD 'new'")
    assert estate.found(estate.platform.admin)["password_md5"].level is Level.OK


def test_rules_that_config_leaves_out_are_said(estate: Estate) -> None:
    """They are not asked, and nobody believes that they were good."""
    found = estate.found(leave_out=("pg_hba", "rls_off"))
    assert found["left_out"].level is Level.ADVISORY
    assert found["left_out"].detail == "pg_hba, rls_off"
    assert {key.partition(":")[0] for key in found} == {rule.name for rule in RULES} - {"pg_hba", "rls_off"} | {
        "left_out"
    }


@pytest.mark.guide("G78", "fires")
def test_thousands_of_findings_are_shown_as_fifty_and_a_number(estate: Estate) -> None:
    """The worst first: what the API reads is among them whatever its name; the sample counts all."""
    estate.sql("DO $$ BEGIN FOR n IN 1..1000 LOOP EXECUTE 'CREATE TABLE {s}.t' || n || ' (id int)'; END LOOP; END $$")
    estate.sql("CREATE TABLE {s}.zzz (id int)")
    estate.sql("GRANT SELECT ON {s}.zzz TO {api}")
    looked = estate.audit()
    tables = [one for one in looked.findings if one.key.startswith("audit:rls_off:")]
    assert (len(tables), tables[0].key) == (SHOWN, f"audit:rls_off:{S}.zzz")
    (more,) = [one for one in looked.findings if one.key == "audit:rls_off"]
    assert (more.level, more.detail) == (Level.ADVISORY, "951 more; the 50 worst are shown")
    assert {one.subject: one.value for one in looked.samples}["rls_off"] == 1001.0


# A server of its own ----------------------------------------------------------------------------------------------


class Poor(Cluster):
    """A server whose log does not say who; it says so on the command line, before which no file counts."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "log_line_prefix=%m [%p] "]


@pytest.fixture(scope="module")
def server(new_cluster: Callable[[], Cluster]) -> Iterator[Cluster]:
    """A server whose files and settings a test may spoil, with a certificate that it does not use yet."""
    made = new_cluster()
    cluster = Poor(made.data, made.port, made.password)
    certify(cluster.directory())
    process = cluster.start()
    yield cluster
    cluster.stop(process)


def certify(folder: Path) -> None:
    """Put a certificate of its own making where the server looks for one."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2026, 1, 1)).not_valid_after(datetime(2126, 1, 1))
    certificate = builder.sign(key, hashes.SHA256())
    pem, plainly = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plainly)
    for file, content in (("server.crt", certificate.public_bytes(pem)), ("server.key", private)):
        path = folder / file
        path.write_bytes(content)
        path.chmod(0o600)
        os.chown(path, identity().uid, identity().gid)


@pytest.fixture
def plain(server: Cluster) -> Iterator[Callable[[], dict[str, Finding]]]:
    """The audit of it as its superuser; pg_hba.conf and settings are as before afterwards."""
    file = server.directory() / "pg_hba.conf"
    before = file.read_text()
    audit = Audit(exposed_schemas=("public",), api_roles=(), expected_superusers=(), leave_out=())
    yield lambda: {one.key.removeprefix("audit:"): one for one in look(server.dsn("postgres"), audit).findings}
    file.write_text(before)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM RESET ALL")
        admin.execute("SELECT pg_reload_conf()")


LINES = {
    "host all all 0.0.0.0/0 trust": (
        "host all all 0.0.0.0 0.0.0.0 trust",
        Level.CRITICAL,
        "anybody there is whoever they say; open to all addresses, with or without TLS",
    ),
    "host all all 192.0.2.7/32 trust": (
        "host all all 192.0.2.7 255.255.255.255 trust",
        Level.CRITICAL,
        "anybody there is whoever they say",
    ),
    "host all all 127.0.0.1/32 trust": (
        "host all all 127.0.0.1 255.255.255.255 trust",
        Level.WARNING,
        "every account of this machine is whoever it says",
    ),
    "host all all localhost trust": (
        "host all all localhost trust",
        Level.WARNING,
        "every account of this machine is whoever it says",
    ),
    "host all all 127.0.0.1/0 trust": (
        "host all all 127.0.0.1 0.0.0.0 trust",
        Level.CRITICAL,
        "anybody there is whoever they say; open to all addresses, with or without TLS",
    ),
    "local all all trust": ("local all all trust", Level.WARNING, "every account of this machine is whoever it says"),
    'host a,"B c" +g 192.0.2.0/24 password': (
        "host a,B c +g 192.0.2.0 255.255.255.0 password",
        Level.WARNING,
        "passwords go over the wire as they are",
    ),
    "host all all 192.0.2.0/24 md5": (
        "host all all 192.0.2.0 255.255.255.0 md5",
        Level.ADVISORY,
        "md5 is still taken for passwords that are kept so",
    ),
    "host all all ::/0 scram-sha-256": (
        "host all all :: :: scram-sha-256",
        Level.WARNING,
        "open to all addresses, with or without TLS",
    ),
    "host all all all scram-sha-256": (
        "host all all all scram-sha-256",
        Level.WARNING,
        "open to all addresses, with or without TLS",
    ),
}


@pytest.mark.guide("G78", "fires", "silent")
@pytest.mark.parametrize("line", LINES)
def test_lines_of_pg_hba_conf(server: Cluster, plain: Callable[[], dict[str, Finding]], line: str) -> None:
    """As the server reads them; written twice one is one; gone from the file, gone from the audit."""
    file = server.directory() / "pg_hba.conf"
    good = file.read_text()
    assert plain()["pg_hba"].level is Level.OK
    file.write_text(f"{good}\n{line}\n{line}\n")
    (found,) = [one for key, one in plain().items() if key.startswith("pg_hba")]
    name, level, what = LINES[line]
    assert (found.key, found.level) == (f"audit:pg_hba:{name}", level)
    number = len(good.splitlines()) + 2
    assert found.detail == f"{what} (line {number}, {number + 1})"
    file.write_text(good)
    assert plain()["pg_hba"].level is Level.OK


def test_lines_that_are_good_or_broken(server: Cluster, plain: Callable[[], dict[str, Finding]]) -> None:
    """A line that refuses all addresses is good; one that the server does not understand is a warning, in its words."""
    file = server.directory() / "pg_hba.conf"
    good = file.read_text()
    file.write_text(f"{good}\nhost all all 0.0.0.0/0 reject\nhost all all 192.0.2.0/24 scram-sha-256\n")
    assert plain()["pg_hba"].level is Level.OK
    file.write_text(f"{good}\nhost all all nonsense\n")
    (found,) = [one for key, one in plain().items() if key.startswith("pg_hba")]
    assert found.level is Level.WARNING
    assert found.detail.startswith("the server says: ")


def test_a_line_with_hundreds_of_roles_is_shown_in_part(
    server: Cluster, plain: Callable[[], dict[str, Finding]]
) -> None:
    """Its detail ends where a report's line has to."""
    file = server.directory() / "pg_hba.conf"
    file.write_text("\n".join([file.read_text(), *["local all all trust"] * 300]))
    (found,) = [one for key, one in plain().items() if key.startswith("pg_hba")]
    assert len(found.detail) == MAX_DETAIL + 1


#: Setting → a bad value, a good value, the level.
SETTINGS = {
    "password_encryption": ("md5", "scram-sha-256", Level.WARNING),
    "ssl_min_protocol_version": ("TLSv1.1", "TLSv1.3", Level.WARNING),
    "row_security": ("off", "on", Level.ADVISORY),
    "log_connections": ("off", "on", Level.ADVISORY),
    "log_disconnections": ("off", "on", Level.ADVISORY),
    "log_statement": ("none", "ddl", Level.ADVISORY),
    "log_min_error_statement": ("panic", "error", Level.ADVISORY),
    "ssl": ("off", "on", Level.WARNING),
}


def _settings(plain: Callable[[], dict[str, Finding]]) -> set[str]:
    """Names of the settings that are found bad."""
    return {key.partition(":")[2] for key in plain() if key.startswith("settings:")}


@pytest.mark.guide("G78", "fires", "silent")
def test_settings_of_the_server(server: Cluster, plain: Callable[[], dict[str, Finding]], estate: Estate) -> None:
    """Each is found with its value while it is bad, and none of them while all are good."""
    assert "settings:log_line_prefix" not in estate.found()  # the session's server names the user
    for which in (0, 1):
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
            for name, values in SETTINGS.items():
                admin.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(values[which]))
                )
            admin.execute("SELECT pg_reload_conf()")
        wanted = {"log_line_prefix"} | {name for name in SETTINGS if which == 0}
        until(partial(_settings, plain), lambda found, wanted=wanted: found == wanted)  # a reload takes its moment
        for name in wanted & SETTINGS.keys():
            found = plain()[f"settings:{name}"]
            assert found.level is SETTINGS[name][2]
            assert found.detail.startswith(f"found {SETTINGS[name][0]}: ")


def test_its_source_is_a_file() -> None:
    """What a report names can be opened."""
    assert (ROOT / source(find("audit").path)).is_dir()


def test_a_password_that_was_never_valid_is_told(estate: Estate) -> None:
    """A way to shut an account: -infinity has no calendar date."""
    estate.sql("ALTER ROLE {other} VALID UNTIL '-infinity'")
    assert "ever (-infinity)" in estate.found()[f"password_expired:{quoted(estate.other)}"].detail


def test_a_rule_that_cannot_get_its_lock_does_not_end_the_others(estate: Estate) -> None:
    """It is UNKNOWN by itself, and says why; the rest looks on."""
    with psycopg.connect(estate.platform.admin) as holder:
        holder.execute("LOCK TABLE pg_policy IN ACCESS EXCLUSIVE MODE")
        found = estate.found()
    assert (found["rls_without_policy"].level, "lock timeout" in found["rls_without_policy"].detail) == (
        Level.UNKNOWN,
        True,
    )
    assert len({key.partition(":")[0] for key in found}) == len(RULES)
    assert estate.found()["rls_without_policy"].level is not Level.UNKNOWN
