"""`sluis keys`: what is in the key ring."""

from datetime import UTC, datetime

import orjson
import typer
from rich.console import Console as Terminal
from rich.table import Table

from collector.options import Config, Json, stop
from collector.settings import load
from collector.store.keyring import KeyRing, KeyRingError, Master

keys = typer.Typer(help="The key ring: roots of days and of pseudonym periods.", no_args_is_help=True)


@keys.callback()
def _keys() -> None:
    """Keys are made and destroyed by the janitor."""


@keys.command("list")
def list_keys(config: Config = None, json: Json = False) -> None:
    """List every root: id, state, when it was made, fingerprint. No key material is shown."""
    settings = load(config)
    try:
        found = KeyRing.open(settings.keys.dir, Master.load(settings.keys)).list(datetime.now(UTC))
    except KeyRingError as error:
        stop(str(error))
    rows = [
        {
            "id": key.id,
            "kind": key.kind,
            "state": key.state,
            "created": key.created,
            "fingerprint": key.fingerprint,
        }
        for key in found
    ]
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    table = Table("Key", "State", "Created", "Fingerprint", box=None)
    for row in rows:
        table.add_row(str(row["id"]), str(row["state"]), str(row["created"]), str(row["fingerprint"]))
    Terminal().print(table)
