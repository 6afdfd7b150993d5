"""The key that the tests sign a ledger's rows with, and a configuration that pins it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upkeep.gate.signatures import chain
from upkeep.gate.signatures.keys import Signer, public_of
from upkeep.settings.base import ROOT
from upkeep.settings.maintenance import Maintenance
from upkeep.settings.signing import Signing, SigningKey
from upkeep.wires import queries
from upkeep.wires.database import Session

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"the key of the tests of Upkeep 1")
SECRET = base64.b64encode(PRIVATE.private_bytes_raw()).decode()
CONNECTION = json.dumps({"conn_type": "generic", "password": SECRET})
SIGNER = Signer("tests", PRIVATE)
SIGNING = Signing(keys={"tests": SigningKey(public=public_of(PRIVATE))})


def pinned(config: Maintenance, signing: Signing = SIGNING) -> Maintenance:
    """The config with the tests' key pinned."""
    return config.model_copy(update={"ledger": config.ledger.model_copy(update={"signing": signing})})


def config_folder(folder: Path) -> Path:
    """The shipped configuration with the tests' key pinned, in a folder's `config`."""
    copied = Path(shutil.copytree(ROOT / "config", folder / "config"))
    file = copied / "maintenance.yaml"
    keys = f'keys: {{tests: {{public: "{public_of(PRIVATE)}"}}}}'
    text = file.read_text()
    assert text.count("keys: {}") == 1
    file.write_text(text.replace("keys: {}", keys))
    return copied


def sign_again(dsn: str) -> None:
    """Sign every row that is left as it is now: what somebody could do who has the ledger and the key as well.

    Signatures of rows that are gone go too. A test of what lies behind the signatures begins with this.
    """
    with psycopg.connect(dsn) as connection:
        session = Session(connection)
        lines = session.rows(queries.load("gate/signatures/entries_from"), {"first": 0})
        session.rows("DELETE FROM upkeep.signatures")
        kept, follows = [line for line in lines if line["content"] is not None], ""
        for entry, line in enumerate(kept, 1):
            sealed = json.loads(line["sealed"]) | {"entry": entry, "key_id": SIGNER.key_id}
            said = chain._message(line["ledger"], line["place"], json.dumps(sealed), follows, line["content"])
            follows = SIGNER.sign(said)
            session.rows(queries.load("gate/signatures/add_signature"), sealed | {"signature": follows})
