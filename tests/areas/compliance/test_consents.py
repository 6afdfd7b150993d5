"""Consents on a real PostgreSQL: each rule fires and falls silent, and the function is held against what SQL counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.stages import logs
from tests.stages.platform import Platform
from upkeep.areas.compliance import report
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
END = datetime(2026, 5, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
PERIOD = END - 28 * DAY, END
#: Moments within the period and long before it.
NOW, THEN = END - 10 * DAY, END - 300 * DAY
USER = "00000000-0000-0000-0000-00000000000{}"
tables = logs.platform


@pytest.fixture
def platform(tables: Platform) -> Platform:
    """The guide's tables and a reader; one user who consents, and is processed on that."""
    consent(tables, 1)
    process(tables, 1)
    return tables


def consent(platform: Platform, user: int, granted: bool = True, **said: Any) -> None:
    """Write one consent to processing; ``said`` is other columns than usual."""
    row = {
        "user_id": USER.format(user),
        "consent_type": "processing",
        "granted": granted,
        "granted_at": THEN,
        "withdrawn_at": None,
        "policy_version": "2024-2",
        **said,
    }
    with psycopg.connect(platform.admin) as connection:
        connection.execute(
            """
            INSERT INTO user_consents (user_id, consent_type, granted, granted_at, withdrawn_at, policy_version)
            VALUES (%(user_id)s, %(consent_type)s, %(granted)s, %(granted_at)s, %(withdrawn_at)s, %(policy_version)s)
            """,
            row,
        )


def process(platform: Platform, user: int | None, number: int = 1, basis: str = "consent", at: datetime = NOW) -> None:
    """Write records of processing."""
    with psycopg.connect(platform.admin) as connection:
        connection.execute(
            """
            INSERT INTO data_processing_logs (user_id, operation, legal_basis, data_categories, processor, created_at)
            SELECT %s, 'score', %s, ARRAY['profile'], 'trust-scorer', %s FROM generate_series(1, %s)
            """,
            [None if user is None else USER.format(user), basis, at, number],
        )


def configured(**fields: Any) -> Settings:
    """Config with other fields of the section compliance."""
    section = CONFIG.maintenance.compliance.model_copy(update=fields)
    return CONFIG.model_copy(update={"maintenance": CONFIG.maintenance.model_copy(update={"compliance": section})})


def look(
    platform: Platform, config: Settings = CONFIG, answered: Mapping[tuple[str, str], float] | None = None
) -> LookResult:
    """Carry out the check as the reader, at the period's end."""
    with database.session(lambda: psycopg.connect(platform.reader), config.maintenance.sql, read_only=True) as session:
        one = Look(session, config, END, about=PERIOD, answered=answered or {})
        return carry_out(find("consents"), one)


def found(platform: Platform, config: Settings = CONFIG, **answered: Any) -> dict[str, Finding]:
    """Findings by what they are about; all are of G83."""
    looked = look(platform, config, **answered)
    assert {finding.guide for finding in looked.findings} == {"G83"}
    return {finding.key.removeprefix("consents:"): finding for finding in looked.findings}


def levels(findings: Mapping[str, Finding]) -> dict[str, Level]:
    """What is not ok."""
    return {key: finding.level for key, finding in findings.items() if finding.level is not Level.OK}


@pytest.mark.guide("G83", "silent")
def test_consents_without_a_contradiction_are_four_oks_with_their_numbers(platform: Platform) -> None:
    """Also those that were declined, and those that were withdrawn as they should be."""
    consent(platform, 2, granted=False, granted_at=None)
    consent(platform, 3, granted=False, withdrawn_at=NOW)
    consent(platform, 4, granted=False, withdrawn_at=THEN)
    review = found(platform)
    assert levels(review) == {}
    assert set(review) == {"rules", "policy", "oldest", "processing"}
    assert review["rules"].detail == "4, 1 of them in force; none contradicts itself"
    assert review["processing"].detail == "1 of 1 records rest on consent; 0 are of 0 users who give none"
    assert review["oldest"].detail == "from 2026-04-23 on, 10 days"
    assert review["policy"].detail == (
        "0 of 1 in force (0.0 %) are not to version 2024-2, the one that was first agreed to most lately"
    )
    (sample,) = look(platform).samples
    assert (sample.metric, sample.value) == ("consents_in_force", 1)


@pytest.mark.guide("G83", "fires", "silent")
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("granted_without_time", {"granted": True, "granted_at": None}),
        ("granted_though_withdrawn", {"granted": True, "withdrawn_at": NOW}),
        ("withdrawn_without_time", {"granted": False}),
        ("withdrawn_before_granted", {"granted": False, "withdrawn_at": THEN - DAY}),
        ("still_to_come", {"granted": True, "granted_at": datetime(2099, 1, 1, tzinfo=UTC)}),
        ("still_to_come", {"granted": False, "withdrawn_at": datetime(2099, 1, 1, tzinfo=UTC)}),
    ],
)
def test_a_consent_that_contradicts_itself_is_found_until_it_is_gone(
    platform: Platform, rule: str, said: dict[str, Any]
) -> None:
    """One warning for its rule with how many of how many; none for the other rules."""
    consent(platform, 5, **said)
    review = found(platform)
    assert levels(review) == {rule: Level.WARNING}
    assert (review[rule].detail, review[rule].metadata["count"]) == ("1 of 2", 1)
    assert "rules" not in review
    platform.sql("DELETE FROM user_consents WHERE user_id::text LIKE '%5'")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_processing_on_a_consent_that_is_not_given_is_found_until_it_stops(platform: Platform) -> None:
    """Never asked, declined, withdrawn before, or of another type; not: withdrawn later, or another legal basis."""
    consent(platform, 3, granted=False, granted_at=None)
    consent(platform, 4, granted=False, withdrawn_at=NOW - DAY)
    consent(platform, 5, consent_type="marketing")
    consent(platform, 6, granted=False, withdrawn_at=NOW + DAY)
    for user, number in ((2, 1), (3, 2), (4, 3), (5, 4), (6, 5)):
        process(platform, user, number)
    process(platform, 7, basis="contract")
    process(platform, 8, at=PERIOD[1])
    process(platform, 8, at=PERIOD[0] - DAY)
    review = found(platform)
    assert levels(review) == {"processing": Level.WARNING}
    assert review["processing"].detail == (
        "16 of 17 records rest on consent; 10 are of 4 users who give none, 2026-04-23 02:00 to 2026-04-23 02:00 UTC"
    )
    assert review["processing"].metadata["users"] == [USER.format(user) for user in (5, 4, 3, 2)]
    assert found(platform, configured(consent_type=None))["processing"].metadata["users"] == [
        USER.format(user) for user in (4, 3, 2)
    ]
    platform.sql("UPDATE data_processing_logs SET legal_basis = 'contract' WHERE user_id::text ~ '[2-5]$'")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "silent")
def test_a_consent_that_was_renewed_counts_for_what_was_processed_before(platform: Platform) -> None:
    """The table keeps the last time alone: who consents now is no finding for the days before."""
    consent(platform, 2, granted_at=NOW + DAY, policy_version="2025-1")
    process(platform, 2)
    process(platform, 2, basis=" Consent ")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
@pytest.mark.parametrize(
    ("user", "basis", "said"),
    [
        (None, "consent", "; 3 of them name no user, and cannot be looked at; 0 are of 0 users"),
        (1, " ", "; 3 name no legal basis, and nobody knows whether they rest on consent; 0 are of 0 users"),
    ],
)
def test_processing_that_cannot_be_held_against_a_consent_is_unknown(
    platform: Platform, user: int | None, basis: str, said: str
) -> None:
    """A record without a user or a basis is never ok; once it is gone, the rest is."""
    process(platform, user, 3, basis)
    review = found(platform)
    assert levels(review) == {"processing": Level.UNKNOWN}
    assert said in review["processing"].detail
    platform.sql("DELETE FROM data_processing_logs WHERE user_id IS NULL OR btrim(legal_basis) = ''")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_a_log_that_calls_consent_otherwise_is_unknown_until_config_says_so(platform: Platform) -> None:
    """Not one record by config's word is no proof that nothing rests on consent: the words there are told."""
    platform.sql("UPDATE data_processing_logs SET legal_basis = 'Einwilligung'")
    review = found(platform)
    assert levels(review) == {"processing": Level.UNKNOWN}
    assert (
        "by the word 'consent' (config: compliance.consent_basis), but on: 'einwilligung'"
        in review["processing"].detail
    )
    assert levels(found(platform, configured(consent_basis="Einwilligung"))) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_a_table_of_consents_without_a_row_is_unknown_until_it_has_one(platform: Platform) -> None:
    """Nothing that contradicts itself among none is no ok: the rows may lie elsewhere."""
    platform.sql("DELETE FROM user_consents")
    review = found(platform)
    assert levels(review) == {"consents": Level.UNKNOWN, "processing": Level.WARNING}
    assert "public.user_consents has no row" in review["consents"].detail
    told = found(platform, answered=TOLD | {(report.GRANTED, "processing"): 3.0})
    assert levels(told)["disagreement"] is Level.WARNING
    consent(platform, 1)
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_a_consent_that_is_null_is_unknown_until_it_is_decided(platform: Platform) -> None:
    """Neither true nor false: no rule counts it."""
    platform.sql("ALTER TABLE user_consents ALTER granted DROP NOT NULL")
    platform.sql(
        "INSERT INTO user_consents (user_id, consent_type, granted, policy_version)"
        " VALUES (gen_random_uuid(), 'marketing', NULL, '2024-2')"
    )
    review = found(platform)
    assert levels(review) == {"undecided": Level.UNKNOWN}
    assert review["undecided"].detail.startswith("1 of 2 are neither given nor taken back")
    platform.sql("UPDATE user_consents SET granted = false WHERE granted IS NULL")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_consents_to_no_version_of_the_policy_are_unknown_until_one_is_known(platform: Platform) -> None:
    """Without a version nobody knows whether it is the current one; by the version of config all are to another."""
    platform.sql("ALTER TABLE user_consents ALTER policy_version DROP NOT NULL")
    platform.sql("UPDATE user_consents SET policy_version = NULL")
    review = found(platform)
    assert levels(review) == {"policy": Level.UNKNOWN}
    assert review["policy"].detail.startswith("1 of 1 in force (100.0 %) are not to version unknown")
    assert levels(found(platform, configured(policy_version="2024-2"))) == {"policy": Level.ADVISORY}
    platform.sql("UPDATE user_consents SET policy_version = '2024-2'")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_the_age_of_a_record_without_a_time_is_unknown_until_it_has_one(platform: Platform) -> None:
    """The first entry of the index is the oldest of those that have a time."""
    platform.sql("ALTER TABLE data_processing_logs ALTER created_at DROP NOT NULL")
    process(platform, 1)
    platform.sql(
        "UPDATE data_processing_logs SET created_at = NULL WHERE id = (SELECT max(id) FROM data_processing_logs)"
    )
    review = found(platform)
    assert levels(review) == {"oldest": Level.UNKNOWN}
    assert review["oldest"].detail.endswith("; the age of rows without a time is not known")
    platform.sql("DELETE FROM data_processing_logs WHERE created_at IS NULL")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_many_consents_to_an_older_policy_are_found_until_they_are_few(platform: Platform) -> None:
    """Against the version of config, or without one the version that came last; withdrawn ones do not count."""
    consent(platform, 2, policy_version="2025-1", granted_at=NOW)
    consent(platform, 3, policy_version="2023-1", granted_at=THEN - DAY)
    consent(platform, 4, policy_version="2026-1", granted=False, granted_at=NOW, withdrawn_at=NOW + DAY)
    review = found(platform)
    assert levels(review) == {"policy": Level.ADVISORY}
    assert review["policy"].detail.startswith("2 of 3 in force (66.7 %) are not to version 2025-1, ")
    assert levels(found(platform, configured(outdated_percent=70.0))) == {}
    named = found(platform, configured(policy_version="2026-1"))["policy"]
    assert named.detail == "3 of 3 in force (100.0 %) are not to version 2026-1"
    platform.sql("UPDATE user_consents SET policy_version = '2025-1' WHERE policy_version = '2024-2'")
    assert levels(found(platform)) == {}


@pytest.mark.guide("G83", "fires", "silent")
def test_processing_older_than_its_retention_is_due(platform: Platform) -> None:
    """Seven years by what is shipped; an advisory, for nothing is deleted from it."""
    process(platform, 1, at=END - 2558 * DAY)
    review = found(platform)
    assert levels(review) == {"oldest": Level.ADVISORY}
    assert review["oldest"].detail == "from 2019-05-02 on, 2558 days"
    kept = CONFIG.retention.classes["processing"].model_copy(update={"days": 2558})
    changed = CONFIG.retention.model_copy(update={"classes": {**CONFIG.retention.classes, "processing": kept}})
    assert levels(found(platform, CONFIG.model_copy(update={"retention": changed}))) == {}
    nothing = CONFIG.retention.model_copy(update={"classes": {"errors": CONFIG.retention.classes["errors"]}})
    assert levels(found(platform, CONFIG.model_copy(update={"retention": nothing}))) == {"oldest": Level.UNKNOWN}
    platform.sql("DELETE FROM data_processing_logs WHERE created_at < '2020-01-01'")
    assert levels(found(platform)) == {}


#: What the function would tell of the platform's one consent and one record.
TOLD = {
    (report.GRANTED, "processing"): 0.0,
    (report.WITHDRAWN, "processing"): 0.0,
    (report.RECORDS, ""): 1.0,
    (report.WITHOUT_BASIS, ""): 0.0,
}


@pytest.mark.guide("G83", "fires", "silent")
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ((report.GRANTED, "processing"), 3.0, "consents granted processing 0 by SQL, 3 by the function"),
        ((report.WITHDRAWN, "processing"), 1.0, "consents withdrawn processing 0 by SQL, 1 by the function"),
        ((report.GRANTED, "marketing"), 7.0, "consents granted marketing 0 by SQL, 7 by the function"),
        ((report.RECORDS, ""), 2.0, "processing records 1 by SQL, 2 by the function"),
        ((report.WITHOUT_BASIS, ""), 4.0, "processing without basis 0 by SQL, 4 by the function"),
    ],
)
def test_a_function_that_counts_otherwise_is_found(
    platform: Platform, key: tuple[str, str], value: float, said: str
) -> None:
    """The warning says both numbers; when both count alike it is an ok, and without an answer there is nothing."""
    assert "disagreement" not in found(platform)
    review = found(platform, answered=TOLD | {key: value})
    assert levels(review) == {"disagreement": Level.WARNING}
    assert review["disagreement"].detail == said
    agreed = found(platform, answered=TOLD)["disagreement"]
    assert (agreed.level, agreed.detail) == (Level.OK, "4 numbers of the period agree")


@pytest.mark.guide("G83", "fires", "silent")
def test_agreement_on_no_number_is_unknown(platform: Platform) -> None:
    """The function tells of processing alone and the log of processing is closed to us: nothing was held against it."""
    told = {key: value for key, value in TOLD.items() if not key[1]}
    platform.sql("DELETE FROM user_consents")
    platform.sql("ALTER TABLE user_consents DROP CONSTRAINT user_consents_consent_type_check")
    many = (
        "INSERT INTO user_consents (user_id, consent_type, granted, granted_at, policy_version)"
        " SELECT gen_random_uuid(), 'type ' || n, true, '2020-01-01', '2024-2' FROM generate_series(1, 60) n"
    )
    platform.sql(many)
    platform.sql("REVOKE SELECT ON data_processing_logs FROM {role}", role=platform.role)
    review = found(platform, answered=told)
    assert levels(review) == {"processing": Level.UNKNOWN, "disagreement": Level.UNKNOWN}
    assert review["disagreement"].detail == "0 numbers of the period agree"
    assert "disagreement" not in levels(found(platform, answered=told | {(report.GRANTED, "type 1"): 0.0}))


def test_a_small_difference_is_none(platform: Platform) -> None:
    """As many percent as config says: a row that came while the function counted is no disagreement."""
    process(platform, 1, 199)
    assert levels(found(platform, answered=TOLD | {(report.RECORDS, ""): 198.0})) == {}
    assert set(levels(found(platform, answered=TOLD | {(report.RECORDS, ""): 197.0}))) == {"disagreement"}


@pytest.mark.guide("G83", "fires")
def test_tables_that_cannot_be_read_are_unknown(platform: Platform) -> None:
    """Without consents nothing is said; without the log, or without a row in it, the rest is."""
    platform.sql("DELETE FROM data_processing_logs")
    assert levels(found(platform)) == {"oldest": Level.UNKNOWN, "processing": Level.UNKNOWN}
    platform.sql("REVOKE SELECT ON data_processing_logs FROM {role}", role=platform.role)
    refused = found(platform)["processing"]
    assert refused.level is Level.UNKNOWN
    assert "may not read public.data_processing_logs" in refused.detail
    platform.sql("ALTER TABLE user_consents ENABLE ROW LEVEL SECURITY")
    (hidden,) = found(platform).values()
    assert (hidden.key, hidden.level) == ("consents", Level.UNKNOWN)
    assert "row-level security hides rows of public.user_consents" in hidden.detail
    assert hidden.expected == "the table of consents, with all its rows"
    platform.sql("ALTER TABLE user_consents RENAME COLUMN granted TO agreed")
    (missing,) = found(platform).values()
    assert "found no column granted" in missing.detail
    assert missing.remedy.endswith("config/maintenance.yaml: compliance.consents.")


@pytest.mark.guide("G83", "holds")
def test_a_log_is_read_by_its_time_index_and_each_table_once(platform: Platform) -> None:
    """A month of a log of years costs the pages of that month; of users as text, whatever the columns' types are."""
    for days in range(1, 100):
        process(platform, 1, 300, basis="contract", at=PERIOD[0] - days * DAY)
    platform.sql("ALTER TABLE data_processing_logs ALTER user_id TYPE text")
    platform.sql("VACUUM ANALYZE data_processing_logs")
    with database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        statements: list[str] = []
        execute = session.rows

        def noted(statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
            if "uncovered" in statement:
                plan = execute(f"EXPLAIN (ANALYZE, FORMAT TEXT) {statement}", parameters)
                statements.extend(str(row["QUERY PLAN"]) for row in plan)
            return execute(statement, parameters)

        session.rows = noted  # type: ignore[method-assign]
        looked = find("consents").look(Look(session, CONFIG, END, about=PERIOD))
    assert {finding.level for finding in looked.findings} == {Level.OK}
    plan = "\n".join(statements)
    assert "Bitmap Index Scan on data_processing_logs_created_at_idx" in plan
    assert plan.count("on data_processing_logs p") == 1
    assert plan.count("on user_consents c") <= 1


@pytest.mark.parametrize("moment", ["-infinity", "infinity", "0044-03-15 BC"])
def test_moments_that_no_calendar_of_ours_holds_do_not_end_the_look(platform: Platform, moment: str) -> None:
    """Both tables may hold them."""
    platform.sql(f"UPDATE user_consents SET granted_at = '{moment}'")
    process(platform, 1)
    platform.sql(
        f"UPDATE data_processing_logs SET created_at = '{moment}' WHERE id = (SELECT min(id) FROM data_processing_logs)"
    )
    assert {"policy", "oldest", "processing"} <= set(found(platform))
