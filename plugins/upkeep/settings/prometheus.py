"""``prometheus``: who may read ``/upkeep/metrics``."""

from __future__ import annotations

from upkeep.settings.base import ConnectionId, FrozenModel


class Prometheus(FrozenModel):
    """``connection``: type generic, its password is the token that a scraper sends; without it there are no metrics."""

    connection: ConnectionId = "upkeep_metrics"
