"""The monitoring functions as integrations: their read-only health_check, for the headers of its answer alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import requests

from upkeep.settings.maintenance import Http
from upkeep.wires.functions.contract import FUNCTIONS, request_body
from upkeep.wires.functions.transport import Call, Send, WireError, post
from upkeep.wires.net.address import Headers, Integration, ProbeKind
from upkeep.wires.net.http import Unreachable

_ACTION = "health_check"


def functions(connection_id: str, send: Send, key: str, http: Http) -> list[Integration]:
    """Each function of the contract that can be asked for its health, over one Connection."""
    once = http.model_copy(update={"attempts": 1})
    calls = {
        name: Call(name, request_body(name, _ACTION, period=None), connection_id)
        for name, actions in FUNCTIONS.items()
        if _ACTION in actions
    }
    return [
        Integration(
            f"function {name}",
            f"Function {name} (Connection {connection_id})",
            ProbeKind.CALL,
            call=partial(_headers, call, send, key, once),
            secrets=(key,),
        )
        for name, call in calls.items()
    ]


def _headers(call: Call, send: Send, key: str, http: Http) -> Headers:
    """The headers of one answer. Raises Unreachable when there is none that can be used."""
    heard: list[tuple[str, str]] = []

    def kept(*args: Any, **kwargs: Any) -> requests.Response:
        response = send(*args, **kwargs)
        heard.extend(response.headers.items())
        return response

    try:
        post(kept, call, key, http)
    except WireError as error:
        raise Unreachable(str(error)) from None
    return tuple(heard)
