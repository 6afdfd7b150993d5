"""docs/configuration.md and config/schema: as the models say, and as config is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests import config_reference
from upkeep.settings.base import ROOT

NAMES = sorted(config_reference.FILES)


def problems(name: str, content: Any) -> list[str]:
    """What the published schema says against a file's content, as an editor shows it."""
    published = json.loads((ROOT / "config" / "schema" / f"{name}.json").read_text())
    Draft202012Validator.check_schema(published)
    found = Draft202012Validator(published).iter_errors(json.loads(json.dumps(content, default=str)))
    return [f"{'.'.join(map(str, one.path))}: {one.message}" for one in found]


def shipped(name: str) -> Any:
    """A file's content."""
    return yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())


def test_the_reference_is_what_the_models_say() -> None:
    """Otherwise: make reference."""
    assert (ROOT / "docs" / "configuration.md").read_text() == config_reference.reference()


@pytest.mark.parametrize("name", NAMES)
def test_an_editor_finds_the_schema_of_each_file_and_nothing_wrong_in_it(name: str) -> None:
    """By the file's first line; the schema is the model's, and an unknown setting is said."""
    first, *_ = (ROOT / "config" / f"{name}.yaml").read_text().splitlines()
    assert first == f"# yaml-language-server: $schema=schema/{name}.json"
    assert (ROOT / "config" / "schema" / f"{name}.json").read_text() == config_reference.schema(name)
    assert problems(name, shipped(name)) == []
    (said,) = problems(name, shipped(name) | {"surprise": 1})
    assert "'surprise'" in said


def test_an_editor_says_what_is_wrong_where() -> None:
    """A number out of its range, a table as a list, a band as a number."""
    maintenance = shipped("maintenance")
    maintenance["approval"]["remind_minutes"] = 0
    assert problems("maintenance", maintenance) == ["approval.remind_minutes: 0 is less than the minimum of 1"]
    retention = shipped("retention")
    retention["classes"]["errors"]["table"] = ["public", "error_logs"]
    assert [one.partition(":")[0] for one in problems("retention", retention)] == ["classes.errors.table"]
    thresholds = shipped("thresholds")
    thresholds["metrics"]["cpu_usage"]["ok"] = 60
    assert [one.partition(":")[0] for one in problems("thresholds", thresholds)] == ["metrics.cpu_usage.ok"]


def test_each_setting_has_a_line_with_its_range_and_its_shipped_value() -> None:
    """Nested ones by their path, those by name and in lists too."""
    page = config_reference.reference()
    for line in (
        "| `approval.remind_minutes` | a whole number at least 1, at most 1440, needed | `30` |",
        '| `expectations.<name>.guide` | text, needed | `"G45"`, `"G46"`, `"G47"`, `"G48"` |',
        "| `classes.<name>.days` | a whole number at least 1, at most 36500, needed | `30`, `90`, `365`, `2557` |",
        "| `windows.<name>.length_minutes` | a whole number at least 1, at most 1440, needed | `30`, `120`, `240` |",
    ):
        assert line in page.splitlines()
