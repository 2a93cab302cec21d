-- One row for each thing that is counted, with a 1 in its column: what reports sum up.
SELECT session_key, session_id, username, agent, "at", project, cwd, model, client_version,
       entrypoint,
       1 AS responses, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, 0 AS tool_calls, 0 AS tool_errors, 0 AS skill_invocations,
       0 AS subagent_runs, 0 AS mcp_calls, 0 AS slash_commands, 0 AS prompts,
       (unpriced IS NOT NULL)::INTEGER AS unpriced_responses, cost_usd
  FROM response_costs
 WHERE counted
UNION ALL
SELECT session_key, session_id, username, agent, "at", project, cwd, model, client_version,
       entrypoint,
       0, 0, 0, 0, 0, 0, 1, (is_error IS TRUE)::INTEGER, (kind = 'skill')::INTEGER,
       (kind = 'subagent')::INTEGER, (kind = 'mcp')::INTEGER, 0, 0, 0, NULL
  FROM tool_calls
 WHERE counted
UNION ALL
SELECT session_key, session_id, username, agent, "at", project, cwd, NULL, client_version,
       entrypoint,
       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, NULL
  FROM slash_commands
 WHERE counted
UNION ALL
SELECT session_key, session_id, username, agent, "at", project, cwd, NULL, client_version,
       entrypoint,
       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, NULL
  FROM prompts
 WHERE counted
