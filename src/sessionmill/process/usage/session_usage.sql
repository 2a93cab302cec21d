-- One row for each session: its transcripts, those of its sub-agents included, and what is counted
-- in them. A copy that another session's transcript holds too is counted in one of them only.
WITH used AS (
    SELECT username, session_id,
           min("at")                             AS started_at,
           max("at")                             AS ended_at,
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
     GROUP BY username, session_id
),
damaged AS (
    SELECT username, session_id, count(*) AS malformed_lines
      FROM malformed_lines
     GROUP BY username, session_id
)
SELECT t.session_id,
       t.username,
       -- The main transcript names the session where it is kept; else its sub-agents' does.
       arg_min(t.session_key, length(t.session_key)) AS session_key,
       any_value(t.agent)                      AS agent,
       any_value(t.client_version)             AS client_version,
       any_value(t.project)                    AS project,
       any_value(t.cwd)                        AS cwd,
       count(*)                                AS transcripts,
       any_value(u.started_at)                 AS started_at,
       any_value(u.ended_at)                   AS ended_at,
       coalesce(any_value(u.responses), 0)             AS responses,
       coalesce(any_value(u.input_tokens), 0)          AS input_tokens,
       coalesce(any_value(u.output_tokens), 0)         AS output_tokens,
       coalesce(any_value(u.cache_read_tokens), 0)     AS cache_read_tokens,
       coalesce(any_value(u.cache_write_5m_tokens), 0) AS cache_write_5m_tokens,
       coalesce(any_value(u.cache_write_1h_tokens), 0) AS cache_write_1h_tokens,
       coalesce(any_value(u.tool_calls), 0)            AS tool_calls,
       coalesce(any_value(u.tool_errors), 0)           AS tool_errors,
       coalesce(any_value(u.skill_invocations), 0)     AS skill_invocations,
       coalesce(any_value(u.subagent_runs), 0)         AS subagent_runs,
       coalesce(any_value(u.mcp_calls), 0)             AS mcp_calls,
       coalesce(any_value(u.slash_commands), 0)        AS slash_commands,
       coalesce(any_value(u.prompts), 0)               AS prompts,
       coalesce(any_value(d.malformed_lines), 0)       AS malformed_lines
  FROM transcripts t
       LEFT JOIN used u USING (username, session_id)
       LEFT JOIN damaged d USING (username, session_id)
 WHERE t.agent <> 'unknown'
 GROUP BY t.username, t.session_id
