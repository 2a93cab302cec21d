-- Usage by UTC hour: sums of what is counted. Days, weeks and months of any time zone whose offset
-- is whole hours are sums of these.
SELECT date_trunc('hour', "at") AS hour,
       username, project, agent, model,
       count(DISTINCT session_id)          AS sessions,
       sum(responses)::BIGINT              AS responses,
       sum(input_tokens)::BIGINT           AS input_tokens,
       sum(output_tokens)::BIGINT          AS output_tokens,
       sum(cache_read_tokens)::BIGINT      AS cache_read_tokens,
       sum(cache_write_5m_tokens)::BIGINT  AS cache_write_5m_tokens,
       sum(cache_write_1h_tokens)::BIGINT  AS cache_write_1h_tokens,
       sum(tool_calls)::BIGINT             AS tool_calls,
       sum(tool_errors)::BIGINT            AS tool_errors,
       sum(skill_invocations)::BIGINT      AS skill_invocations,
       sum(subagent_runs)::BIGINT          AS subagent_runs,
       sum(mcp_calls)::BIGINT              AS mcp_calls,
       sum(slash_commands)::BIGINT         AS slash_commands,
       sum(prompts)::BIGINT                AS prompts
  FROM counted_usage
 GROUP BY ALL
