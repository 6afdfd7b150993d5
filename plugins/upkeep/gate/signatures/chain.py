"""The ledger's chain of signed rows: written one after the other, read back only as far as it verifies.

Every row of ``shown``, ``decisions``, ``permits`` and ``receipts`` has an entry in ``signatures``: its number, and a
signature over the row, the number and the signature of the entry before. What is read here is what was verified: the
values come from the very text that the signature fits.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from upkeep.gate import canonical
from upkeep.gate.signatures import rows
from upkeep.gate.signatures.keys import Signer, fits
from upkeep.settings.signing import Signing
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: The advisory lock of whoever adds a signed row: "signed" in ASCII.
LOCK = 0x7369676E6564


class Tampered(ValueError):
    """What the ledger holds is not what was signed; the message names the row."""


@dataclass(frozen=True)
class Head:
    """How far the chain reached at some moment: its last entry and the SHA-256 of that one's signature."""

    entry: int
    mark: str

    def __str__(self) -> str:
        return f"{self.entry}:{self.mark[:16]}"


class Added(NamedTuple):
    """A row that was written and signed: its id, and the chain's head since."""

    row_id: int
    head: Head


@dataclass(frozen=True)
class Entry:
    """A row whose signature fits; ``row`` is what JSON knows of it, times are text."""

    number: int
    place: str
    row_id: int
    row: Mapping[str, Any]
    signed_at: datetime
    until: datetime | None
    mark: str

    def moment(self, column: str) -> datetime:
        """A time of the row. Raises TypeError when there is none."""
        return datetime.fromisoformat(self.row[column])

    @property
    def head(self) -> Head:
        """The chain's head when this entry was its last."""
        return Head(self.number, self.mark)


# Writing ------------------------------------------------------------------------------------------------------


def append(
    session: Session, signer: Signer, place: str, digest: str, statement: str, row: Mapping[str, Any]
) -> Added | None:
    """Insert a row and its entry, both or none; None where the statement kept what was there.

    ``row`` holds exactly the table's columns but for those that the statement returns.
    """
    with session.connection.transaction():
        session.rows(queries.load("gate/signatures/lock_chain"), {"key": LOCK})
        written = session.rows(queries.load(statement), row)
        if not written:
            return None
        (added,) = written
        head = session.row(queries.load("gate/signatures/chain_head"))
        entry = {
            "entry": head["entry"] + 1,
            "place": place,
            "row_id": added["id"],
            "digest": digest,
            "key_id": signer.key_id,
            "signed_at": head["signed_at"],
        }
        content = rows.as_sent({**row, **added})
        signed_at = canonical.moment(head["signed_at"])
        said = rows.message(head["ledger"], entry["entry"], head["signature"], entry, signed_at, content)
        signature = signer.sign(said)
        session.rows(queries.load("gate/signatures/add_signature"), entry | {"signature": signature})
        return Added(added["id"], Head(entry["entry"], _mark(signature)))


# Reading ------------------------------------------------------------------------------------------------------


def of_plan(session: Session, digest: str, signing: Signing) -> tuple[Entry, ...]:
    """Every row of a plan or sheet, in the order they were written. Raises Tampered for one that is not as signed."""
    found = session.rows(queries.load("gate/signatures/entries_of_plan"), {"digest": digest})
    return tuple(_verified(line, signing, digest) for line in found)


def unbroken_of_plan(
    session: Session, digest: str, signing: Signing, seen: Head | None = None
) -> tuple[tuple[Entry, ...], Head | None]:
    """The same, and the chain's head, with the whole chain verified from the plan's first row on: none may be missing.

    ``seen`` is how far the chain reached before: a ledger that goes less far was cut. Raises Tampered.
    """
    mine = of_plan(session, digest, signing)
    begins = [entry.number for entry in mine[:1]] + [seen.entry for seen in (seen,) if seen]
    if not begins:
        return mine, None
    chain = tuple(_unbroken(session, max(min(begins) - 1, 1), signing))
    if seen is not None and all(entry.head != seen for entry in chain):
        raise Tampered(f"found no entry {seen} of the ledger's chain, which was there before: the chain was cut")
    return mine, chain[-1].head if chain else None


def _unbroken(session: Session, first: int, signing: Signing) -> Iterator[Entry]:
    """The entries from one on. Raises Tampered where one is missing, altered, or signed with a key retired by then."""
    lines = session.rows(queries.load("gate/signatures/entries_from"), {"first": first})
    expected, latest = first, None
    for line in lines:
        entry = _verified(line, signing)
        _in_order(entry, expected, latest)
        expected, latest = entry.number + 1, max(latest or entry.signed_at, entry.signed_at)
        yield entry


def _in_order(entry: Entry, expected: int, latest: datetime | None) -> None:
    """Raises Tampered unless an entry is the next one, and its key not retired before the one before was signed."""
    if entry.number < expected:
        raise Tampered(f"found {entry.place} row {entry.row_id} (entry {entry.number}) twice: somebody added a row")
    if entry.number > expected:
        raise Tampered(
            f"found no entry {expected} of the ledger's chain before entry {entry.number} ({entry.place} row "
            f"{entry.row_id}): a signed row was removed"
        )
    if entry.until is not None and latest is not None and latest >= entry.until:
        raise Tampered(
            f"found {entry.place} row {entry.row_id} (entry {entry.number}) signed with a key that was retired at "
            f"{entry.until}, after an entry of {latest}"
        )


def _verified(line: Row, signing: Signing, digest: str | None = None) -> Entry:
    """A line's row as it was signed. Raises Tampered naming it."""
    name = f"{line['place']} row {line['id']}"
    if line["sealed"] is None:
        raise Tampered(
            f"found {name} without a signature: it was written before the ledger signed its rows, or not by Upkeep, "
            "and counts for nothing; start a new run"
        )
    sealed = json.loads(line["sealed"])
    name += f" (entry {sealed['entry']})"
    if line["content"] is None:
        raise Tampered(f"found no {name}, which was signed: it was removed or got another number")
    if line["follows"] is None and sealed["entry"] != 1:
        raise Tampered(f"found {name}, but no entry {sealed['entry'] - 1} before it: a signed row was removed")
    key = signing.keys.get(sealed["key_id"])
    if key is None:
        raise Tampered(
            f"found {name} signed with key {sealed['key_id']!r}, expected one of config/maintenance.yaml: "
            f"ledger.signing.keys: {sorted(signing.keys)}"
        )
    message = _message(line["ledger"], line["place"], line["sealed"], line["follows"] or "", line["content"])
    if digest not in (None, sealed["digest"]) or not fits(key.public, sealed["signature"], message):
        raise Tampered(f"found {name} which its signature does not fit: it was altered, or not written by Upkeep")
    signed_at = datetime.fromisoformat(sealed["signed_at"])
    if key.until is not None and signed_at >= key.until:
        raise Tampered(f"found {name} signed at {signed_at} with key {sealed['key_id']!r}, retired at {key.until}")
    row = json.loads(line["content"])
    mark = _mark(sealed["signature"])
    return Entry(sealed["entry"], line["place"], line["id"], row, signed_at, key.until, mark)


@lru_cache(maxsize=10_000)
def _message(ledger: str, place: str, sealed: str, follows: str, content: str) -> bytes:
    """What the signature of these texts would be over; the same texts give the same bytes."""
    about = json.loads(sealed)
    try:
        signed_at = canonical.moment(datetime.fromisoformat(about["signed_at"]))
    except ValueError:
        signed_at = ""
    return rows.message(ledger, about["entry"], follows, about, signed_at, rows.as_found(place, content))


def _mark(signature: str) -> str:
    return hashlib.sha256(signature.encode()).hexdigest()


# The whole ledger ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verified:
    """What a look at the whole chain found; ``before`` are rows by table from before the ledger signed its rows."""

    entries: int
    head: Head | None
    before: Mapping[str, int]
    problems: tuple[str, ...]


def verify(session: Session, signing: Signing, expected: str = "") -> Verified:
    """Every entry and every row without one. ``expected`` is a head as it was noted outside the ledger."""
    lines = session.rows(queries.load("gate/signatures/entries_from"), {"first": 0})
    unsigned = session.rows(queries.load("gate/signatures/unsigned_rows"))
    problems = [
        *_problems(lines, signing),
        *(f"found {row['place']} row {row['id']} without a signature, added not by Upkeep"
          for row in unsigned if not row["before"]),
    ]  # fmt: skip
    heads = {str(_head_of(line)) for line in lines}
    if expected and expected not in heads:
        problems.append(f"found no entry {expected} of the chain, expected it: the chain was cut or written anew")
    before = Counter(row["place"] for row in unsigned if row["before"])
    return Verified(len(lines), _head_of(lines[-1]) if lines else None, before, tuple(problems))


def _problems(lines: Iterable[Row], signing: Signing) -> Iterator[str]:
    expected, latest = 1, None
    for line in lines:
        number = _head_of(line).entry
        try:
            entry = _verified(line, signing)
            _in_order(entry, expected, latest)
            latest = max(latest or entry.signed_at, entry.signed_at)
        except Tampered as why:
            yield str(why)
        expected = number + 1


def _head_of(line: Row) -> Head:
    sealed = json.loads(line["sealed"])
    return Head(sealed["entry"], _mark(sealed["signature"]))
