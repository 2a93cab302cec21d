-- What calls and commands brought about: `report usage` by tool, skill, and so on. A call's sub-agent
-- run counts whole on the day of the call.

-- name: by_call
SELECT CASE $by
            WHEN 'tool'     THEN name
            WHEN 'skill'    THEN skill
            WHEN 'subagent' THEN subagent_type
            WHEN 'mcp'      THEN mcp_server
            WHEN 'plugin'   THEN plugin
            WHEN 'program'  THEN program
       END                                                        AS grp,
       count(*) FILTER (is_asked)                                 AS tool_calls,
       count(*) FILTER (is_asked AND is_error)                    AS tool_errors,
       count(DISTINCT (username, session_id))                     AS sessions,
       count(DISTINCT username)                                   AS users,
       round(median(duration_seconds) FILTER (is_asked), 3)       AS median_duration_seconds,
       coalesce(sum(result_bytes) FILTER (is_asked), 0)::BIGINT   AS result_bytes,
       sum(attributed_tokens)                                     AS attributed_tokens,
       round(sum(attributed_cost_usd), 6)                         AS attributed_cost_usd
  FROM (SELECT *,
               CASE $by
                    WHEN 'tool'    THEN tool_use_id IS NOT NULL
                    WHEN 'plugin'  THEN plugin IS NOT NULL
                    WHEN 'program' THEN program IS NOT NULL
                    ELSE kind IS NOT DISTINCT FROM $by
               END AS is_asked
          FROM attributed_usage)
 -- By sub-agent every run counts, so that the rows come to what all sub-agents took.
 WHERE (is_asked OR ($by = 'subagent' AND run_agent_id IS NOT NULL))
   AND ($since IS NULL OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
   AND ($until IS NULL OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP))
   AND ($user  IS NULL OR username = $user)
 GROUP BY grp
 ORDER BY tool_calls DESC, grp NULLS LAST;

-- name: by_command
SELECT command                                AS grp,
       count(*)                               AS slash_commands,
       count(DISTINCT (username, session_id)) AS sessions,
       count(DISTINCT username)               AS users,
       sum(input_tokens::HUGEINT + output_tokens + cache_read_tokens + cache_write_5m_tokens
           + cache_write_1h_tokens)           AS attributed_tokens,
       round(sum(cost_usd), 6)                AS attributed_cost_usd
  FROM attributed_commands
 WHERE ($since IS NULL OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
   AND ($until IS NULL OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP))
   AND ($user  IS NULL OR username = $user)
 GROUP BY command
 ORDER BY slash_commands DESC, command;
