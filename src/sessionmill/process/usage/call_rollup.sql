-- Calls, and what is attributed to them, summed up by session, quarter of an hour, and all that
-- reports ask for.
WITH summed AS (
    SELECT time_bucket(INTERVAL 15 MINUTE, "at") AS quarter,
           session_id, username,
           name, kind, skill, subagent_type, mcp_server, plugin, program,
           is_error IS TRUE AS is_error, error_kind,
           count(*) FILTER (counted)                               AS tool_calls,
           count(run_agent_id)                                     AS runs,
           -- Whole microseconds: the order in which floats are added decides the last digits.
           sum(round(duration_seconds * 1e6)::HUGEINT) FILTER (counted) / 1e6 AS duration_seconds,
           coalesce(sum(result_bytes) FILTER (counted), 0)         AS result_bytes,
           sum(attributed_tokens)                                  AS attributed_tokens,
           sum(attributed_cost_usd)                                AS attributed_cost_usd
      FROM attributed_usage
     GROUP BY ALL
)
SELECT *,
       md5_number(username || chr(31) || session_id) AS session_hash,
       -- To count the sessions of each by, where no days are chosen: of tools and programs there are
       -- a hundred times as many rows as of skills or servers.
       tool_calls > 0
           AND row_number() OVER (PARTITION BY username, session_id, name, tool_calls > 0
                                  ORDER BY quarter, kind, skill, subagent_type, mcp_server,
                                           plugin, program, is_error, error_kind) = 1
           AS first_of_tool,
       tool_calls > 0 AND program IS NOT NULL
           AND row_number() OVER (PARTITION BY username, session_id, program, tool_calls > 0
                                  ORDER BY quarter, name, kind, skill, subagent_type, mcp_server,
                                           plugin, is_error, error_kind) = 1
           AS first_of_program
  FROM summed
