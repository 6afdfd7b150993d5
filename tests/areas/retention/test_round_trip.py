"""What is archived comes back byte for byte: every built-in type, as COPY writes it, and none is refused."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to
from upkeep.areas.retention.reread import NotAsWritten
from upkeep.areas.retention.restore import restore
from upkeep.areas.retention.store import MANIFEST, OBJECT
from upkeep.settings.values import TableName
from upkeep.wires import database

#: A type and values of it that another format would bend.
TYPES: dict[str, list[str]] = {
    "boolean": ["t", "f"],
    "smallint": ["-32768", "32767"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "real": ["NaN", "-Infinity", "1e-45", "3.4028235e38"],
    "double precision": ["NaN", "Infinity", "-0", "4.9e-324", "1.7976931348623157e308"],
    "numeric": ["NaN", "Infinity", "-Infinity", "1" * 1000 + "." + "7" * 1000, "0.000", "-0.10"],
    "numeric(1000,998)": ["12." + "3" * 998],
    "money": ["-$92,233,720,368,547,758.08", "$0.10"],
    "text": ["", " ", "\\.", '"', '""', "a\nb\r\nc", "N", "NULL", ",", "\t\u202e\u00fc\U0001f600", "\\N", ":"],
    "varchar(3)": ["", "ab ", "\u00fc\u00fc\u00fc"],
    "char(5)": ["", "a", "ab  "],
    '"char"': ["", "a"],
    "name": ["pg_class"],
    "bytea": ["\\x", "\\x00ff0a22"],
    "json": ['{"b": 1,  "a": null, "b": 2}', '"\\u0000"'],
    "jsonb": ['{"a": [1e400, "\\u00fc"]}', "null"],
    "jsonpath": ["$.a[*]"],
    "xml": ["<a>x &amp; y</a>"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "date": ["infinity", "-infinity", "0001-01-01 BC", "5874897-12-31"],
    "timestamp": ["infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"],
    "timestamptz": ["-infinity", "0044-03-15 12:00:00+00 BC", "294276-12-31 23:59:59.999999+00"],
    "time": ["24:00:00", "00:00:00.000001"],
    "timetz": ["24:00:00-15:59", "12:00:00.5+05:45"],
    "interval": ["-178000000 years", "1 year -2 mons 3 days -04:05:06.789"],
    "inet": ["192.0.2.1", "192.0.2.1/32", "10.0.0.0/8", "::1", "2001:db8::/32"],
    "cidr": ["10.0.0.0/8", "192.0.2.1/32"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101"],
    "bit varying": ["", "1"],
    "point": ["(NaN,-0)", "(1e300,Infinity)"],
    "line": ["{1,-1,0}"],
    "box": ["(2,2),(0,0)"],
    "path": ["[(0,0),(1,1)]"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "circle": ["<(0,0),1>"],
    "tsvector": ["'a':1A 'fat':2B,4C 'it''s'"],
    "tsquery": ["'fat' & ( 'rat' | !'cat':*A )"],
    "int4range": ["empty", "[1,)", "(,)"],
    "numrange": ["[-Infinity,NaN]"],
    "tstzrange": ['[-infinity,"2026-01-01 00:00:00+00")'],
    "int4multirange": ["{}", "{[1,3),[5,9)}"],
    "pg_lsn": ["16/B374D848"],
    "oid": ["4294967295"],
    "regclass": ["pg_class", "12345"],
    "xid8": ["18446744073709551615"],
    "integer[]": ["{}", "{1,NULL,3}", "[0:1]={5,6}", "{{1,2},{3,4}}"],
    "text[]": ['{"",NULL,"NULL","a,b","\\"","{}"}'],
    "mood": ["happy", 's\'ad, "really"'],
    "positive": ["1"],
    "pair": ["(,)", '(1,"a,""b""")'],
    "pair[]": ['{"(,)",NULL}'],
}


def prepared(keeping: Keeping) -> None:
    """A log with a column of each type, and one of a name that has to be quoted."""
    keeping.stage.do(
        "CREATE TYPE mood AS ENUM ('happy', 's''ad, \"really\"')",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "CREATE TYPE pair AS (a int, b text)",
        *(f"ALTER TABLE log ADD c{number} {kind}" for number, kind in enumerate(TYPES)),
        'ALTER TABLE log ADD "Mixed ""Case"", %s {{}}" text DEFAULT \'x\'',
        "ALTER TABLE log ADD made text GENERATED ALWAYS AS (body || '!') STORED",
    )


def insert(keeping: Keeping, values: dict[int, str | None]) -> None:
    """A due row with these values, as text, of columns by their number."""
    values = dict(sorted(values.items()))
    names = ", ".join(f"c{number}" for number in values)
    casts = ", ".join(f"%s::{kind}" for number, kind in enumerate(TYPES) if number in values)
    with psycopg.connect(keeping.stage.dsn, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO log (at, body, {names}) VALUES (now() - interval '120 days', 'b', {casts})".encode(),
            list(values.values()),
        )


def copied(keeping: Keeping, table: str, names: str) -> bytes:
    """What COPY writes of a table, in the order of its key."""
    with psycopg.connect(keeping.stage.dsn) as connection:
        query = f"COPY (SELECT {names} FROM {table} ORDER BY id) TO STDOUT"
        with connection.cursor() as cursor, cursor.copy(query.encode()) as copy:
            return b"".join(bytes(block) for block in copy)


def through_the_archive(keeping: Keeping) -> None:
    """Archive what is due, restore it beside, and compare every byte that COPY writes."""
    keeping.stage.do("DROP TABLE IF EXISTS back")
    outcomes = keeping.apply("archive")
    assert [one.state for one in outcomes.values()] == ["done"], [one.reason for one in outcomes.values()]
    store = keeping.store()
    name = store.names(MANIFEST)[-1]
    with database.session(to(keeping.stage.dsn), keeping.stage.config.sql, read_only=False) as session:
        assert restore(session, store, name, TableName("public", "back")) == keeping.count()
    assert copied(keeping, "back", "*") == copied(keeping, "log", "*")
    for kind in (MANIFEST, OBJECT):
        store.path(name + kind).unlink()


@pytest.mark.guide("G67", "holds")
def test_every_built_in_type_comes_back_as_it_was(keeping: Keeping) -> None:
    """Each type's awkward values, a null, an empty text; a quoted name, a generated column."""
    prepared(keeping)
    for turn in range(max(len(values) for values in TYPES.values())):
        insert(keeping, {number: values[turn % len(values)] for number, values in enumerate(TYPES.values())})
    insert(keeping, {0: None})
    through_the_archive(keeping)


@pytest.mark.guide("G67", "holds")
def test_whatever_text_is_in_a_row_comes_back(keeping: Keeping) -> None:
    """Generated: any text PostgreSQL takes, numbers, bytes, arrays and nulls, dozens of rows an archive."""
    prepared(keeping)
    numbers = {kind: number for number, kind in enumerate(TYPES)}
    characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    one = {
        numbers["text"]: st.none() | st.text(characters),
        numbers["bytea"]: st.none() | st.binary().map(lambda raw: "\\x" + raw.hex()),
        numbers["numeric"]: st.decimals(allow_nan=True, allow_infinity=False).map(
            lambda found: "NaN" if found.is_nan() else str(found)
        ),
        numbers["double precision"]: st.floats().map(repr),
    }
    rows = st.lists(st.fixed_dictionaries(one), min_size=40, max_size=60)

    @settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(rows)
    def comes_back(found: list[dict[int, str | None]]) -> None:
        keeping.stage.do("DELETE FROM log")
        for values in found:
            insert(keeping, values)
        through_the_archive(keeping)

    comes_back()


@pytest.mark.guide("G67", "holds")
def test_an_archive_that_names_more_than_a_type_is_not_run(keeping: Keeping) -> None:
    """A manifest is a file: what it says of a column is checked to be a type's name before it stands in a statement."""
    keeping.fill(2)
    keeping.apply("archive")
    store = keeping.store()
    (name,) = store.names(MANIFEST)
    path = store.path(name + MANIFEST)
    path.write_text(path.read_text().replace('"type": "text"', '"type": "text); DROP TABLE log; --"'))
    with (
        pytest.raises((NotAsWritten, psycopg.Error)),
        database.session(to(keeping.stage.dsn), keeping.stage.config.sql, read_only=False) as session,
    ):
        restore(session, store, name, TableName("public", "back"))
    assert keeping.count() == 2
