"""The views, as text per database: they differ in how they write times and decimals."""

# An attempt without an outcome is open while its writer lives; after that its cost is unknown,
# bounded by its hold. It is never 0.
_ATTEMPT_LEDGER = """\
CREATE VIEW attempt_ledger AS
SELECT a.attempt_id, a.call_id, a.session_id, a.number, a.provider, a.model, a.started_at,
  a.hold_pico, a.price_version, a.executor_id, a.category, a.strategy, a.user_id, a.tags,
  COALESCE(s.status, CASE WHEN e.executor_id IS NOT NULL AND e.ended_at IS NULL
    THEN 'open' ELSE 'unknown' END) AS status,
  COALESCE(s.cost_source, 'unknown') AS cost_source,
  s.error, s.status_code, s.request_id, s.input_tokens, s.output_tokens, s.cache_read_tokens,
  s.cache_write_tokens, s.cache_write_1h_tokens, s.reasoning_tokens, s.usage_estimated,
  s.cost_pico, s.ended_at, s.first_token_us, s.latency_us
FROM attempts AS a
LEFT JOIN settlements AS s ON s.attempt_id = a.attempt_id
LEFT JOIN executors AS e ON e.executor_id = a.executor_id"""

_AUDIT_LOG = """\
CREATE VIEW ai_audit_log AS
SELECT call_id AS event_id,
  CASE status WHEN 'ok' THEN 'request_completed' WHEN 'error' THEN 'request_failed'
    ELSE 'request_cancelled' END AS event_type,
  {timestamp} AS timestamp,
  provider, model, input_tokens AS tokens_in, output_tokens AS tokens_out,
  {cost_usd} AS cost_usd,
  latency_us / 1000 AS latency_ms,
  routing_decision, fallback_used, request_body, response_body, user_id,
  session_id, category, strategy, error
FROM calls"""

_ANALYTICS = """\
CREATE VIEW analytics_daily AS
SELECT {day} AS day, provider, model, category, COUNT(*) AS attempts,
  SUM(CASE WHEN status = 'ok' THEN 0 ELSE 1 END) AS failed,
  SUM(CASE WHEN cost_pico IS NULL THEN 1 ELSE 0 END) AS unpriced,
  SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens,
  SUM(cache_read_tokens) AS cache_read_tokens,
  {cost_usd} AS cost_usd
FROM attempt_ledger
GROUP BY 1, 2, 3, 4"""

# SQLite has no decimals and its SUM overflows at 2**63: millionths of a dollar and the rest are
# summed apart. (A millionth of a dollar is 10**6 of our units.)
_REST = "SUM(cost_pico % 1000000)"
_MICRO = f"(SUM(cost_pico / 1000000) + {_REST} / 1000000)"

VIEWS: dict[str, tuple[str, ...]] = {
    "sqlite": (
        _ATTEMPT_LEDGER,
        _AUDIT_LOG.format(
            timestamp="strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000000.0, 'unixepoch')",
            cost_usd=(
                "CASE WHEN cost_pico IS NULL THEN NULL ELSE "
                "printf('%d.%012d', cost_pico / 1000000000000, cost_pico % 1000000000000) END"
            ),
        ),
        _ANALYTICS.format(
            day="date(started_at / 1000000, 'unixepoch')",
            cost_usd=(
                "CASE WHEN COUNT(cost_pico) = 0 THEN NULL ELSE "
                f"printf('%d.%06d%06d', {_MICRO} / 1000000, {_MICRO} % 1000000, "
                f"{_REST} % 1000000) END"
            ),
        ),
    ),
    "postgres": (
        _ATTEMPT_LEDGER,
        _AUDIT_LOG.format(
            timestamp="to_timestamp(started_at / 1000000.0)",
            cost_usd="cost_pico * 0.000000000001",
        ),
        _ANALYTICS.format(
            day="CAST(to_timestamp(started_at / 1000000.0) AT TIME ZONE 'UTC' AS date)",
            cost_usd="SUM(cost_pico) * 0.000000000001",
        ),
    ),
}
"""`attempt_ledger`, `ai_audit_log` (the classic names) and `analytics_daily` (by day of UTC)."""
