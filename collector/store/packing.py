"""How appends, entries and fates travel: the arguments of the scripts, and the fields of a stream entry.

A stream entry has one field: its name is the head, its value the sealed record. The head is the site, and for
a retried entry `site|attempt|received_ms`; before, the entry's own id says when it was received. A member of
the due-set is the head, a zero byte, the sealed record.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from collector.store import keyspace
from collector.store.entry import Append, Dead, Entry, Fate, Retry, counter
from collector.store.rows import argument, granted_text
from consent.model import Choice

Found = list[tuple[bytes, dict[bytes, bytes]]]
"""Stream entries as the client gives them; an entry deleted meanwhile has no fields."""

_MOST_GRANTED = 1024
_PARTS_OF_PAST = 2  # attempt and received_ms
_MOST_IDS = 1000  # per command in a script: Lua unpacks no more than 8000 values


class AppendPacking:
    """Turns appends into the arguments of append.lua. Shapes are remembered: a site has few of them."""

    def __init__(self, shard: int) -> None:
        self._choice_prefix = keyspace.choice_prefix(shard)
        self._shard = shard
        self._names: list[str] = []
        self._keys: list[bytes] = [
            keyspace.seen(0, shard),
            keyspace.seen(1, shard),
            keyspace.counters(shard),
            keyspace.destinations(shard),
        ]
        self._shapes: dict[tuple[str, tuple[str, ...]], str] = {}
        self._granted: dict[int, tuple[Any, str]] = {}

    def pack(self, items: Iterable[Append], dedupe_ms: int) -> tuple[list[bytes], list[Any]]:
        """Keys and arguments as append.lua describes them."""
        events: list[Any] = []
        subjects: list[bytes] = []
        texts: list[str] = []
        last: dict[bytes, str] = {}
        choice, said = None, ""
        for item in items:
            if item.sealed:
                shape = (item.site, item.destinations)
                events += (item.digest, self._shapes.get(shape) or self._learn(shape), *item.sealed)
            for row in item.rows:
                if row.choice is not choice:  # events of one visitor share theirs
                    choice, said = row.choice, self._encoded(row.choice)
                text = argument(row, said)
                if last.get(row.subject) != text:
                    last[row.subject] = text
                    subjects.append(self._choice_prefix + row.subject)
                    texts.append(text)
        lives = (keyspace.LEDGER_SECONDS, keyspace.BRIEF_LEDGER_SECONDS)
        head = (dedupe_ms, len(self._names), *self._names, len(texts), *lives)
        return [*self._keys, *subjects], [*head, *texts, *events]

    def _encoded(self, choice: Choice) -> str:
        """The text of a row. Visitors who said the same share what is granted, so its text is remembered with it."""
        granted = choice.granted
        known = self._granted.get(id(granted))
        if known is None or known[0] is not granted:
            if len(self._granted) >= _MOST_GRANTED:
                self._granted.clear()
            known = self._granted[id(granted)] = granted, granted_text(granted)
        return f"{choice.decided_ms}|{known[1]}"

    def _learn(self, shape: tuple[str, tuple[str, ...]]) -> str:
        site, names = shape
        for name in names:
            if name not in self._names:
                self._names.append(name)
                self._keys.append(keyspace.stream(name, self._shard))
        text = self._shapes[shape] = f"{site}|" + "".join(chr(33 + self._names.index(n)) for n in names)
        return text


def entry_of(destination: str, key: bytes, fields: dict[bytes, bytes]) -> Entry:
    """The entry a stream holds under `key`; what somebody else put there becomes one that cannot be opened."""
    head, sealed = next(iter(fields.items()))
    site, *past = head.decode(errors="replace").split("|")
    if len(past) == _PARTS_OF_PAST and all(part.isdecimal() for part in past):
        return Entry(destination, key, site, int(past[0]), sealed, int(past[1]))
    return Entry(destination, key, site, 0, sealed, int(key.partition(b"-")[0]))


def settle_operations(fates: Sequence[tuple[Entry, Fate]]) -> list[Any]:
    """The operations of settle.lua: entries of equal fate and site together, the others one by one."""
    together: dict[str, list[bytes]] = {}
    operations: list[Any] = []
    for entry, fate in fates:
        match fate:
            case Retry(due_ms):
                head = f"{entry.site}|{entry.attempt + 1}|{entry.received_ms}\0".encode()
                operations += ("r", entry.id, due_ms, head + entry.sealed)
            case Dead(cause):
                name = counter(fate, entry.destination, entry.site)
                operations += ("d", name, entry.id, cause, entry.site, entry.attempt)
                operations += (entry.received_ms, entry.sealed)
            case _:
                together.setdefault(counter(fate, entry.destination, entry.site), []).append(entry.id)
    for name, ids in together.items():
        for start in range(0, len(ids), _MOST_IDS):
            some = ids[start : start + _MOST_IDS]
            operations += ("c", name, len(some), *some)
    return operations
