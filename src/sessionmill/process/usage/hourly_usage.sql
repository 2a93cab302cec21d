-- Usage by UTC hour: sums of what is counted. Days, weeks and months of any time zone whose offset
-- is whole hours are sums of these.
SELECT date_trunc('hour', quarter) AS hour,
       username, project, agent, model,
       count(DISTINCT session_id) AS sessions,
       sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
       coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END) AS cost_usd
  FROM usage_rollup
 GROUP BY ALL
