"""Whether archives can go to the containers that config names, and whether their credentials can do no harm there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from upkeep.areas.retention.blob_store import harms_of
from upkeep.areas.retention.stores import container_of
from upkeep.cli.check.rows import CheckRow
from upkeep.flow.connections import archive_sas
from upkeep.settings.load import Settings
from upkeep.settings.retention import Azure
from upkeep.wires.blob_answers import BlobError
from upkeep.wires.sas import credentials, said_of

#: How long before its end a SAS is told.
SOON = timedelta(days=14)


def store_rows(config: Settings) -> Iterator[CheckRow]:
    """Two rows a container: it answers, and its credential can neither delete nor overwrite (G67)."""
    with credentials(archive_sas):
        for name, location in config.retention.locations.items():
            if location.azure is not None:
                yield _answers(f"archives in {name}: {location.azure.url}", location.azure)
                yield _harmless(f"archives in {name}: a credential that cannot delete or overwrite", location.azure)


def _answers(what: str, where: Azure) -> CheckRow:
    container = container_of(where)
    try:
        container.names(where.folder)
        reads = container.may(f"{where.folder}upkeep-check-{secrets.token_hex(8)}")["read"]
        _, lacks = said_of(container.sas()) or ([], [])
    except BlobError as why:
        return CheckRow(what, "G67", False, str(why))
    if lacks := lacks or ([] if reads else ["read"]):
        said = f"the SAS of Connection {where.connection!r} may not {' and '.join(lacks)}, expected sp=rcl"
        return CheckRow(what, "G67", False, said)
    return CheckRow(what, "G67", True, ends(container.sas(), datetime.now(UTC)))


def _harmless(what: str, where: Azure) -> CheckRow:
    """Asked of a blob that is not there: nothing is changed."""
    try:
        can = harms_of(container_of(where), where.folder)
    except BlobError as why:
        return CheckRow(what, "G67", False, str(why))
    said = (
        f"the SAS of Connection {where.connection!r} may {' and '.join(can)}, expected sp=rcl: read, create, list. "
        "After a deletion the archive is the only copy"
    )
    return CheckRow(what, "G67", not can, said if can else "")


def ends(sas: str, now: datetime) -> str:
    """What is said of a SAS that ends soon, empty of another; one by a stored access policy does not say when. Pure."""
    try:
        end = datetime.fromisoformat(parse_qs(sas)["se"][0])
    except (KeyError, ValueError):
        return ""
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    return f"its SAS ends at {end:%Y-%m-%d %H:%M} UTC: renew it" if end - now < SOON else ""
