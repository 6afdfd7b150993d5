"""``python -m upkeep archive``: what is archived, whether it is still as it was written, and back into a table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps

import psycopg

from upkeep.areas.retention import reread
from upkeep.areas.retention.restore import checked, restore
from upkeep.areas.retention.store import DELETED, MANIFEST, OBJECT, Store
from upkeep.areas.retention.stores import store_of
from upkeep.core.text import visible
from upkeep.flow.connections import archive_sas, postgres
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings
from upkeep.settings.values import TableName
from upkeep.wires.blob_answers import BlobError, Unreached
from upkeep.wires.database import explain, session
from upkeep.wires.sas import credentials


def _on_stores(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command that may ask stores by their Connections; 1, with the reason, when one cannot be asked."""

    @wraps(command)
    def run(arguments: argparse.Namespace) -> int:
        try:
            with credentials(archive_sas):
                return command(arguments)
        except BlobError as why:
            print(f"Not done, the store could not be asked: {why}", file=sys.stderr)
            return 1

    return run


@_on_stores
def find(arguments: argparse.Namespace) -> int:
    """One line an archive: class, name, period, rows, bytes; and what is no archive. 1 when a store cannot be asked."""
    away = 0
    for name, store in _stores(_target(arguments)):
        try:
            _list(name, store)
        except BlobError as why:
            away += _unasked(name, why)
    return 1 if away else 0


def _list(name: str, store: Store) -> None:
    for archive in store.names(MANIFEST):
        try:
            found, _ = store.manifest(archive)
            content = found["content"]
            said = f"{found['start'][:10]}..{found['end'][:10]} {content['rows']:,} rows {content['bytes']:,} bytes"
        except Unreached:
            raise
        except (OSError, ValueError, TypeError, KeyError) as why:
            said = f"its manifest cannot be read ({type(why).__name__}: {why})"
        gone = " deleted from the log" if store.has(archive + DELETED) else ""
        print(visible(f"{name} {archive} {said}{gone}"))
    for orphan in store.orphans():
        print(f"{name} {visible(orphan)} has no manifest: it is no archive")


def _unasked(name: str, why: BlobError) -> int:
    """One store more that could not be asked: those of other classes may well be there."""
    print(visible(f"{name}: the store could not be asked: {why}"), file=sys.stderr)
    return 1


@_on_stores
def verify(arguments: argparse.Namespace) -> int:
    """Read every archive again; 1 when one is not as it was written, or something lies there that is no archive.

    One in tier Archive is not read: its size and MD5 are compared, and that is said.
    """
    count, away = Counter[str](), 0
    for name, store in _stores(_target(arguments)):
        try:
            _verify(name, store, count)
        except BlobError as why:
            away += _unasked(name, why)
    said = [f"{count['good']} archives are as they were written, {count['bad']} are not"]
    said += [f"{count['offline']} were not read (tier Archive)"] if count["offline"] else []
    said += [f"{count['unread']} could not be read"] if count["unread"] else []
    said += [f"{away} of the stores could not be asked"] if away else []
    print(", ".join(said))
    return 1 if count["bad"] or count["unread"] or away else 0


def _verify(name: str, store: Store, count: Counter[str]) -> None:
    """Count a store's archives by what they are found to be. Raises Unreached when it cannot be asked any more."""
    for archive in store.names(MANIFEST):
        try:
            checked(store, archive)
            count["good"] += 1
        except reread.InArchiveTier as why:
            count["offline"] += 1
            print(visible(f"{name} {archive}: {why}"))
        except reread.NotAsWritten as why:
            count["bad"] += 1
            print(visible(f"{name} {archive}: {why}"), file=sys.stderr)
        except Unreached:
            raise
        except BlobError as why:  # the others are read all the same
            count["unread"] += 1
            print(visible(f"{name} {archive}: could not be read: {why}"), file=sys.stderr)
    for orphan in store.orphans():
        count["bad"] += 1
        print(f"{name} {visible(orphan)}: found no manifest, so that it is no archive", file=sys.stderr)


@_on_stores
def bring_back(arguments: argparse.Namespace) -> int:
    """Restore one archive into a new table, over the target's maintain Connection.

    Of one in tier Archive the rehydration is asked for, and nothing is restored before it is over.
    """
    config, target = settings(), _target(arguments)
    connection_id = config.target(target).connections.maintain
    if connection_id is None:
        raise ConfigError(f"targets.{target}.connections.maintain: found none, expected the Connection to restore with")
    schema, dot, table = arguments.into.partition(".")
    if not dot:
        raise ConfigError(f"--into: found {arguments.into!r}, expected schema.table, which is made")
    store = _holder(target, arguments.archive)
    try:
        with session(postgres(connection_id), config.maintenance.sql, read_only=False) as opened:
            rows = restore(opened, store, arguments.archive, TableName(schema, table))
    except reread.InArchiveTier as why:
        lacking = [name for name in (arguments.archive + MANIFEST, arguments.archive + OBJECT) if _lacks(store, name)]
        asked = "; ".join(store.ask_back(name) for name in lacking)
        print(f"Nothing was restored: {why}; {asked}", file=sys.stderr)
        return 1
    except (reread.NotAsWritten, OSError, ValueError) as why:
        print(f"Nothing was restored: {why}", file=sys.stderr)
        return 1
    except psycopg.Error as error:
        print(f"Nothing was restored. {explain(error, connection_id)}", file=sys.stderr)
        if isinstance(error, psycopg.errors.InsufficientPrivilege):  # `grants` prints none that only a restore needs
            print(
                f"It makes a table: GRANT CREATE ON SCHEMA {schema} to its role, and REVOKE it after.", file=sys.stderr
            )
        return 1
    print(f"{rows:,} rows of {arguments.archive} are in {arguments.into}, as they were archived.")
    return 0


def _holder(target: str, archive: str) -> Store:
    """The store that holds an archive. Raises ConfigError when none does, BlobError where one could not be asked."""
    away: BlobError | None = None
    for _, store in _stores(target):
        try:
            if archive in store.names(MANIFEST):
                return store
        except BlobError as why:  # another class's, perhaps
            away = why
    if away:
        raise away
    raise ConfigError(f"found no archive {archive!r}; `python -m upkeep archive find` lists them")


def _lacks(store: Store, name: str) -> bool:
    return store.offline(name) is not None and not store.copied(name)


def _target(arguments: argparse.Namespace) -> str:
    name = arguments.target or settings().targets[0]
    settings().target(name)
    return str(name)


def _stores(target: str) -> Iterator[tuple[str, Store]]:
    retention = settings().retention
    for name in retention.classes:
        if store := store_of(retention, target, name):
            yield name, store
