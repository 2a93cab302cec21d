-- Usage by UTC hour: sums of what is counted. Days, weeks and months of any time zone whose offset
-- is whole hours are sums of these.
SELECT date_trunc('hour', "at") AS hour,
       username, project, agent, model,
       count(DISTINCT session_id) AS sessions,
       sum(COLUMNS('^(responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0'
  FROM counted_usage
 GROUP BY ALL
