"""Constant SQL. Made by tools/build_sql.py from tables.py and views.py: do not edit."""
# ruff: noqa: E501

HEAD = "0004"

INSERT = """\
WITH input AS (SELECT CAST(%s AS json) AS d),
first AS (
INSERT INTO attempts (attempt_id, call_id, session_id, number, provider, model, started_at, hold_pico, price_version, executor_id, category, strategy, user_id, tags, key_id)
SELECT attempt_id, call_id, session_id, COALESCE(number, 1), provider, model, started_at, hold_pico, price_version, COALESCE(executor_id, ''), COALESCE(category, 'orchestration'), strategy, user_id, tags, key_id
FROM input, json_to_recordset(d -> 'attempts') AS r(attempt_id TEXT, call_id TEXT, session_id TEXT, number INTEGER, provider TEXT, model TEXT, started_at BIGINT, hold_pico BIGINT, price_version TEXT, executor_id TEXT, category TEXT, strategy TEXT, user_id TEXT, tags TEXT, key_id TEXT) ON CONFLICT DO NOTHING),
second AS (
INSERT INTO settlements (attempt_id, status, error, status_code, request_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, usage_estimated, cost_pico, cost_source, ended_at, first_token_us, latency_us)
SELECT attempt_id, status, error, status_code, request_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, COALESCE(usage_estimated, false), cost_pico, COALESCE(cost_source, 'unknown'), ended_at, first_token_us, latency_us
FROM input, json_to_recordset(d -> 'settlements') AS r(attempt_id TEXT, status TEXT, error TEXT, status_code INTEGER, request_id TEXT, input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT, cache_write_1h_tokens BIGINT, reasoning_tokens BIGINT, usage_estimated BOOLEAN, cost_pico BIGINT, cost_source TEXT, ended_at BIGINT, first_token_us BIGINT, latency_us BIGINT) ON CONFLICT DO NOTHING)
INSERT INTO calls (call_id, session_id, started_at, ended_at, status, provider, model, requested_model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_pico, latency_us, first_token_us, category, strategy, user_id, tags, stream, fallback_used, routing_decision, error, request_body, response_body, cache_hit, saved_pico, features)
SELECT call_id, session_id, started_at, ended_at, status, provider, model, requested_model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_pico, latency_us, first_token_us, COALESCE(category, 'orchestration'), strategy, user_id, tags, COALESCE(stream, false), COALESCE(fallback_used, false), routing_decision, error, request_body, response_body, COALESCE(cache_hit, false), saved_pico, features
FROM input, json_to_recordset(d -> 'calls') AS r(call_id TEXT, session_id TEXT, started_at BIGINT, ended_at BIGINT, status TEXT, provider TEXT, model TEXT, requested_model TEXT, input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT, reasoning_tokens BIGINT, cost_pico BIGINT, latency_us BIGINT, first_token_us BIGINT, category TEXT, strategy TEXT, user_id TEXT, tags TEXT, stream BOOLEAN, fallback_used BOOLEAN, routing_decision TEXT, error TEXT, request_body TEXT, response_body TEXT, cache_hit BOOLEAN, saved_pico BIGINT, features TEXT) ON CONFLICT DO NOTHING"""
"""All rows of a group, from one JSON object, in one round trip."""
