"""Permission changes on a real PostgreSQL: each kind is found, said once, and silent when it is taken back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.platform import Platform, bare, login, platform  # noqa: F401  # two are fixtures
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.areas.security.permissions import SHOWN, PermissionChange, diff
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult, clean, plain
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database, queries
from upkeep.wires.queries import source

CONFIG = settings(ROOT / "config")
DUE = datetime(2026, 5, 3, 3, tzinfo=UTC)
ROLE = f'o\'Brien "🦔" {secrets.token_hex(3)}'
QUOTED = '"' + ROLE.replace('"', '""') + '"'


def look(platform: Platform, before: Any = None) -> LookResult:  # noqa: F811
    """Carry out the check as the reader, held against a snapshot as the ledger would give it back."""
    with database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        previous = None if before is None else (DUE, before)
        looked = carry_out(find("permissions"), Look(session, CONFIG, datetime.now(UTC), previous=previous))
    return LookResult(looked.findings, snapshot=json.loads(json.dumps(clean(plain(looked.snapshot)))))


def found(platform: Platform, before: Any) -> dict[str, Finding]:  # noqa: F811
    """Findings by key."""
    return {finding.key: finding for finding in look(platform, before).findings}


@pytest.fixture
def estate(platform: Platform, cluster: Cluster) -> Iterator[Platform]:  # noqa: F811
    """A schema with a table, a view, a sequence and functions of strange names, and a role with one."""
    with login(cluster, platform.admin, ROLE):
        platform.sql('CREATE SCHEMA "Mixed ""S"" 🦔"')
        platform.sql('CREATE TABLE "Mixed ""S"" 🦔"."T%a" (id int, "Se""cret" text)')
        platform.sql('CREATE VIEW "Mixed ""S"" 🦔"."V" AS SELECT 1 AS one')
        platform.sql('CREATE SEQUENCE "Mixed ""S"" 🦔"."Q"')
        for name in ("safe", "open"):
            platform.sql(f"CREATE FUNCTION public.{name}(int, text[]) RETURNS int LANGUAGE sql AS 'SELECT 1'")
        platform.sql("ALTER FUNCTION public.safe(int, text[]) SECURITY DEFINER SET search_path = pg_catalog")
        yield platform


T = '"Mixed ""S"" 🦔"."T%a"'
#: What is done, how it is taken back, the finding's key, its level and what it says.
CASES = {
    "superuser": ("ALTER ROLE {role} SUPERUSER", "ALTER ROLE {role} NOSUPERUSER", f"role:{QUOTED}", True),
    "createrole": ("ALTER ROLE {role} CREATEROLE", "ALTER ROLE {role} NOCREATEROLE", f"role:{QUOTED}", True),
    "bypassrls": ("ALTER ROLE {role} BYPASSRLS", "ALTER ROLE {role} NOBYPASSRLS", f"role:{QUOTED}", True),
    "createdb": ("ALTER ROLE {role} CREATEDB", "ALTER ROLE {role} NOCREATEDB", f"role:{QUOTED}", False),
    "replication": ("ALTER ROLE {role} REPLICATION", "ALTER ROLE {role} NOREPLICATION", f"role:{QUOTED}", False),
    "valid until": (
        "ALTER ROLE {role} VALID UNTIL '2030-01-01'",
        "ALTER ROLE {role} VALID UNTIL 'infinity'",
        f"role:{QUOTED}",
        False,
    ),
    "membership": (
        "GRANT pg_monitor TO {role}",
        "REVOKE pg_monitor FROM {role}",
        f"membership:{QUOTED} in pg_monitor",
        False,
    ),
    "a membership with the right to give it on": (
        "GRANT pg_monitor TO {role} WITH ADMIN OPTION",
        "REVOKE pg_monitor FROM {role}",
        f"membership:{QUOTED} in pg_monitor",
        True,
    ),
    "a powerful membership": (
        "GRANT pg_write_server_files TO {role}",
        "REVOKE pg_write_server_files FROM {role}",
        f"membership:{QUOTED} in pg_write_server_files",
        True,
    ),
    "a table": (
        f"GRANT UPDATE ON {T} TO {{role}} WITH GRANT OPTION",
        f"REVOKE ALL ON {T} FROM {{role}}",
        f'grant:table "Mixed ""S"" 🦔"."T%a" to {QUOTED}',
        False,
    ),
    "a table to PUBLIC": (
        f"GRANT SELECT ON {T} TO PUBLIC",
        f"REVOKE ALL ON {T} FROM PUBLIC",
        'grant:table "Mixed ""S"" 🦔"."T%a" to PUBLIC',
        True,
    ),
    "a column": (
        f'GRANT SELECT ("Se""cret") ON {T} TO {{role}}',
        f'REVOKE SELECT ("Se""cret") ON {T} FROM {{role}}',
        f'grant:column "Mixed ""S"" 🦔"."T%a"."Se""cret" to {QUOTED}',
        False,
    ),
    "a schema": (
        'GRANT USAGE ON SCHEMA "Mixed ""S"" 🦔" TO {role}',
        'REVOKE USAGE ON SCHEMA "Mixed ""S"" 🦔" FROM {role}',
        f'grant:schema "Mixed ""S"" 🦔" to {QUOTED}',
        False,
    ),
    "a sequence": (
        'GRANT USAGE ON SEQUENCE "Mixed ""S"" 🦔"."Q" TO {role}',
        'REVOKE USAGE ON SEQUENCE "Mixed ""S"" 🦔"."Q" FROM {role}',
        f'grant:sequence "Mixed ""S"" 🦔"."Q" to {QUOTED}',
        False,
    ),
    "a function": (
        "GRANT EXECUTE ON FUNCTION public.open(int, text[]) TO {role}",
        "REVOKE EXECUTE ON FUNCTION public.open(int, text[]) FROM {role}",
        f"grant:function public.open(integer, text[]) to {QUOTED}",
        False,
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE INSERT ON TABLES FROM {role}",
        f"default:tables by postgres in public to {QUOTED}",
        False,
    ),
    "default privileges to PUBLIC": (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM PUBLIC",
        "default:tables by postgres in public to PUBLIC",
        True,
    ),
    "an owner": (
        'ALTER VIEW "Mixed ""S"" 🦔"."V" OWNER TO {role}',
        'ALTER VIEW "Mixed ""S"" 🦔"."V" OWNER TO postgres',
        'view:"Mixed ""S"" 🦔"."V"',
        False,
    ),
    "row security on": (
        f"ALTER TABLE {T} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {T} DISABLE ROW LEVEL SECURITY",
        'table:"Mixed ""S"" 🦔"."T%a"',
        False,
    ),
    "a policy": (
        f'CREATE POLICY "P o""licy" ON {T} FOR UPDATE TO {{role}} USING (id > 1) WITH CHECK (id > 2)',
        f'DROP POLICY "P o""licy" ON {T}',
        'policy:"P o""licy" on "Mixed ""S"" 🦔"."T%a"',
        False,
    ),
    "a definer without search_path": (
        "ALTER FUNCTION public.open(int, text[]) SECURITY DEFINER",
        "ALTER FUNCTION public.open(int, text[]) SECURITY INVOKER",
        "definer:public.open(integer, text[])",
        True,
    ),
    "a definer with search_path": (
        "ALTER FUNCTION public.safe(int, text[]) SET search_path = public",
        "ALTER FUNCTION public.safe(int, text[]) SET search_path = pg_catalog",
        "definer:public.safe(integer, text[])",
        False,
    ),
}


@pytest.mark.guide("G77", "fires", "silent")
@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_change_is_found_and_silent_when_taken_back(estate: Platform, case: str) -> None:
    """One finding with the level that fits, under a key that names the thing; none after it is undone."""
    done, undone, key, alarming = CASES[case]
    if case == "valid until":
        estate.sql(undone, role=ROLE)  # there is no way back to no date at all
    before = look(estate).snapshot
    estate.sql(done, role=ROLE)
    changed = {name: finding for name, finding in found(estate, before).items() if finding.level is not Level.OK}
    key = f"permission:{key}"
    assert set(changed) == {key}
    assert changed[key].level is (Level.WARNING if alarming else Level.ADVISORY)
    assert changed[key].guide == "G77"
    assert changed[key].expected == "as in the snapshot of the window due 2026-05-03 03:00 UTC"
    estate.sql(undone, role=ROLE)
    (finding,) = look(estate, before).findings
    assert finding.level is Level.OK
    assert finding.detail.endswith("facts are the same as in the snapshot of the window due 2026-05-03 03:00 UTC")


@pytest.mark.guide("G77", "fires", "silent")
def test_row_security_that_is_switched_off_is_a_warning(estate: Platform) -> None:
    """Off after on is a warning that says both; a table that is gone with its guard is an advisory only."""
    estate.sql("CREATE TABLE public.guarded (id int)")
    estate.sql("ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY")
    before = look(estate).snapshot
    estate.sql("ALTER TABLE public.guarded DISABLE ROW LEVEL SECURITY")
    finding = found(estate, before)["permission:table:public.guarded"]
    assert finding.level is Level.WARNING
    assert finding.detail == "row security off, owner postgres; it was row security on, owner postgres"
    estate.sql("ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY")
    assert set(found(estate, before)) == {"permissions"}
    estate.sql("DROP TABLE public.guarded")
    gone = found(estate, before)["permission:table:public.guarded"]
    assert (gone.level, gone.detail) == (Level.ADVISORY, "gone: it was row security on, owner postgres")


@pytest.mark.guide("G77", "fires")
def test_a_role_that_comes_and_goes(estate: Platform, cluster: Cluster) -> None:
    """A new role is an advisory, one that leaves too, and neither says a password."""
    before = look(estate).snapshot
    with login(cluster, estate.admin, "Passing By"):
        during = look(estate, before)
        (finding,) = during.findings
        assert (finding.key, finding.level, finding.detail) == (
            'permission:role:"Passing By"',
            Level.ADVISORY,
            "new: login",
        )
    (finding,) = look(estate, during.snapshot).findings
    assert finding.detail == "gone: it was login"
    for secret in ("SCRAM", "md5", "password"):
        assert secret not in json.dumps(during.snapshot)


def test_a_new_function_is_public_by_default_and_that_is_no_alarm(estate: Platform) -> None:
    """What the server gives PUBLIC by itself is an advisory; said by somebody in so many words it is a warning."""
    before = look(estate).snapshot
    estate.sql("CREATE FUNCTION public.fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    fresh = found(estate, before)["permission:grant:function public.fresh() to PUBLIC"]
    assert (fresh.level, fresh.detail) == (Level.ADVISORY, "new: EXECUTE by default")
    estate.sql("REVOKE EXECUTE ON FUNCTION public.fresh() FROM PUBLIC")
    revoked = look(estate, before)
    assert {finding.level for finding in revoked.findings} == {Level.OK}
    estate.sql("GRANT EXECUTE ON FUNCTION public.fresh() TO PUBLIC")
    given = found(estate, revoked.snapshot)["permission:grant:function public.fresh() to PUBLIC"]
    assert (given.level, given.detail) == (Level.WARNING, "new: EXECUTE")


@pytest.mark.guide("G77", "holds")
def test_the_first_look_says_that_there_is_nothing_to_compare_with(estate: Platform) -> None:
    """An advisory that counts the facts, not an ok and not silence; the second look is ok."""
    looked = look(estate)
    (finding,) = looked.findings
    assert finding.level is Level.ADVISORY
    noted = sum(len(facts) for facts in looked.snapshot.values())
    assert finding.detail == f"nothing to compare with yet: {noted} facts noted, and no earlier snapshot"
    (second,) = look(estate, looked.snapshot).findings
    assert second.level is Level.OK


def test_a_role_without_rights_sees_the_same(bare: Platform) -> None:  # noqa: F811
    """The catalogues are everybody's: without pg_monitor no fact is missing but those about the grants themselves."""
    mine = look(bare).snapshot
    bare.sql("GRANT pg_monitor TO {role}", role=bare.role)
    (finding,) = look(bare, mine).findings
    assert finding.metadata["kind"] == "membership"


def test_what_belongs_to_an_extension_or_the_system_is_left_out(estate: Platform) -> None:
    """Creating an extension with functions and views of its own changes nothing; no system schema is named."""
    before = look(estate).snapshot
    estate.sql("CREATE EXTENSION pg_stat_statements SCHEMA public")
    assert set(found(estate, before)) == {"permissions"}
    for names in before.values():
        assert not [name for name in names if "pg_catalog." in name or "information_schema." in name]


@pytest.mark.guide("G77", "holds")
def test_fifty_changes_are_shown_and_the_others_counted(estate: Platform) -> None:
    """The alarming one among many is shown, and the last finding says how many are not."""
    before = look(estate).snapshot
    estate.sql(
        "DO $$ BEGIN FOR i IN 1..70 LOOP EXECUTE format('CREATE TABLE public.%s (id int)', 't' || i); END LOOP; END $$"
    )
    estate.sql("GRANT SELECT ON public.t70 TO PUBLIC")
    findings = look(estate, before).findings
    assert len(findings) == SHOWN + 1
    assert findings[0].key == "permission:grant:table public.t70 to PUBLIC"
    more = findings[-1]
    hidden = more.metadata["more"]
    assert more.key == "permissions:more"
    assert more.detail == f"{hidden} more changes; the 50 that matter most are shown"
    assert hidden >= 71 - SHOWN


def test_a_table_of_fifty_thousand_grants_is_looked_at_within_the_clock(estate: Platform) -> None:
    """One snapshot of them all, under config's own statement_timeout, and the comparison finds the one that is new."""
    estate.sql("CREATE TABLE public.wide (id int)")
    estate.sql(
        """
        DO $$
        DECLARE names text := (SELECT string_agg('c' || n, ',') FROM generate_series(1, 1000) n);
        BEGIN
            EXECUTE 'ALTER TABLE public.wide ADD ' || replace(names, ',', ' int, ADD ') || ' int';
            FOR i IN 1..50 LOOP
                EXECUTE 'CREATE TABLE public.wide' || i || ' (LIKE public.wide)';
                EXECUTE 'GRANT SELECT (' || names || ') ON public.wide' || i || ' TO pg_monitor';
            END LOOP;
        END $$
        """
    )
    before = look(estate).snapshot
    assert len(before["grant"]) >= 50_000
    estate.sql("GRANT SELECT (c7) ON public.wide3 TO PUBLIC")
    (finding,) = look(estate, before).findings
    assert finding.key == "permission:grant:column public.wide3.c7 to PUBLIC"


def test_a_kind_that_the_older_snapshot_lacks_is_not_all_new() -> None:
    """What a former version did not look at cannot be compared; the kinds that both have are."""
    assert diff({"role": {"a": "login"}}, {"role": {"a": "login"}, "policy": {"p": "permissive"}}) == []
    assert diff({"role": {"a": "login"}}, {"role": {}, "policy": {}}) == [PermissionChange("role", "a", "login", None)]


def test_an_upgrade_from_before_16_changes_no_membership(estate: Platform) -> None:
    """The statement for older servers says the same of the same grants, in the same words."""
    estate.sql("GRANT pg_read_server_files TO {role} WITH ADMIN OPTION", role=ROLE)
    estate.sql("GRANT pg_monitor TO {role}", role=ROLE)
    with psycopg.connect(estate.reader) as connection:
        older, newer = (
            connection.execute(queries.load("security/permissions/memberships", version).encode()).fetchall()
            for version in (150_000, connection.info.server_version)
        )
    assert sorted(older) == sorted(newer)
    assert ("membership", f"{QUOTED} in pg_read_server_files", "admin, inherit, set, powerful") in newer


@pytest.mark.parametrize(
    ("change", "alarming"),
    [
        (PermissionChange("grant", "table t to PUBLIC", "SELECT, UPDATE", "SELECT"), False),
        (PermissionChange("grant", "table t to PUBLIC", "SELECT", "SELECT, UPDATE"), True),
        (PermissionChange("grant", "function f() to PUBLIC", "EXECUTE by default", "EXECUTE"), False),
        (PermissionChange("grant", 'table t to "PUBLIC"', None, "SELECT"), False),
        (PermissionChange("role", "a", "login, superuser", "login, superuser, createdb"), False),
        (PermissionChange("role", "a", None, "nologin, superuser"), True),
        (PermissionChange("table", "t", None, "row security off, owner a"), False),
        (PermissionChange("table", "t", "row security on and forced, owner a", "row security off, owner a"), True),
        (PermissionChange("definer", "f()", "search_path=a, owner o", "without search_path, owner o"), True),
    ],
)
def test_what_is_alarming(change: PermissionChange, alarming: bool) -> None:
    """More for PUBLIC, a power that was not there, a guard that is gone; not less, not what was there before."""
    assert change.alarming is alarming


def test_its_source_is_a_file() -> None:
    """What a report names can be opened."""
    assert (ROOT / source(find("permissions").path)).is_dir()
