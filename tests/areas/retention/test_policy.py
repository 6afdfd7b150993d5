"""The policy alone: what outlasts what, which row shows that a deletion comes too early, what config refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stages.config import config as config  # noqa: PLC0414  # the fixture
from tests.stages.config import refusal
from upkeep.areas.retention.policy import GUIDES, Deletion, too_early
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.retention import GUIDE, Retention
from upkeep.settings.values import TableName

SHIPPED = settings(ROOT / "config").retention
ERRORS = TableName("public", "error_logs")


def policy(**classes: dict[str, Any]) -> Retention:
    """A policy of these classes; each is of errors kept 90 days, but for what is given."""
    usual = {"type": "error", "table": "public.error_logs", "time": "timestamp", "days": 90, "location": "here"}
    both = {name: usual | one for name, one in classes.items()}
    return Retention.model_validate({"locations": {"here": {"title": "h"}}, "classes": both, "holds": []})


@pytest.mark.guide("G67", "holds")
def test_the_guides_own_delete_is_rejected_and_a_row_shows_why() -> None:
    """Authentication errors are security logs: a year, not the 90 days after which the script takes every row."""
    alerts, errors = GUIDES
    assert not list(too_early(SHIPPED, alerts))
    (row,) = too_early(SHIPPED, errors)
    assert (row.name, row.values, row.age_days) == ("authentication_errors", {"category": "authentication"}, 91)
    assert str(row) == (
        "a row with category 'authentication' and any other values that is 91 days old: "
        "class authentication_errors keeps it 365 days"
    )
    of_others = Deletion("G67", ERRORS, "timestamp", 90, {"category": ("network", "internal")})
    assert not list(too_early(SHIPPED, of_others))
    assert not list(too_early(SHIPPED, Deletion("G67", ERRORS, "timestamp", 365)))


@pytest.mark.guide("G62", "G65", "holds")
def test_a_row_of_two_classes_is_kept_by_the_longer() -> None:
    """Whichever stands first; of two that are as long the first; conditions that exclude each other never meet."""
    assert list(SHIPPED.outlasting("errors")) == ["authentication_errors"]
    assert SHIPPED.outlasting("authentication_errors") == {}
    one = policy(a={}, b={"where": {"severity": ["high"]}}, c={"where": {"severity": ["low"]}, "days": 100})
    assert [list(one.outlasting(name)) for name in "abc"] == [["c"], ["a"], []]


@pytest.mark.guide("G68", "holds")
def test_an_audit_log_outlasts_whatever_else_holds_its_rows() -> None:
    """Also a class that keeps for longer: what is never deleted is kept for ever."""
    both = policy(
        long={"days": 9_000},
        audit={"type": "audit", "days": 2557, "where": {"category": ["authentication"]}},
    )
    assert list(both.outlasting("long")) == ["audit"] and both.outlasting("audit") == {}
    assert [row.name for row in too_early(both, Deletion("G67", ERRORS, "timestamp", 9_000))] == ["audit"]


@pytest.mark.guide("G61", "G62", "G63", "G64", "G65", "holds")
def test_the_shipped_retention_is_the_guides() -> None:
    """Each of the five kinds, as its table says; seven years count two leap days."""
    days = {kind: {one.days for one in SHIPPED.classes.values() if one.type == kind} for kind in GUIDE}
    assert days == {"application": {30}, "error": {90}, "audit": {2557}, "performance": {30}, "security": {365}}


AZURE = {"account": "https://a.blob.core.windows.net", "container": "logs", "connection": "upkeep_archive"}


def in_azure(**fields: Any) -> dict[str, Any]:
    """A location in a container, with other fields."""
    return {"locations": {"blob": {"azure": AZURE | fields}}}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "audit below seven years": (
        {"classes": {"audit": {"days": 2556}}},
        "classes.audit: found 2556 days for an audit log, expected at least 2557",
    ),
    "no such location": ({"classes": {"errors": {"location": "moon"}}}, "found classes.errors.location 'moon'"),
    "a hold on nothing": ({"holds": [{"log": "gone", "reason": "r", "by": "b"}]}, "found a hold on 'gone'"),
    "a hold that ends before it starts": (
        {
            "holds": [
                {
                    "log": "errors",
                    "reason": "r",
                    "by": "b",
                    "start": "2026-02-01T00:00:00Z",
                    "end": "2026-01-01T00:00:00Z",
                }
            ]
        },
        "expected the start first",
    ),
    "another time column": (
        {"classes": {"authentication_errors": {"time": "created_at"}}},
        "found authentication_errors.time 'created_at', but 'timestamp' in another class of public.error_logs",
    ),
    "the same rows twice": (
        {"classes": {"authentication_errors": {"where": {}}}},
        "found classes.errors and classes.authentication_errors of the same rows of public.error_logs",
    ),
    "an audit log that is deleted": (
        {"classes": {"audit": {"delete": True}}},
        "found delete: true for an audit log, expected none: Upkeep never deletes these (G68)",
    ),
    "deletion beside an audit log": (
        {"classes": {"errors": {"delete": True}, "authentication_errors": {"type": "audit", "days": 2557}}},
        "found classes.errors.delete, but an audit log in public.error_logs too, expected a table of its own",
    ),
    "no batch": ({"batch_rows": 0}, "batch_rows: found 0"),
    "more than is read at once": ({"batch_rows": 10_001}, "batch_rows: found 10001"),
    "no days": ({"classes": {"errors": {"days": 0}}}, "classes.errors.days: found 0"),
    "a kind that is none": ({"classes": {"errors": {"type": "debug"}}}, "classes.errors.type: found 'debug'"),
    "mapped and unmapped": ({"unmapped": {"error": "none here"}}, "found unmapped.error, but a class of that type"),
    "a folder and a container": (
        {"locations": {"blob": {"path": "/a", "azure": AZURE}}},
        "locations.blob: found path '/a' and azure, expected one of the two",
    ),
    "a container without https": (
        in_azure(account="http://a.blob.core.windows.net"),
        "locations.blob.azure.account: found 'http://a.blob.core.windows.net', expected https: the SAS is part of",
    ),
    "an account with its SAS": (in_azure(account="https://a.blob.core.windows.net/?sig=x"), "expected a URL such as"),
    "a tier that cannot be read back": (
        in_azure(tier="Archive"),
        "locations.blob.azure.tier: found Archive, expected Hot",
    ),
    "localhost, which a proxy may be asked for": (
        in_azure(account="http://localhost:10000/a"),
        "expected https",
    ),
    "a container's long name": (in_azure(container="a" * 64), "locations.blob.azure.container: found 'aaa"),
    "a container's name": (in_azure(container="Logs"), "locations.blob.azure.container: found 'Logs'"),
    "a prefix that leaves": (in_azure(prefix="../a"), "locations.blob.azure.prefix: found '../a'"),
    "a container without a Connection": (
        {"locations": {"blob": {"azure": {"account": AZURE["account"], "container": "logs"}}}},
        "locations.blob.azure.connection: found nothing, expected this setting to be given",
    ),
    "a relative folder": ({"locations": {"blob": {"path": "archive"}}}, "found 'archive', expected an absolute path"),
}


@pytest.mark.guide("G67", "holds")
def test_a_file_that_lost_its_holds_is_refused(config: Path) -> None:
    """No hold is said by an empty list: a section that a merge took away would else let held rows go."""
    file = config / "retention.yaml"
    content = yaml.safe_load(file.read_text())
    del content["holds"]
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    assert refusal(config).startswith("config/retention.yaml: holds: ")


@pytest.mark.guide("G61", "holds")
@pytest.mark.parametrize(("changed", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_file_is_said_where_it_stands(config: Path, changed: dict[str, Any], said: str) -> None:
    """File, setting, what was found, what was expected."""
    file = config / "retention.yaml"
    content = yaml.safe_load(file.read_text())
    for section, value in changed.items():
        if isinstance(value, dict) and section != "unmapped":
            for name, fields in value.items():
                content[section][name] |= fields
        else:
            content[section] = value
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    assert refusal(config).startswith("config/retention.yaml: ") and said in refusal(config)
