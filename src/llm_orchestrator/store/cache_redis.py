"""Answers kept in Redis, which forgets them by itself when their time has run out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import redis

from llm_orchestrator.store.cache_rows import CacheRow, CacheTotals, Found
from llm_orchestrator.store.urls import redact_url

_PREFIX = "llmo:cache:"
_FIELDS = ("body", "created_at", "expires_at")
_FACTS = ("size", "hits", "cost_pico", "created_at", "tenant")
_SCAN = 500
# A hit on an answer that has gone by now must not make a key that never ends.
_HIT = """\
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    redis.call('HINCRBY', key, 'hits', ARGV[i + 1])
    redis.call('HSET', key, 'last_hit_at', ARGV[1])
  end
end"""


class RedisShelf:
    """One client, used by one thread."""

    data_errors: tuple[type[Exception], ...] = (redis.DataError,)

    def __init__(self, url: str, timeout_s: float = 2.0) -> None:
        self._url = url
        # Made, not connected: that happens with the first command.
        self._client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            client_name="llm-orchestrator",
        )
        self._count = self._client.register_script(_HIT)

    @property
    def shown(self) -> str:
        """The address, without its password."""
        return redact_url(self._url)

    def reason(self, error: Exception) -> str:
        """What went wrong in one line, without the password."""
        text = " ".join(str(error).split()) or type(error).__name__
        password = urlsplit(self._url).password
        return text.replace(unquote(password), "***") if password else text

    def find(self, keys: Sequence[str], now_us: int) -> Mapping[str, Found]:
        """Those of the keys that are there and have not run out."""
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.hmget(_PREFIX + key, _FIELDS)
        found: dict[str, Found] = {}
        for key, (body, created_at, expires_at) in zip(keys, pipe.execute(), strict=True):
            if body is not None and int(expires_at) > now_us:
                found[key] = Found(body, int(created_at), int(expires_at))
        return found

    def put(self, rows: Sequence[CacheRow]) -> None:
        """Keep answers, in place of older ones with the same key; counts begin anew."""
        pipe = self._client.pipeline(transaction=True)
        for row in rows:
            name = _PREFIX + row.key
            pipe.hset(name, mapping=_fields(row))
            pipe.pexpireat(name, row.expires_at // 1000 + 1)
        pipe.execute()

    def hit(self, hits: Mapping[str, int], now_us: int) -> None:
        """Count how often answers were given again."""
        self._count(keys=[_PREFIX + key for key in hits], args=[now_us, *hits.values()])

    def sweep(self, now_us: int, most: int) -> int:  # noqa: ARG002 - Redis does it by itself
        """Nothing: Redis removes what has run out."""
        return 0

    def clear(self, *, before_us: int | None = None, tenant: str | None = None) -> int:
        """Remove all, or those made before a time, or of one tenant."""
        removed = 0
        for names, facts in self._facts():
            doomed = [
                name
                for name, (_, _, _, created_at, owner) in zip(names, facts, strict=True)
                if (before_us is None or int(created_at or 0) < before_us)
                and (tenant is None or (owner or b"").decode() == tenant)
            ]
            if doomed:
                gone: Any = self._client.unlink(*doomed)
                removed += int(gone)
        return removed

    def totals(self, now_us: int) -> CacheTotals:  # noqa: ARG002 - what has run out is gone
        """What lies in it; all keys are looked at."""
        totals = CacheTotals()
        tenants: set[bytes] = set()
        for _, facts in self._facts():
            for size, hits, cost_pico, created_at, tenant in facts:
                if created_at is None:
                    continue  # it has gone in the meantime
                count, time = int(hits or 0), int(created_at)
                totals.add(
                    CacheTotals(
                        entries=1,
                        bytes=int(size),
                        hits=count,
                        saved_pico=count * int(cost_pico or 0),
                        oldest=time,
                        newest=time,
                    )
                )
                tenants.add(tenant)
        totals.tenants = len(tenants)
        return totals

    def _facts(self) -> Iterator[tuple[list[Any], list[Any]]]:
        """All keys, some at a time, and what `_FACTS` names of each."""
        cursor: Any = 0
        seen: set[Any] = set()
        while True:
            answer: Any = self._client.scan(cursor, match=f"{_PREFIX}*", count=_SCAN)
            cursor, names = answer
            fresh = [name for name in dict.fromkeys(names) if name not in seen]
            seen.update(fresh)
            if fresh:
                pipe = self._client.pipeline(transaction=False)
                for name in fresh:
                    pipe.hmget(name, _FACTS)
                yield fresh, pipe.execute()
            if not int(cursor):
                return

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


def _fields(row: CacheRow) -> dict[Any, Any]:
    fields: dict[Any, Any] = {
        "body": row.body,
        "size": len(row.body),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "tenant": row.tenant,
        "hits": 0,
    }
    for name in ("provider", "model", "cost_pico"):
        value = getattr(row, name)
        fields[name] = "" if value is None else value
    return fields
