"""How a task comes to the credential of a store of archives: by its Connection, and only while it looks."""

from __future__ import annotations

import json
import logging
import threading
import warnings
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from upkeep.core.windows import When
from upkeep.ledger.write import LookResult
from upkeep.wires.blob_answers import BlobError, Refused
from upkeep.wires.blobs import Container
from upkeep.wires.sas import sas_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.connections import archive_sas
    from upkeep.flow.step import Step

SAS = "sv=2021-12-02&sp=rcl&sig=abc%3D"


class Looking(Step):
    """A step without a ledger."""

    source = "nothing"

    def may_run(self, *_: Any) -> None:
        """It may."""

    def _record(self, *_: Any) -> None:
        """Nowhere."""


def test_a_step_asks_stores_by_connections_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of type wasb, a URL's beginning left out; before and after the look there is no way to ask."""
    run = {
        "dag_id": "maintenance_weekly",
        "run_id": "manual__1",
        "run_type": "manual",
        "logical_date": None,
        "conf": {},
    }
    context: Any = {
        "dag_run": SimpleNamespace(run_after=datetime.now(UTC), **run),
        "params": {"groups": [], "dry_run": False, "when": When.NEXT.value},
        "ti": SimpleNamespace(try_number=1),
    }
    value = {"conn_type": "wasb", "extra": {"sas_token": f"https://a.blob.core.windows.net/logs?{SAS}"}}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", json.dumps(value))
    given: list[str] = []

    def look(_: object) -> LookResult:
        given.append(sas_of("upkeep_archive"))
        with pytest.raises(Refused, match="'other': found none in the environment"):
            sas_of("other")
        return LookResult(())

    Looking(task_id="look", guide="G67", target="primary", cadence="weekly").carry_out(context, look)
    assert given == [SAS]
    with pytest.raises(Refused, match="found no way to ask for it"):
        sas_of("upkeep_archive")


def test_no_log_says_a_signature(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG urllib3 says each request's URL; Airflow masks the signature however it is spelled."""
    masked: list[Any] = []
    monkeypatch.setattr("airflow.sdk.log.mask_secret", masked.append)
    value = {"conn_type": "wasb", "extra": {"sas_token": "sp=rcl&sig=a%2bb%3d"}}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", json.dumps(value))
    sas = archive_sas("upkeep_archive")
    assert {sas, "a%2bb%3d", "a+b=", "a%2Bb%3D"} <= {one for one in masked if isinstance(one, str)}
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with caplog.at_level(logging.DEBUG), pytest.raises(BlobError):
            Container(f"http://127.0.0.1:{server.server_address[1]}/logs", lambda: sas).head("one")
        thread.join()
    said = [one.getMessage() for one in caplog.records if one.name.startswith("urllib3.")]
    assert any("/logs/one?sp=rcl&sig=***" in one for one in said)
    assert not any(spelled in one for one in said for spelled in ("a%2bb%3d", "a+b=", "a%2Bb%3D"))
