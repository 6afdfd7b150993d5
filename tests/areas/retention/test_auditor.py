"""docs/archives.md: what it tells an auditor is done as it stands, by a reader that shares no code with ours."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.areas.retention.test_round_trip import TYPES, insert, prepared
from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from upkeep.areas.retention.store import MANIFEST, OBJECT
from upkeep.settings.base import ROOT

TEXT = (ROOT / "docs/archives.md").read_text(encoding="utf-8")
PLACE = "/mnt/archive/blob/primary/errors"


def answers(keeping: Keeping) -> list[list[tuple[Any, ...]]]:
    """What DuckDB says to each statement of the page, about the class usual."""
    folder = str(keeping.store().folder)
    with duckdb.connect() as reader:
        return [
            reader.sql(found.replace(PLACE, folder)).fetchall() for found in re.findall(r"```sql\n(.*?)```", TEXT, re.S)
        ]


@pytest.mark.guide("G67", "fires", "silent")
def test_duckdb_finds_the_rows_and_their_content_as_the_server_counted_them(keeping: Keeping) -> None:
    """Every type's awkward texts among them; with another value in one row DuckDB's content is not the manifest's."""
    prepared(keeping)
    keeping.fill(3)
    for turn in range(max(len(values) for values in TYPES.values())):
        insert(keeping, {number: values[turn % len(values)] for number, values in enumerate(TYPES.values())})
    for old, new in (("at", "timestamp"), ("kind", "category"), ("body", "message")):
        keeping.stage.do(f"ALTER TABLE log RENAME {old} TO {new}")
    one = {"type": "error", "table": "public.log", "time": "timestamp", "days": 90, "location": "here"}
    others = ("application", "audit", "performance", "security")
    keeping.write(classes={"usual": one}, unmapped=dict.fromkeys(others, "none here"))
    assert [outcome.state for outcome in keeping.apply("archive").values()] == ["done"]
    store, rows = keeping.store(), keeping.count()
    (name,) = store.names(MANIFEST)
    content = store.manifest(name)[0]["content"]
    path = store.path(name + OBJECT)
    said = (str(path), content["rows"], content["high"], content["low"])

    archives, months, denied, numbers, contents = answers(keeping)
    assert [(row[0], row[3], row[4]) for row in archives] == [("usual", rows, path.stat().st_size)]
    assert [(row[0], row[2]) for row in months] == [("usual", rows)]
    assert (denied, numbers, contents) == ([], [(rows, rows)], [said])

    table = pq.read_table(path)
    texts = table.column("message").to_pylist()
    forged = table.set_column(table.schema.get_field_index("message"), "message", [["denied", *texts[1:]]])
    path.unlink()
    pq.write_table(forged, path)
    (other,) = answers(keeping)[-1]
    assert other[:2] == said[:2] and other[2:] != said[2:]
