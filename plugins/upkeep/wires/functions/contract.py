"""What the monitoring functions are asked and what they answer, as text: pure, no I/O.

A ``time_window`` such as "24h" is relative to now, so actions that can answer about the past also get ``start``
and ``end`` and must echo them (X6). An answer is usable or it is a ContractError that says why (X3); its text may
quote the answer, with control characters made visible and keys taken out (X2).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from pydantic import ValidationError

from upkeep.wires.functions import database_models, models
from upkeep.wires.functions.models import HEALTH, BaseAnswer, FunctionAction, actions

__all__ = [
    "FUNCTIONS",
    "BaseAnswer",
    "ContractError",
    "FunctionAction",
    "Period",
    "echoed",
    "json_object",
    "metric",
    "parse_answer",
    "quoted",
    "request_body",
    "time_window",
]

Period = tuple[datetime, datetime]
SHOWN = 80  # characters of a foreign text that a message quotes
_KEY = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|sb_(?:secret|publishable)_[\w-]+")


class ContractError(ValueError):
    """A request we must not send or an answer we cannot use; says what was found and what was expected."""


FUNCTIONS: Mapping[str, Mapping[str, FunctionAction]] = {
    **models.FUNCTIONS,
    **database_models.FUNCTIONS,
    **{function: actions(HEALTH) for function in ("trust-scorer", "vibe-analyzer", "agent-recommender")},
}


def request_body(function: str, action: str, *, period: Period | None, **arguments: Any) -> str:
    """The JSON text of one call. ``time_window`` follows from the period's length, rounded up to whole hours.

    An action that looks at now only is not told the period. No period means up to now, by default "24h". Raises
    ContractError for an unknown function or action, an argument the request has not, or a ``time_window`` beside a
    period that decides it (X6).
    """
    model = _action(function, action).request
    fields = model.model_fields
    for name in arguments:
        if name not in fields or name in ("action", "start", "end"):
            allowed = sorted(set(fields) - {"action", "start", "end"})
            raise ContractError(f"{function} {action}: found the argument {name!r}, expected one of {allowed}")
    content: dict[str, Any] = {"action": action, **arguments}
    if period is None:
        if "time_window" in fields:
            content.setdefault("time_window", "24h")
    else:
        start, end = (_utc(moment) for moment in period)
        if start >= end:
            raise ContractError(f"{function} {action}: found a period from {start} to {end}, expected start before end")
        if "time_window" in arguments:
            raise ContractError(f"{function} {action}: found time_window beside a period, expected one of the two")
        if "time_window" in fields:
            content["time_window"] = time_window(start, end)
        if "start" in fields:
            content |= {"start": _iso(start), "end": _iso(end)}
    try:
        model.model_validate(content)
    except ValidationError as error:
        raise ContractError(f"{function} {action}: request: {_problems(error)}") from None
    return json.dumps(content, allow_nan=False)


def time_window(start: datetime, end: datetime) -> str:
    """The length as the guide writes it, "24h" and "7d"; any other in hours, rounded up: four weeks are "672h"."""
    length = end - start
    return "7d" if length == timedelta(days=7) else f"{math.ceil(length / timedelta(hours=1))}h"


def parse_answer(function: str, action: str, body: bytes | str) -> BaseAnswer:
    """The typed answer. Raises ContractError for anything but a success with the fields that we judge (X3)."""
    model = _action(function, action).answer
    where = f"{function} {action}"
    try:
        content = json_object(body)
        refusal = _refusal(content)
        if refusal is not None:
            raise ContractError(f"the function reports an error: {refusal}")
        return model.model_validate_json(json.dumps(content))
    except ContractError as error:
        raise ContractError(f"{where}: {error}") from None
    except ValidationError as error:
        raise ContractError(f"{where}: {_problems(error)}") from None


def json_object(body: bytes | str) -> dict[str, Any]:
    """The JSON object in a body. Raises ContractError; NaN and Infinity, which ``json`` accepts, are refused."""
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
    except UnicodeDecodeError as error:
        raise ContractError(f"found bytes that are not UTF-8 at {error.start}, expected a JSON object") from None
    if not text.strip():
        raise ContractError("found an empty answer, expected a JSON object")
    try:
        content = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ContractError(f"found {_not_json(text, error)}, expected a JSON object: {quoted(text)}") from None
    except ContractError:
        raise
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, lists without end
        raise ContractError(
            f"found JSON that cannot be read ({error}), expected a JSON object: {quoted(text)}"
        ) from None
    if not isinstance(content, dict):
        raise ContractError(f"found {_kind(content)}, expected a JSON object: {quoted(text)}")
    return content


def echoed(answer: BaseAnswer, period: Period) -> bool:
    """Whether the answer says that it is about exactly this period, to the millisecond that JavaScript keeps."""
    echo = getattr(answer.result, "period", None)
    if not isinstance(echo, models.PeriodEcho):
        return False
    pairs = zip((echo.start, echo.end), period, strict=True)
    return all(abs(told - _utc(asked)) < timedelta(milliseconds=1) for told, asked in pairs)


def metric(answer_json: Mapping[str, Any], path: str) -> float:
    """The number at a dotted path such as ``result.metrics.response_time_ms`` (X5); bounds are judged elsewhere.

    Raises ContractError naming the path when there is nothing, null, or anything but a finite number.
    """
    value: Any = answer_json
    done: list[str] = []
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            inside = quoted(sorted(map(str, value))[:10], 200) if isinstance(value, Mapping) else _kind(value)
            raise ContractError(f"{path}: found nothing ({'.'.join(done) or 'answer'} is {inside}), expected a number")
        value, done = value[part], [*done, part]
    if value is None:
        raise ContractError(f"{path}: found null, which means not measurable, expected a number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractError(f"{path}: found {_kind(value)} {quoted(value)}, expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ContractError(f"{path}: found {quoted(value)}, expected a finite number")
    return number


def quoted(value: object, length: int = SHOWN) -> str:
    """The start of a foreign text for a message: keys taken out, control characters made visible."""
    text = _KEY.sub("[key]", value if isinstance(value, str) else repr(value))
    cut = text if len(text) <= length else text[:length] + "…"
    return repr(cut) if isinstance(value, str) else cut


def _action(function: str, action: str) -> FunctionAction:
    try:
        known = FUNCTIONS[function]
    except KeyError:
        raise ContractError(f"found no function {function!r}, expected one of {sorted(FUNCTIONS)}") from None
    try:
        return known[action]
    except KeyError:
        raise ContractError(f"{function}: found no action {action!r}, expected one of {sorted(known)}") from None


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ContractError(f"found the time {moment} without a time zone, expected one in UTC")
    return moment.astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _refusal(content: Mapping[str, Any]) -> str | None:
    """What the function says went wrong, None when it says that it succeeded or says nothing of the kind."""
    error = content.get("error") or None
    bare = "success" not in content and "result" not in content and content.get("message")  # the gateway's own shape
    if content.get("success") is not False and error is None and not bare:
        return None
    said = error if error is not None else content.get("message")
    if isinstance(said, Mapping):
        said = said.get("message") or said
    code = content.get("code")
    return (f"{quoted(code)}: " if code else "") + (quoted(said, 300) if said else "success is false, and no message")


def _refuse_number(literal: str) -> NoReturn:
    raise ContractError(f"found {literal}, which is no JSON number, expected a finite number or null")


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ContractError(f"found {quoted(literal)}, a number beyond all range, expected a finite one")
    return number


def _not_json(text: str, error: json.JSONDecodeError) -> str:
    if text.lstrip().startswith("<"):
        return "HTML or XML"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"JSON that breaks off after {len(text)} characters"
    return f"text that is not JSON ({error.msg} at character {error.pos})"


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "the text",
    bool: "the boolean",
    int: "the number",
    float: "the number",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null")


def _problems(error: ValidationError) -> str:
    """Each field at fault: its path, what was found, what was expected; the first five."""
    problems = error.errors(include_url=False)
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "; ".join(_problem(problem) for problem in problems[:5]) + more


def _problem(problem: Any) -> str:
    path = quoted(".".join(str(part) for part in problem["loc"]) or "answer")[1:-1]
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    match problem["type"]:
        case "missing":
            return f"{path}: found nothing, expected this field"
        case "value_error":
            return f"{path}: {message}"
        case _:
            value = problem["input"]
            found = "null" if value is None else f"{_kind(value)} {quoted(value)}"
            return f"{path}: found {found}, {message}"
