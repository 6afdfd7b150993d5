"""What gdpr-compliance says of a month (G82): its numbers, and each rule that it finds broken. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.areas.performance.weekly_answers import TOLD, as_number, text
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings

Body = Mapping[str, Any]

#: Types of consent whose numbers are kept, by name.
MOST_TYPES = 50
#: Rules that stand as findings of their own; one more finding says how many others there are.
MOST_RULES = 20
#: What SQL counts too, as it stands in the samples of a window.
GRANTED, WITHDRAWN = "function_consents_granted", "function_consents_withdrawn"
RECORDS, WITHOUT_BASIS = "function_processing_records", "function_processing_without_basis"

_NO_BASIS = "processing_without_legal_basis"
_REMEDIES = {
    _NO_BASIS: "Find the processor that writes no legal basis; until it does, it must not process.",
    "granted_though_withdrawn": "Whoever withdrew has withdrawn: set granted to false, and see which program left it.",
}


def compliance_report(body: Body, _: Settings) -> LookResult:
    """The numbers of the period as evidence, and a warning for each rule that is broken by so many rows.

    A report of no type of consent, or of a period without any processing, has looked at nothing: UNKNOWN.
    """
    result = body["result"]
    broken = {one["rule"]: one for one in result["findings"] if one["count"]}
    if result[_NO_BASIS] and _NO_BASIS not in broken:
        broken[_NO_BASIS] = {"rule": _NO_BASIS, "count": result[_NO_BASIS], "detail": ""}
    rules = sorted(broken.values(), key=lambda one: (-one["count"], one["rule"]))
    findings = [_numbers(result, len(rules)), *map(_broken, rules[:MOST_RULES])]
    if more := len(rules) - MOST_RULES:
        findings += [_more(more)] if more > 0 else []
    return LookResult(tuple(findings), tuple(_samples(result)))


def _numbers(result: Body, broken: int) -> Finding:
    consents = result["consents"]
    by_type = "; ".join(
        f"{text(name)} {counts['granted']:,} given, {counts['withdrawn']:,} withdrawn"
        for name, counts in sorted(consents.items())[:TOLD]
    )
    more = f"; and {len(consents) - TOLD} more types" if len(consents) > TOLD else ""
    records = result.get("processing_records")
    processed = "" if records is None else f" of {records:,}"
    empty = not consents or records == 0
    return Topic("compliance_report", "Consents and processing by the function", "G82").finding(
        Level.UNKNOWN if empty else Level.OK,
        f"{by_type or 'no type of consent'}{more}; {result[_NO_BASIS]:,}{processed} records of processing "
        f"without a legal basis; {broken} rules broken",
        "watched here; a rule that is broken is a finding of its own",
        "See which database and tables the function looks at; `consents` counts them by SQL." if empty else "",
        {"consents": consents, "oldest_rows": result["oldest_rows"]},
    )


def _broken(one: Body) -> Finding:
    rule = text(one["rule"])
    said = f", {text(one['detail'])}" if one["detail"] else ""
    return Topic(f"compliance_report:{rule}", f"Compliance by the function: {rule.replace('_', ' ')}", "G82").finding(
        Level.WARNING,
        f"{one['count']:,} rows{said}",
        "none",
        _REMEDIES.get(one["rule"], "Ask whoever answers for the data; the function's own report names the rows."),
        {"rule": rule, "count": one["count"]},
    )


def _more(more: int) -> Finding:
    return Topic("compliance_report:more", "Compliance by the function: other rules", "G82").finding(
        Level.WARNING,
        f"{more} more rules are broken; the {MOST_RULES} with most rows are shown",
        "none",
        "Read the function's own report; so many at once are a change of its rules, or another database.",
    )


def _samples(result: Body) -> list[Sample]:
    samples = [Sample(WITHOUT_BASIS, as_number(result[_NO_BASIS]), "records")]
    if result.get("processing_records") is not None:
        samples.append(Sample(RECORDS, as_number(result["processing_records"]), "records"))
    for name, counts in sorted(result["consents"].items())[:MOST_TYPES]:
        samples.append(Sample(GRANTED, as_number(counts["granted"]), "consents", name))
        samples.append(Sample(WITHDRAWN, as_number(counts["withdrawn"]), "consents", name))
    return samples
