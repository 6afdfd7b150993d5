"""What a form sends: read within bounds, and only from a page of ours that this very person was shown.

The login is a cookie, so another site could have a browser send a form. It cannot make the browser say that the form
comes from here (Sec-Fetch-Site, or Origin where that is missing), and cannot read the token that each form carries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.exceptions import HTTPException

from upkeep.core.units import brief
from upkeep.ledger.write import clean

#: A form that lay open longer must be opened again.
VALID = timedelta(hours=12)
#: Bytes of a form, and characters of a reason.
MOST_BYTES, MOST_WHY = 40_000, 200
#: Fields of a form: a tick for each action of the longest plan, and a few.
MOST_FIELDS = 250
Secret = Callable[[], str]


class FormTokens:
    """Tokens that say to whom a form was shown."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._secret(), salt="upkeep.dashboard.forms")

    def give(self, user_id: str) -> str:
        """A token for the forms of a page that this person is shown."""
        return str(self._signer().dumps(user_id))

    def require(self, token: str, user_id: str) -> None:
        """Raises HTTPException 403 unless this person was shown the form, within ``VALID``."""
        try:
            found = self._signer().loads(token, max_age=int(VALID.total_seconds()))
        except BadSignature:
            found = None
        if found != user_id:
            raise HTTPException(403, "Nothing was changed: this form was not shown to you, or long ago. Open it again")


async def sent(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours. Raises as ``ticked`` does."""
    return {name: values[-1] for name, values in (await ticked(request)).items()}


async def ticked(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form of ours, each with all that was ticked.

    Raises HTTPException 403 for one of another site, 400 or 413 for what is none.
    """
    if not _from_here(request):
        raise HTTPException(403, "Nothing was changed: the form does not come from this site")
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(400, "Nothing was changed: expected a form")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"Nothing was changed: found more than {MOST_BYTES:,} bytes in a form")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "Nothing was changed: expected a form of text") from None


def _from_here(request: Request) -> bool:
    """What every browser says of itself; who says nothing of it is no browser that we know."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("Host")
    return site is not None


def remark(text: str) -> str:
    """What somebody wrote in one line, as it is kept."""
    return str(clean(brief(text, MOST_WHY)))


def reason(fields: Mapping[str, str]) -> str:
    """Why somebody does it, as it is kept. Raises HTTPException 400 where nothing is said."""
    why = remark(fields.get("why", ""))
    if not why.strip():
        raise HTTPException(400, "Nothing was changed: found no reason, expected one in a few words")
    return why
