-- What metrics ask beside what health does. Sums over runs and rollups: none goes through the rows
-- of processors.

-- name: runs
SELECT processor_name, outcome, count(*), sum(seconds), sum(processed)::BIGINT,
       sum(errors)::BIGINT, sum(items_extracted)::BIGINT
  FROM runs
 GROUP BY processor_name, outcome
 ORDER BY processor_name, outcome;

-- name: has_usage
SELECT count(*) FROM duckdb_tables() WHERE table_name = 'usage_rollup';

-- name: usage
-- DOUBLE, as Prometheus has it.
SELECT coalesce(sum(COLUMNS('^(\w*responses|\w+_tokens|tool_calls|mcp_calls|\w+_invocations|\w+_runs|\w+_commands|prompts|cost_usd)$'))::DOUBLE, 0) AS '\0'
  FROM usage_rollup;
