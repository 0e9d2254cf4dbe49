-- Made by tools/build_sql.py from the tables and views: do not edit.

CREATE TABLE attempts (
  attempt_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  session_id TEXT,
  number INTEGER DEFAULT 1 NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  hold_pico BIGINT,
  price_version TEXT,
  executor_id TEXT DEFAULT '' NOT NULL,
  category TEXT DEFAULT 'orchestration' NOT NULL,
  strategy TEXT,
  user_id TEXT,
  tags TEXT,
  key_id TEXT,
  PRIMARY KEY (attempt_id)
);

CREATE INDEX attempts_started_at ON attempts (started_at);

CREATE TABLE settlements (
  attempt_id TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT,
  status_code INTEGER,
  request_id TEXT,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cache_write_tokens BIGINT,
  cache_write_1h_tokens BIGINT,
  reasoning_tokens BIGINT,
  usage_estimated BOOLEAN DEFAULT false NOT NULL,
  cost_pico BIGINT,
  cost_source TEXT DEFAULT 'unknown' NOT NULL,
  ended_at BIGINT NOT NULL,
  first_token_us BIGINT,
  latency_us BIGINT NOT NULL,
  PRIMARY KEY (attempt_id)
);

CREATE TABLE calls (
  call_id TEXT NOT NULL,
  session_id TEXT,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  status TEXT NOT NULL,
  provider TEXT,
  model TEXT,
  requested_model TEXT,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cache_write_tokens BIGINT,
  reasoning_tokens BIGINT,
  cost_pico BIGINT,
  latency_us BIGINT NOT NULL,
  first_token_us BIGINT,
  category TEXT DEFAULT 'orchestration' NOT NULL,
  strategy TEXT,
  user_id TEXT,
  tags TEXT,
  stream BOOLEAN DEFAULT false NOT NULL,
  fallback_used BOOLEAN DEFAULT false NOT NULL,
  routing_decision TEXT,
  error TEXT,
  request_body TEXT,
  response_body TEXT,
  cache_hit BOOLEAN DEFAULT false NOT NULL,
  saved_pico BIGINT,
  features TEXT,
  PRIMARY KEY (call_id)
);

CREATE INDEX calls_provider ON calls (provider, started_at);

CREATE INDEX calls_started_at ON calls (started_at);

CREATE INDEX calls_status ON calls (status, started_at) WHERE status <> 'ok';

CREATE INDEX calls_user_id ON calls (user_id, started_at) WHERE user_id IS NOT NULL;

CREATE TABLE executors (
  executor_id TEXT NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  born TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (executor_id)
);

CREATE TABLE ai_workflows (
  workflow_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER DEFAULT 1 NOT NULL,
  definition JSONB NOT NULL,
  status TEXT DEFAULT 'draft' NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (workflow_id),
  UNIQUE (name, version)
);

CREATE TABLE ai_workflow_runs (
  run_id TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  user_id TEXT,
  status TEXT NOT NULL,
  steps JSONB NOT NULL,
  total_cost_usd NUMERIC(30, 12),
  total_latency_ms BIGINT,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (run_id)
);

CREATE INDEX ai_workflow_runs_user_id ON ai_workflow_runs (user_id, started_at);

CREATE INDEX ai_workflow_runs_workflow_id ON ai_workflow_runs (workflow_id, started_at);

CREATE TABLE ai_cache (
  request_hash TEXT NOT NULL,
  response_body JSONB NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  hit_count INTEGER DEFAULT 0 NOT NULL,
  tenant TEXT DEFAULT '' NOT NULL,
  provider TEXT,
  model TEXT,
  cost_pico BIGINT,
  last_hit_at BIGINT,
  PRIMARY KEY (request_hash)
);

CREATE INDEX ai_cache_expires_at ON ai_cache (expires_at);

CREATE TABLE budgets (
  budget_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  subject TEXT DEFAULT '' NOT NULL,
  period TEXT NOT NULL,
  zone TEXT DEFAULT 'UTC' NOT NULL,
  cap_pico BIGINT NOT NULL,
  alerts TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (budget_id),
  UNIQUE (scope, subject, period)
);

CREATE TABLE budget_windows (
  budget_id TEXT NOT NULL,
  window_key TEXT NOT NULL,
  spent_pico BIGINT DEFAULT 0 NOT NULL,
  held_pico BIGINT DEFAULT 0 NOT NULL,
  unknown_pico BIGINT DEFAULT 0 NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (budget_id, window_key)
);

CREATE TABLE budget_holds (
  attempt_id TEXT NOT NULL,
  windows TEXT NOT NULL,
  hold_pico BIGINT NOT NULL,
  unknown BOOLEAN DEFAULT false NOT NULL,
  PRIMARY KEY (attempt_id)
);

CREATE TABLE budget_alerts (
  budget_id TEXT NOT NULL,
  window_key TEXT NOT NULL,
  share INTEGER NOT NULL,
  spent_pico BIGINT NOT NULL,
  cap_pico BIGINT NOT NULL,
  reached_at BIGINT NOT NULL,
  executor_id TEXT,
  delivered_at BIGINT,
  PRIMARY KEY (budget_id, window_key, share)
);

CREATE TABLE approvals (
  ticket_id TEXT NOT NULL,
  status TEXT NOT NULL,
  digest TEXT NOT NULL,
  provider TEXT,
  model TEXT,
  expected_pico BIGINT,
  most_pico BIGINT,
  user_id TEXT,
  category TEXT DEFAULT 'orchestration' NOT NULL,
  tags TEXT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  decided_at BIGINT,
  decided_by TEXT,
  note TEXT,
  call_id TEXT,
  PRIMARY KEY (ticket_id)
);

CREATE INDEX approvals_status ON approvals (status, created_at);

CREATE TABLE feedback (
  call_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  verdict FLOAT NOT NULL,
  note TEXT,
  category TEXT,
  model TEXT,
  features TEXT,
  PRIMARY KEY (call_id)
);

CREATE INDEX feedback_at ON feedback (at);

CREATE TABLE routing_models (
  name TEXT NOT NULL,
  body BYTEA NOT NULL,
  labels INTEGER DEFAULT 0 NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE discovered_models (
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  models JSONB NOT NULL,
  found_at BIGINT NOT NULL,
  PRIMARY KEY (provider, account)
);

CREATE TABLE bulk_runs (
  run_id TEXT NOT NULL,
  name TEXT,
  state TEXT NOT NULL,
  spec JSONB NOT NULL,
  out TEXT,
  input_digest TEXT,
  cap_pico BIGINT,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  deadline_at BIGINT,
  ended_at BIGINT,
  priority INTEGER DEFAULT 5 NOT NULL,
  items BIGINT,
  rejects BIGINT,
  owner TEXT,
  owner_until BIGINT,
  decisions JSONB,
  estimate JSONB,
  error TEXT,
  user_id TEXT,
  tags TEXT,
  PRIMARY KEY (run_id)
);

CREATE INDEX bulk_runs_state ON bulk_runs (state, priority);

CREATE TABLE bulk_items (
  run_id TEXT NOT NULL,
  item_no BIGINT NOT NULL,
  task TEXT NOT NULL,
  user_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  row BYTEA NOT NULL,
  state INTEGER DEFAULT 0 NOT NULL,
  round INTEGER DEFAULT 0 NOT NULL,
  provider TEXT,
  model TEXT,
  work_id TEXT,
  result BYTEA,
  error TEXT,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cost_pico BIGINT,
  repaired BOOLEAN DEFAULT false NOT NULL,
  PRIMARY KEY (run_id, item_no)
);

CREATE INDEX bulk_items_failed ON bulk_items (run_id, item_no) WHERE state = 3;

CREATE INDEX bulk_items_waiting ON bulk_items (run_id, item_no) WHERE state = 0;

CREATE INDEX bulk_items_work ON bulk_items (work_id);

CREATE TABLE bulk_batches (
  work_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  account TEXT NOT NULL,
  lane TEXT NOT NULL,
  state TEXT NOT NULL,
  round INTEGER DEFAULT 0 NOT NULL,
  send_no INTEGER DEFAULT 0 NOT NULL,
  sending_at BIGINT,
  sending_real BIGINT,
  gate TEXT,
  proof TEXT,
  tag TEXT NOT NULL,
  prefix TEXT NOT NULL,
  past TEXT,
  path TEXT,
  size BIGINT,
  sha256 TEXT,
  file_id TEXT,
  batch_id TEXT,
  mark TEXT,
  hours INTEGER DEFAULT 24 NOT NULL,
  count BIGINT NOT NULL,
  embeds BOOLEAN DEFAULT false NOT NULL,
  max_tokens BIGINT,
  reserved BOOLEAN DEFAULT false NOT NULL,
  done BIGINT,
  failed BIGINT,
  strange BIGINT,
  provider_state TEXT,
  created_at BIGINT NOT NULL,
  sent_at BIGINT,
  next_at BIGINT,
  ended_at BIGINT,
  collected_at BIGINT,
  cancel_at BIGINT,
  cancel_why TEXT,
  expected_pico BIGINT,
  hold_pico BIGINT,
  cost_pico BIGINT,
  realtime_pico BIGINT,
  unknown BIGINT,
  unknown_pico BIGINT,
  input_tokens BIGINT,
  output_tokens BIGINT,
  owner TEXT,
  owner_until BIGINT,
  error TEXT,
  PRIMARY KEY (work_id)
);

CREATE INDEX bulk_batches_account ON bulk_batches (account, state);

CREATE UNIQUE INDEX bulk_batches_gate ON bulk_batches (gate);

CREATE INDEX bulk_batches_next ON bulk_batches (state, next_at);

CREATE INDEX bulk_batches_run ON bulk_batches (run_id, state);

CREATE TABLE bulk_jobs (
  job_id TEXT NOT NULL,
  job_type TEXT NOT NULL,
  provider TEXT NOT NULL,
  data JSONB NOT NULL,
  priority INTEGER DEFAULT 5 NOT NULL,
  state TEXT NOT NULL,
  queued_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  run_id TEXT,
  item_no BIGINT,
  result JSONB,
  error TEXT,
  PRIMARY KEY (job_id)
);

CREATE INDEX bulk_jobs_queue ON bulk_jobs (state, priority, queued_at);

CREATE INDEX bulk_jobs_run ON bulk_jobs (run_id);

CREATE TABLE bulk_nights (
  schedule TEXT NOT NULL,
  local_date TEXT NOT NULL,
  begun_at BIGINT NOT NULL,
  ended_at BIGINT,
  owner TEXT,
  owner_until BIGINT,
  jobs BIGINT,
  PRIMARY KEY (schedule, local_date)
);

CREATE TABLE bulk_upkeep (
  name TEXT NOT NULL,
  owner TEXT,
  owner_until BIGINT,
  done_real BIGINT,
  done_at BIGINT,
  told JSONB,
  PRIMARY KEY (name)
);

CREATE TABLE bulk_alerts (
  name TEXT NOT NULL,
  subject TEXT NOT NULL,
  severity TEXT NOT NULL,
  action TEXT NOT NULL,
  message TEXT NOT NULL,
  raised_at BIGINT NOT NULL,
  told_until BIGINT,
  delivered_at BIGINT,
  resolved_at BIGINT,
  PRIMARY KEY (name, subject)
);

CREATE TABLE bulk_callbacks (
  callback_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  body JSONB NOT NULL,
  tries INTEGER DEFAULT 0 NOT NULL,
  next_at BIGINT NOT NULL,
  delivered_at BIGINT,
  error TEXT,
  PRIMARY KEY (callback_id)
);

CREATE INDEX bulk_callbacks_next ON bulk_callbacks (delivered_at, next_at);

CREATE TABLE bulk_estimates (
  run_id TEXT NOT NULL,
  task TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  task_digest TEXT NOT NULL,
  items BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  expected_pico BIGINT,
  actual_items BIGINT,
  actual_input BIGINT,
  actual_output BIGINT,
  actual_pico BIGINT,
  at BIGINT NOT NULL,
  PRIMARY KEY (run_id, task, provider, model)
);

CREATE INDEX bulk_estimates_task ON bulk_estimates (task_digest, at);

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
LEFT JOIN executors AS e ON e.executor_id = a.executor_id;

CREATE VIEW ai_audit_log AS
SELECT call_id AS event_id,
  CASE status WHEN 'ok' THEN 'request_completed' WHEN 'error' THEN 'request_failed'
    ELSE 'request_cancelled' END AS event_type,
  to_timestamp(started_at / 1000000.0) AS timestamp,
  provider, model, input_tokens AS tokens_in, output_tokens AS tokens_out,
  cost_pico * 0.000000000001 AS cost_usd,
  latency_us / 1000 AS latency_ms,
  routing_decision, fallback_used, request_body, response_body, user_id,
  session_id, category, strategy, error
FROM calls;

CREATE VIEW analytics_daily AS
SELECT CAST(to_timestamp(started_at / 1000000.0) AT TIME ZONE 'UTC' AS date) AS day, provider, model, category, COUNT(*) AS attempts,
  SUM(CASE WHEN status = 'ok' THEN 0 ELSE 1 END) AS failed,
  SUM(CASE WHEN cost_pico IS NULL THEN 1 ELSE 0 END) AS unpriced,
  SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens,
  SUM(cache_read_tokens) AS cache_read_tokens,
  SUM(cost_pico) * 0.000000000001 AS cost_usd
FROM attempt_ledger
GROUP BY 1, 2, 3, 4;

CREATE TABLE llmo_schema (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT llmo_schema_pkc PRIMARY KEY (version_num)
);

INSERT INTO llmo_schema (version_num) VALUES ('0004');
