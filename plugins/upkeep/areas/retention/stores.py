"""The store of a class, as config says where its archives go."""

from __future__ import annotations

from functools import cache, partial

from upkeep.areas.retention.blob_store import BlobStore
from upkeep.areas.retention.local_store import LocalStore
from upkeep.areas.retention.store import Store
from upkeep.settings.retention import Azure, Retention
from upkeep.wires.blobs import Container
from upkeep.wires.sas import sas_of, session_of_the_block


def store_of(retention: Retention, target: str, name: str) -> Store | None:
    """Where the archives of a target's class lie, None where its location is not set up."""
    one = retention.classes.get(name)
    location = retention.locations[one.location] if one else None
    if location is None:
        return None
    if location.azure is not None:
        where = location.azure
        return BlobStore(container_of(where), where.folder, f"{target}/{name}/", where.tier)
    return LocalStore(location.path / target / name) if location.path else None


def container_of(where: Azure) -> Container:
    """The container of a location, asked by its Connection's SAS, which is looked up once."""
    return Container(where.url, cache(partial(sas_of, where.connection)), session=session_of_the_block(where.url))
