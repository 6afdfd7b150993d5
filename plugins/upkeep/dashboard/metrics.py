"""``/upkeep/metrics``: what the ledger says, for those who have Prometheus already.

Prometheus has no login of Airflow's, so it shows a token of its own. Labels are names from config and words of ours,
never a finding's key: the number of series does not grow with what goes wrong.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from upkeep.areas.calendar.due import State
from upkeep.core.findings import Level
from upkeep.settings.base import METRICS, ConfigError
from upkeep.settings.load import Settings
from upkeep.wires.database import Row

#: A shorter token can be guessed.
LEAST_TOKEN = 20
#: Returns the token. Raises ConfigError where there is none.
Token = Callable[[], str]


def no_token() -> str:
    """What a scraper must show where nothing says so."""
    raise ConfigError("found no token (config: prometheus.connection), expected one")


class Rows(Protocol):
    """Runs a statement of ``include/sql`` in the ledger."""

    def __call__(self, statement: str, **parameters: object) -> list[Row]: ...


def metrics_routes(rows: Rows, token: Token, config: Settings) -> APIRouter:
    """The route of the metrics, read from the ledger at each request."""
    router = APIRouter()

    @router.get("/metrics")
    def metrics(request: Request) -> Response:
        if refused := _refused(request.headers.get("Authorization", ""), token):
            return refused
        registry = CollectorRegistry()
        registry.register(_Ledger(rows, config, datetime.now(UTC)))
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encoder(registry), headers={"Content-Type": content_type})

    return router


def _refused(authorization: str, token: Token) -> Response | None:
    """Why a scraper gets nothing: 503 where no token is set, 401 for any but the one that is."""
    try:
        expected = token()
        if len(expected) < LEAST_TOKEN:
            raise ConfigError(
                f"the metrics' token (config: prometheus.connection): found {len(expected)} characters as password, "
                f"expected at least {LEAST_TOKEN}"
            )
    except ConfigError as error:
        return PlainTextResponse(f"There are no metrics here: {error}\n", 503)
    scheme, _, given = authorization.partition(" ")
    # Starlette reads headers as Latin-1: so encoded they are the bytes that came.
    same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), expected.encode())
    if scheme.lower() == "bearer" and same:
        return None
    headers = {"WWW-Authenticate": 'Bearer realm="upkeep metrics"'}
    return PlainTextResponse("Expected the header Authorization: Bearer <the metrics' token>\n", 401, headers=headers)


class _Ledger(Collector):
    """The ledger as gauges. Every state and every level is there, also with 0: a missing series alarms nobody."""

    def __init__(self, rows: Rows, config: Settings, now: datetime) -> None:
        self._rows, self._config, self._now = rows, config, now

    def collect(self) -> Iterator[Metric]:
        yield self._windows()
        yield self._last_success()
        yield self._last_drill()
        yield self._findings()
        yield from self._metrics()
        yield self._outbox()
        yield from self._watch()

    def _all(self, statement: str, **parameters: object) -> list[Row]:
        return self._rows(statement, targets=list(self._config.targets), **parameters)

    def _windows(self) -> Metric:
        found = {(row["target"], row["cadence"], row["state"]): row["windows"] for row in self._all("calendar/states")}
        family = GaugeMetricFamily(
            "upkeep_windows", "Windows of the calendar by what became of them", labels=["target", "cadence", "state"]
        )
        for target in self._config.targets:
            for cadence in self._config.maintenance.cadences(target):
                for state in State:
                    family.add_metric([target, cadence, state], found.get((target, cadence, state), 0))
        return family

    def _last_success(self) -> Metric:
        family = GaugeMetricFamily(
            "upkeep_seconds_since_last_success",
            "Seconds since the last window that was carried out was due; no series before the first",
            labels=["target", "cadence"],
        )
        for row in self._all("calendar/last_success"):
            family.add_metric([row["target"], row["cadence"]], (self._now - row["due"]).total_seconds())
        return family

    def _last_drill(self) -> Metric:
        family = GaugeMetricFamily(
            "upkeep_seconds_since_last_proven_drill",
            "Seconds since a drill proved the newest backup: nothing critical or unknown; no series before the first",
            labels=["target"],
        )
        for row in self._all("backups/last_proven"):
            family.add_metric([row["target"]], (self._now - row["at"]).total_seconds())
        return family

    def _findings(self) -> Metric:
        family = GaugeMetricFamily(
            "upkeep_report_findings",
            "Findings of the newest report by level; no series before the first",
            labels=["target", "cadence", "level"],
        )
        for row in self._all("ledger/newest_counts"):
            family.add_metric([row["target"], row["cadence"], row["level"]], row["findings"])
        return family

    def _metrics(self) -> Iterable[Metric]:
        value = GaugeMetricFamily(
            "upkeep_metric",
            "The guide's six metrics, newest sample (percent, milliseconds)",
            labels=["target", "metric"],
        )
        age = GaugeMetricFamily("upkeep_metric_age_seconds", "How old that sample is", labels=["target", "metric"])
        level = GaugeMetricFamily(
            "upkeep_metric_level",
            "1 for the level that the sample was judged to be, by the thresholds in force; 0 for the others",
            labels=["target", "metric", "level"],
        )
        for row in self._all("ledger/newest_metrics", metrics=list(METRICS)):
            labels = [row["target"], row["metric"]]
            value.add_metric(labels, row["value"])
            age.add_metric(labels, (self._now - row["taken_at"]).total_seconds())
            for one in Level:
                level.add_metric([*labels, one], float(row["level"] == one))
        return value, age, level

    def _outbox(self) -> Metric:
        found = {(row["channel"], row["state"]): row["messages"] for row in self._rows("alerts/depth")}
        family = GaugeMetricFamily(
            "upkeep_outbox_messages",
            "Messages that wait to be sent (due), and that were given up (dead)",
            labels=["channel", "state"],
        )
        for channel in self._config.routing.channels:
            for state in ("due", "dead"):
                family.add_metric([channel, state], found.get((channel, state), 0))
        return family

    def _watch(self) -> Iterable[Metric]:
        age = GaugeMetricFamily(
            "upkeep_watch_age_seconds",
            "Seconds since the watch's newest sample of the last day; no series where there is none",
            labels=["target"],
        )
        samples = GaugeMetricFamily(
            "upkeep_watch_missing_samples", "Samples that the last hour lacks: the watch's gaps", labels=["target"]
        )
        expected = 3600 // self._config.maintenance.watch.every_seconds
        found = {row["target"]: row for row in self._all("watch/newest", now=self._now)}
        for target in self._config.targets:
            row = found.get(target)
            if row:
                age.add_metric([target], (self._now - row["taken_at"]).total_seconds())
            samples.add_metric([target], max(0, expected - (row["samples"] if row else 0)))
        return age, samples
