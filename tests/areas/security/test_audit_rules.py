"""The audit's rules: one name in config, code, SQL and the document, and what becomes of rows."""

from __future__ import annotations

import re

import pytest

from upkeep.areas.security.audit.ask import MAX_DETAIL, SHOWN, judged
from upkeep.areas.security.audit.rules import RULES
from upkeep.core.findings import Level
from upkeep.settings.audit import RULES as NAMES
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

CONFIG = settings(ROOT / "config").maintenance.audit
DOCUMENT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


@pytest.mark.guide("G78", "holds")
def test_each_rule_has_its_name_its_statement_and_its_section() -> None:
    """One missing anywhere would be a rule that cannot be left out, asked, or understood."""
    names = [rule.name for rule in RULES]
    assert names == list(NAMES)
    assert len(set(names)) == len(names)
    files = {file.name.partition(".")[0] for file in (ROOT / "include/sql/security/audit").glob("*.sql")}
    assert files == set(names)
    assert re.findall(r"^### `(\w+)`$", DOCUMENT, re.MULTILINE) == names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_section_says_what_why_how_and_the_key(rule) -> None:
    """What it finds, why that matters, how it is mended and under which key it is acknowledged; its level too."""
    section = DOCUMENT.split(f"### `{rule.name}`\n")[1].split("\n##")[0]
    for word in ("**Finds**", "**Why**", "**Mend**", "**Acknowledge**"):
        assert section.count(word) == 1, word
    assert f"`audit:{rule.name}:" in section
    assert f"{rule.guide} · " in section
    assert rule.level.value in section.lower()


def test_every_word_of_a_rule_is_there_and_can_be_filled_in() -> None:
    """A brace too many would fail when the database is good."""
    for rule in RULES:
        assert all((rule.title, rule.subject, rule.expected, rule.remedy)), rule.name
        (good,) = judged(rule, [], CONFIG)
        assert good.level is Level.OK and "{" not in good.detail


def test_the_worst_rows_are_shown_and_the_rest_is_counted_at_its_own_level() -> None:
    """Sorted by level and then by name, so that the same ones are shown each month."""
    rule = next(rule for rule in RULES if rule.name == "rls_off")
    rows = [{"name": f"t{n:03}", "detail": "d" * 2000, "level": "advisory"} for n in range(SHOWN)]
    rows += [{"name": "z", "detail": "d", "level": "warning"}, {"name": "a", "detail": "d", "level": None}]
    *shown, more = judged(rule, rows, CONFIG)
    assert [one.key for one in shown[:3]] == ["audit:rls_off:a", "audit:rls_off:z", "audit:rls_off:t000"]
    assert (len(shown), len(shown[2].detail)) == (SHOWN, MAX_DETAIL + 1)
    assert (more.key, more.level, more.metadata["more"]) == ("audit:rls_off", Level.ADVISORY, 2)


def test_splinters_rules_are_compared_by_name() -> None:
    """Each once, and each rule of ours that is said to stand for one is a rule."""
    table = DOCUMENT.split("## Beside splinter")[1]
    named = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    assert len(named) == len({name for name, _ in named}) >= 29
    ours = {word for _, answer in named for word in re.findall(r"`(\w+)`", answer)}
    assert ours & set(NAMES)
    assert {word for word in ours if word not in NAMES} <= {
        "missing_indexes",
        "unused_indexes",
        "duplicate_indexes",
        "invalid_indexes",
        "dead_rows",
        "freeze_age",
    }
