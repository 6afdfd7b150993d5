"""What the functions' compliance report says: numbers as evidence, and a warning for each rule that is broken."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from upkeep.areas import answers
from upkeep.areas.compliance import report
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires.functions.contract import parse_answer

SHIPPED = settings(ROOT / "config")
CALL = "gdpr-compliance", "compliance_report"
CLEAN: dict[str, Any] = {
    "report_type": "monthly",
    "consents": {"marketing": {"granted": 1300, "withdrawn": 21}, "analytics": {"granted": 4, "withdrawn": 0}},
    "processing_records": 2688,
    "processing_without_legal_basis": 0,
    "oldest_rows": {"public.audit_logs": "2018-11-05T03:00:00Z", "public.error_logs": None},
    "findings": [],
}


def looked(**changes: Any) -> LookResult:
    """What is read from an answer with these changes."""
    body = json.dumps({"success": True, "result": copy.deepcopy(CLEAN) | changes})
    return answers.read(*CALL, parse_answer(*CALL, body).model_dump(mode="json"), SHIPPED, {"report_type": "monthly"})


def broken(*rules: tuple[str, int]) -> list[dict[str, Any]]:
    """Rules as the function reports them."""
    return [{"rule": rule, "count": count, "detail": "of type marketing"} for rule, count in rules]


def found(one: LookResult) -> dict[str, Finding]:
    """Findings by key; all are of G82."""
    assert {finding.guide for finding in one.findings} == {"G82"}
    return {finding.key: finding for finding in one.findings}


@pytest.mark.guide("G82", "silent")
def test_a_report_without_a_broken_rule_is_one_ok_with_its_numbers() -> None:
    """The numbers are evidence, and samples that our own look is held against."""
    one = looked()
    (finding,) = found(one).values()
    assert (finding.key, finding.level) == ("compliance_report", Level.OK)
    assert finding.detail == (
        "analytics 4 given, 0 withdrawn; marketing 1,300 given, 21 withdrawn; "
        "0 of 2,688 records of processing without a legal basis; 0 rules broken"
    )
    assert finding.metadata["oldest_rows"]["public.error_logs"] is None
    assert {(sample.metric, sample.subject): sample.value for sample in one.samples} == {
        (report.WITHOUT_BASIS, ""): 0,
        (report.RECORDS, ""): 2688,
        (report.GRANTED, "marketing"): 1300,
        (report.WITHDRAWN, "marketing"): 21,
        (report.GRANTED, "analytics"): 4,
        (report.WITHDRAWN, "analytics"): 0,
    }


@pytest.mark.guide("G82", "fires", "silent")
@pytest.mark.parametrize("changes", [{"consents": {}}, {"processing_records": 0}])
def test_a_report_of_nothing_is_unknown(changes: dict[str, Any]) -> None:
    """No type of consent, or no processing at all: no rule is broken by rows that were not seen."""
    (finding,) = found(looked(**changes)).values()
    assert (finding.key, finding.level) == ("compliance_report", Level.UNKNOWN)
    assert "which database and tables" in finding.remedy
    (finding,) = found(looked()).values()
    assert finding.level is Level.OK


@pytest.mark.guide("G82", "fires", "silent")
def test_each_broken_rule_is_a_warning_of_its_own() -> None:
    """By its name, so that it can be followed and acknowledged; a rule that no row breaks is none."""
    one = found(looked(findings=broken(("granted_though_withdrawn", 12), ("requests_overdue", 3), ("quiet", 0))))
    assert set(one) == {
        "compliance_report",
        "compliance_report:granted_though_withdrawn",
        "compliance_report:requests_overdue",
    }
    overdue = one["compliance_report:requests_overdue"]
    assert (overdue.level, overdue.detail) == (Level.WARNING, "3 rows, of type marketing")
    assert overdue.subject == "Compliance by the function: requests overdue"
    assert one["compliance_report"].level is Level.OK
    assert "2 rules broken" in one["compliance_report"].detail


@pytest.mark.guide("G82", "fires")
def test_processing_without_a_legal_basis_is_told_once() -> None:
    """Whether the function has it among its rules or in its number alone."""
    key = "compliance_report:processing_without_legal_basis"
    for findings in ([], broken(("processing_without_legal_basis", 5))):
        one = found(looked(processing_without_legal_basis=5, findings=findings))
        assert set(one) == {"compliance_report", key}
        assert (one[key].level, one[key].metadata["count"]) == (Level.WARNING, 5)


def test_a_report_of_hundreds_of_rules_and_types_stays_readable() -> None:
    """Those with most rows first, then how many others; texts are cut, and so are the types."""
    many = [(f"rule {number} {'x' * 999}", number) for number in range(1, 101)]
    types = {f"type {number:03}": {"granted": 1, "withdrawn": 0} for number in range(200)}
    one = looked(findings=broken(*many), consents=types, processing_records=None)
    assert len(one.findings) == 1 + report.MOST_RULES + 1
    assert one.findings[1].subject.startswith("Compliance by the function: rule 100 ")
    assert one.findings[-1].detail == "80 more rules are broken; the 20 with most rows are shown"
    assert "; and 190 more types; 0 records of processing" in one.findings[0].detail
    assert all(len(finding.key) < 400 and len(finding.detail) < 4000 for finding in one.findings)
    assert len(one.samples) == 1 + 2 * report.MOST_TYPES
