"""docs/archives.md: what it tells an auditor is done as it stands, by a reader that shares no code with ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
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


#: The days and the file that the page's examples are about.
DAY, NEXT, FILE = "2026-05-01", "2026-05-02", "2026-05_….parquet"
#: A day that is due, with more days of its month after it.
DUE = (datetime.now(UTC) - timedelta(days=160)).replace(day=5, hour=12)


def answers(keeping: Keeping, name: str) -> list[list[tuple[Any, ...]]]:
    """What DuckDB says to each statement of the page, about the class usual, the day that is due, and one archive."""
    given = {PLACE: str(keeping.store().folder), FILE: name + OBJECT}
    given |= {DAY: f"{DUE:%Y-%m-%d}", NEXT: f"{DUE + timedelta(days=1):%Y-%m-%d}"}
    found = []
    with duckdb.connect() as reader:
        for statement in re.findall(r"```sql\n(.*?)```", TEXT, re.S):
            about = re.sub("|".join(map(re.escape, given)), lambda match: given[match[0]], statement)
            found.append(reader.execute(about).fetchall())
    return found


def say(keeping: Keeping, body: str, at: datetime) -> None:
    """A row of a text and a time."""
    keeping.stage.look("INSERT INTO log (at, body) VALUES (%s, %s) RETURNING 1", at, body)


def as_the_page_has_it(keeping: Keeping) -> None:
    """The log with the page's own names of columns."""
    for old, new in (("at", "timestamp"), ("kind", "category"), ("body", "message")):
        keeping.stage.do(f"ALTER TABLE log RENAME {old} TO {new}")
    one = {"type": "error", "table": "public.log", "time": "timestamp", "days": 90, "location": "here"}
    others = ("application", "audit", "performance", "security")
    keeping.write(classes={"usual": one}, unmapped=dict.fromkeys(others, "none here"))


def said(keeping: Keeping, name: str) -> tuple[Any, ...]:
    """What a manifest says of its content."""
    content = keeping.store().manifest(name)[0]["content"]
    return content["rows"], content["high"], content["low"]


@pytest.mark.guide("G67", "fires", "silent")
def test_duckdb_finds_the_rows_and_their_content_as_the_server_counted_them(keeping: Keeping) -> None:
    """Every type's awkward texts among them; with another value in one row DuckDB's content is not the manifest's."""
    prepared(keeping)
    keeping.fill(3)
    for turn in range(max(len(values) for values in TYPES.values())):
        insert(keeping, {number: values[turn % len(values)] for number, values in enumerate(TYPES.values())})
    keeping.stage.look("UPDATE log SET at = %s RETURNING 1", DUE)
    say(keeping, "access denied", DUE)
    say(keeping, "denied a day later", DUE + timedelta(days=1))
    as_the_page_has_it(keeping)
    assert [outcome.state for outcome in keeping.apply("archive").values()] == ["done"]
    store, rows = keeping.store(), keeping.count()
    (name,) = store.names(MANIFEST)
    path = store.path(name + OBJECT)

    archives, _, months, denied, numbers, contents = answers(keeping, name)
    assert [(row[0], row[3], row[4]) for row in archives] == [("usual", rows, path.stat().st_size)]
    assert [(row[0], row[2]) for row in months] == [("usual", rows)]
    assert [(row[0], row[3]) for row in denied] == [(str(path), "access denied")]
    assert (numbers, contents) == ([(rows, rows)], [said(keeping, name)])

    table = pq.read_table(path)
    texts = table.column("message").to_pylist()
    forged = table.set_column(table.schema.get_field_index("message"), "message", [["denied", *texts[1:]]])
    path.unlink()
    pq.write_table(forged, path)
    (other,) = answers(keeping, name)[-1]
    assert other[0] == rows and other != said(keeping, name)


@pytest.mark.guide("G67", "holds")
def test_several_archives_count_each_row_once_and_are_proven_one_by_one(keeping: Keeping) -> None:
    """Columns came between two of them, one of a name that readers use; beside them a file without its manifest, and
    one archive twice, as when it was damaged.
    """
    as_the_page_has_it(keeping)
    add = "INSERT INTO log (\"timestamp\", message) SELECT %s, 'text ' || n FROM generate_series(1, %s) n RETURNING 1"
    keeping.stage.look(add, DUE - timedelta(days=40), 3)
    assert [outcome.state for outcome in keeping.apply("archive").values()] == ["done"]
    keeping.stage.do("ALTER TABLE log ADD more text DEFAULT 'more', ADD filename text DEFAULT 'a name'")
    keeping.stage.look(add, DUE, 4)
    assert [outcome.state for outcome in keeping.apply("archive").values()] == ["done"]
    store, names = keeping.store(), keeping.store().names(MANIFEST)
    stray = pq.read_table(store.path(names[0] + OBJECT))
    pq.write_table(stray.set_column(0, "id", [["101", "102", "103"]]), store.path(f"{names[0]}_stray{OBJECT}"))
    for kind in (MANIFEST, OBJECT):
        store.path(f"{names[0]}_again{kind}").write_bytes(store.path(names[0] + kind).read_bytes())

    for name in names:
        archives, _, months, _, numbers, contents = answers(keeping, name)
        assert (len(archives), sorted(row[2] for row in months), numbers) == (3, [3, 4], [(7, 7)])
        assert contents == [said(keeping, name)]
