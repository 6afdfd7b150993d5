"""The compliance report of the twin, held against our own look at the same rows and the same period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages import twin as test_twin
from tests.stages.twin import LEGACY, LONG_AGO, Twin, add_consent
from upkeep.areas import answers
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database
from upkeep.wires.functions import contract

platform, twin_dsn, twin, target = test_twin.platform, test_twin.twin_dsn, test_twin.twin, test_twin.target

SHIPPED = settings(ROOT / "config")
CALL = "gdpr-compliance", "compliance_report"


def both(twin: Twin, dsn: str, period: tuple[datetime, datetime]) -> dict[str, Finding]:
    """The findings of the call, then those of our look with what the call has measured."""
    asked = contract.request_body(*CALL, period=period, report_type="monthly")
    answer = contract.parse_answer(*CALL, twin.post(CALL[0], asked, LEGACY).content)
    told = answers.read(*CALL, answer.model_dump(mode="json"), SHIPPED, {})
    answered = {(sample.metric, sample.subject): sample.value for sample in told.samples}
    with database.session(lambda: psycopg.connect(dsn), SHIPPED.maintenance.sql, read_only=True) as session:
        look = Look(session, SHIPPED, datetime.now(UTC), answered=answered, about=period)
        ours = carry_out(find("consents"), look)
    return {finding.key: finding for finding in told.findings + ours.findings}


@pytest.mark.guide("G82-G83", "fires", "silent", "holds")
def test_the_function_and_sql_count_alike_and_both_find_what_is_broken(
    twin: Twin, twin_dsn: str, target: psycopg.Connection[Any]
) -> None:
    """A month of the sandbox has no broken rule, and ten numbers agree; one bad row is found by each of the two."""
    end = datetime.now(UTC) - timedelta(minutes=1)
    period = end - timedelta(days=28), end
    quiet = both(twin, twin_dsn, period)
    assert {key for key, finding in quiet.items() if finding.level is not Level.OK} <= {"consents:policy"}
    assert quiet["consents:disagreement"].detail == "10 numbers of the period agree"
    assert "0 are of 0 users" in quiet["consents:processing"].detail
    add_consent(target, granted=True, given=LONG_AGO, taken=LONG_AGO)
    loud = both(twin, twin_dsn, period)
    for key in ("compliance_report:granted_though_withdrawn", "consents:granted_though_withdrawn"):
        assert loud[key].level is Level.WARNING
    target.execute("DELETE FROM public.user_consents WHERE created_at < '2019-12-31'")
    assert set(both(twin, twin_dsn, period)) == set(quiet)


@pytest.mark.guide("G83", "fires", "silent")
def test_a_function_that_looks_at_another_database_is_found(
    twin: Twin, twin_dsn: str, cluster: Cluster, empty_database: str, role_passwords: dict[str, str]
) -> None:
    """Its report is of other rows: what SQL counts here is not what it tells."""
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute((ROOT / "sandbox/target/schema.sql").read_bytes())
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO functions_twin")
        name = admin.info.dbname
    end = datetime.now(UTC) - timedelta(minutes=1)
    found = both(
        twin, cluster.dsn(name, "functions_twin", role_passwords["functions_twin"]), (end - timedelta(28), end)
    )
    assert found["consents:disagreement"].level is Level.WARNING
    assert "consents granted analytics 0 by SQL, " in found["consents:disagreement"].detail
