"""Forgeries of a ledger's signed rows, drawn from a seed: what whoever owns its tables could try."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from upkeep.gate.signatures import chain
from upkeep.gate.signatures.keys import Signer
from upkeep.wires.database import Row, Session
from upkeep.wires.queries import load

TABLES = ("shown", "decisions", "permits", "receipts")
EVIL = Ed25519PrivateKey.from_private_bytes(b"a key that nobody pins anywhere1")

#: What a column's value becomes, by its type.
OTHER = {
    "text": ["{c} || 'x'", "upper({c}) || '\N{LATIN SMALL LETTER E WITH ACUTE}'", "''"],
    "ARRAY": ["{c} || '{{3}}'::text[]", "{c} || '{{mallory}}'::text[]", "'{{}}'::text[]"],
    "bigint": ["{c} + 1", "{c} - 1", "{c} * 1000"],
    "integer": ["{c} + 1", "7"],
    "timestamp with time zone": [
        "{c} + interval '1 microsecond'",
        "{c} - interval '30 days'",
        "'infinity'::timestamptz",
    ],
    "jsonb": ["{c} || '{{\"dead_rows\": 1}}'", "'{{}}'::jsonb", "{c} || '{{\"deep\": [1.5, null]}}'"],
}


@dataclass(frozen=True)
class Forgery:
    """What was done, to whose plan, and by which names the refusal may call it."""

    what: str
    digest: str
    names: frozenset[str]
    #: What follows on it does not fit either, and may be met first.
    next_ones: frozenset[str]


class Forger:
    """One seed's forgery, done in the session's transaction."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.dice = random.Random(seed)
        self.entries = session.rows("SELECT * FROM upkeep.signatures ORDER BY entry")

    def forge(self) -> Forgery:
        """Do one of the kinds; every one changes something."""
        kinds: list[Callable[[Row], str]] = [
            self.alter_row, self.alter_row, self.alter_row, self.alter_signature, self.insert, self.insert,
            self.delete_row, self.delete_signature, self.delete_both, self.close_the_gap, self.swap_ids,
            self.swap_entries, self.of_another_plan, self.signature_of_another, self.other_key, self.cut,
        ]  # fmt: skip
        kind, entry = self.dice.choice(kinds), self.dice.choice(self.entries)
        self.touched = [entry]
        what = f"{kind.__name__} of entry {entry['entry']}: {kind(entry)}"
        names = {f"{one['place']} row {one['row_id']}" for one in self.touched}
        names |= {f"entry {one['entry']}" for one in self.touched}
        names |= {f"row {self.added}"} if self.added else set()
        following = frozenset(f"entry {one['entry'] + 1}" for one in self.touched if one["place"])
        return Forgery(what, entry["digest"], frozenset(names), following)

    added = 0

    def do(self, statement: str, **names: str) -> list[Row]:
        """Run a statement with identifiers filled in."""
        filled = sql.SQL(statement).format(**{key: sql.Identifier(value) for key, value in names.items()})
        return self.session.rows(filled.as_string())

    def other(self, entry: Row) -> Row:
        """Another entry about a row of the same table."""
        others = [one for one in self.entries if one["place"] == entry["place"] and one != entry]
        found = self.dice.choice(others)
        self.touched.append(found)
        return found

    # The kinds --------------------------------------------------------------------------------------------------

    def change(self, table: str, columns: list[Row], where: str) -> str:
        """Give some column another value; says which."""
        for column in self.dice.sample(columns, len(columns)):
            expression = self.dice.choice(OTHER[column["type"]]).replace("{c}", "{column}")
            changed = self.do(
                f"UPDATE upkeep.{{table}} SET {{column}} = coalesce({expression}, {self.filler(column)}) "
                f"WHERE {where} AND {{column}} IS DISTINCT FROM coalesce({expression}, {self.filler(column)}) "
                "RETURNING 1",
                table=table,
                column=column["name"],
            )
            if changed:
                return f"{column['name']} = {expression}"
        raise AssertionError(f"no column of {table} could be changed")

    @staticmethod
    def filler(column: Row) -> str:
        """What a column that holds nothing gets."""
        return {"bigint": "1", "timestamp with time zone": "'2026-01-01Z'"}.get(column["type"], "NULL")

    def columns(self, table: str) -> list[Row]:
        return self.session.rows(
            "SELECT column_name::text AS name, data_type::text AS type FROM information_schema.columns"
            " WHERE table_schema = 'upkeep' AND table_name = %(table)s ORDER BY ordinal_position",
            {"table": table},
        )

    def alter_row(self, entry: Row) -> str:
        said = self.change(entry["place"], self.columns(entry["place"]), f"id = {entry['row_id']}")
        if said.startswith("id ="):  # it may have become another's namesake
            self.touched += [entry | {"row_id": entry["row_id"] + by} for by in (-1, 1)]
        return said

    def alter_signature(self, entry: Row) -> str:
        said = self.change("signatures", self.columns("signatures"), f"entry = {entry['entry']}")
        row = {"place": entry["place"], "row": entry["row_id"]}
        now = "SELECT entry, place, row_id, digest FROM upkeep.signatures WHERE place = %(place)s AND row_id = %(row)s"
        self.touched += self.session.rows(now, row)
        return said

    def copy(self, entry: Row) -> str:
        """A second row like an entry's, under the next free number."""
        names = [row["name"] for row in self.columns(entry["place"]) if row["name"] != "id"]
        listed = ", ".join(f'"{name}"' for name in names)
        ((added,),) = [
            tuple(row.values())
            for row in self.do(
                f"INSERT INTO upkeep.{{table}} (id, {listed}) OVERRIDING SYSTEM VALUE SELECT "
                f"(SELECT max(id) + 1 FROM upkeep.{{table}}), {listed} FROM upkeep.{{table}} "
                f"WHERE id = {entry['row_id']} RETURNING id",
                table=entry["place"],
            )
        ]
        self.added = int(added)
        return f"row {added}"

    def insert(self, entry: Row) -> str:
        """An unsigned row, or one with the signature of what it was copied from, as the next entry."""
        said = self.copy(entry)
        if self.dice.random() < 0.5:
            return said
        self.session.rows(
            "INSERT INTO upkeep.signatures SELECT (SELECT max(entry) + 1 FROM upkeep.signatures), place, %(row)s,"
            " digest, key_id, signed_at, signature FROM upkeep.signatures WHERE entry = %(entry)s",
            {"row": self.added, "entry": entry["entry"]},
        )
        return f"{said} with the signature of what it is a copy of"

    def delete_row(self, entry: Row) -> str:
        self.do(f"DELETE FROM upkeep.{{table}} WHERE id = {entry['row_id']}", table=entry["place"])
        return "the row"

    def delete_signature(self, entry: Row) -> str:
        self.do(f"DELETE FROM upkeep.signatures WHERE entry = {entry['entry']}")
        return "its signature"

    def delete_both(self, entry: Row) -> str:
        return f"{self.delete_row(entry)} and {self.delete_signature(entry)}"

    def close_the_gap(self, entry: Row) -> str:
        said = self.delete_both(entry)
        self.do(f"UPDATE upkeep.signatures SET entry = entry - 1 WHERE entry > {entry['entry']}")
        self.touched += [one | {"entry": one["entry"] - 1} for one in self.entries if one["entry"] > entry["entry"]]
        return f"{said}, the later entries renumbered"

    def swap_ids(self, entry: Row) -> str:
        other = self.other(entry)
        pair = f"(VALUES ({entry['row_id']}, {other['row_id']}), ({other['row_id']}, {entry['row_id']})) AS v (a, b)"
        self.do(f"UPDATE upkeep.{{t}} SET id = v.b FROM {pair} WHERE id = v.a", t=entry["place"])
        return f"with that of entry {other['entry']}"

    def swap_entries(self, entry: Row) -> str:
        other = self.dice.choice([one for one in self.entries if one != entry])
        self.touched.append(other)
        pair = f"(VALUES ({entry['entry']}, {other['entry']}), ({other['entry']}, {entry['entry']})) AS v (a, b)"
        self.do(f"UPDATE upkeep.signatures SET entry = v.b FROM {pair} WHERE entry = v.a")
        return f"with entry {other['entry']}"

    def of_another_plan(self, entry: Row) -> str:
        """A copy of another plan's row under this plan's digest, its signature with it."""
        decisions = [one for one in self.entries if one["place"] == "decisions" and one["digest"] != entry["digest"]]
        other = self.dice.choice(decisions)
        said = self.copy(other)
        change = {"digest": entry["digest"], "row": self.added, "entry": other["entry"]}
        self.session.rows("UPDATE upkeep.decisions SET digest = %(digest)s WHERE id = %(row)s", change)
        self.session.rows(
            "INSERT INTO upkeep.signatures SELECT (SELECT max(entry) + 1 FROM upkeep.signatures), place, %(row)s,"
            " %(digest)s, key_id, signed_at, signature FROM upkeep.signatures WHERE entry = %(entry)s",
            change,
        )
        return f"{said}, a copy of decisions row {other['row_id']}"

    def signature_of_another(self, entry: Row) -> str:
        other = self.dice.choice([one for one in self.entries if one != entry])
        self.sign(entry, other["signature"], other["key_id"])
        return f"that of entry {other['entry']}"

    def other_key(self, entry: Row) -> str:
        """An altered row, signed as it should be, with a key that is not the pinned one; the chain goes on from it."""
        said = self.alter_row(entry) if self.dice.random() < 0.7 else "not altered"
        key_id = self.dice.choice(["tests", "evil"])
        self.session.rows("UPDATE upkeep.signatures SET key_id = %(key_id)s WHERE entry = %(entry)s",
                          {"key_id": key_id, "entry": entry["entry"]})  # fmt: skip
        line = self.session.rows(load("gate/signatures/entries_from"), {"first": entry["entry"]})[0]
        if line["content"] is not None:
            given = (line["ledger"], line["place"], line["sealed"], line["follows"] or "", line["content"])
            self.sign(entry, Signer("evil", EVIL).sign(chain._message(*given)), key_id)
        return f"{said}, under the id {key_id}"

    def sign(self, entry: Row, signature: str, key_id: str) -> None:
        self.session.rows(
            "UPDATE upkeep.signatures SET signature = %(signature)s, key_id = %(key_id)s WHERE entry = %(entry)s",
            {"signature": signature, "key_id": key_id, "entry": entry["entry"]},
        )

    def cut(self, entry: Row) -> str:
        """The end of the chain, as if it had never been written."""
        for one in self.entries:
            if one["entry"] >= entry["entry"]:
                self.delete_both(one)
        self.touched.append({"place": "", "row_id": 0, "entry": f"{self.entries[-1]['entry']}:"})
        return "and all after it"
