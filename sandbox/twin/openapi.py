"""``python -m sandbox.twin.openapi > docs/functions.openapi.json``: the published contract of the functions."""

from __future__ import annotations

import json

from sandbox.twin.app import Setup, create_app
from sandbox.twin.keys import Keys


def document() -> str:
    """The OpenAPI document as text, the same at every run; nothing is started or reached."""
    app = create_app(Setup(dsn="", keys=Keys(jwt_secret="", secret_key="")))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(document(), end="")
