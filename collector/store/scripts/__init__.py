"""The store's scripts: Lua beside this file, called by hash, loaded when the server does not know them.

A script changes state and counters in one step. All keys of a call belong to one shard.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis.asyncio as redis
from redis.exceptions import NoScriptError

from collector.store.connection import command

_FOLDER = Path(__file__).parent


class Script:
    """One script, made of one or more files that are read as one text."""

    def __init__(self, *files: str) -> None:
        self.text = "\n".join((_FOLDER / file).read_text(encoding="utf-8") for file in files)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: redis.Redis, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
        """Run it; keys and arguments are bytes or str."""
        try:
            return await command(client, "EVALSHA", self.sha, str(len(keys)), *keys, *arguments)
        except NoScriptError:  # a restarted server: nothing has run, so calling again is no repetition
            return await command(client, "EVAL", self.text, str(len(keys)), *keys, *arguments)


APPEND = Script("ledger.lua", "append.lua")
RECORD = Script("ledger.lua", "record.lua")
SETTLE = Script("settle.lua")
DUE = Script("due.lua")
BALANCE = Script("balance.lua")
COUNT = Script("count.lua")
COUNT_DAY = Script("count_day.lua")
RECIPIENTS = Script("recipients.lua")
RESTORED = Script("restored.lua")
