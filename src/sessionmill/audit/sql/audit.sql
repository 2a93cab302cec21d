-- What the tables hold, as the audit compares it: of each table its rows, with what elects one of
-- several copies (the smaller is preferred), whether it may count, and what it adds to each figure.

-- name: transcripts
-- Every transcript, and why it cannot be recounted, if the facts tell.
SELECT t.session_key, t.username, t.session_id, t.agent, t.root, t.path, t.size, t.mtime_ns,
       CASE WHEN t.gone_at IS NOT NULL                     THEN 'gone'
            WHEN s.attempts > 0 OR s.dead_at IS NOT NULL   THEN 'failed'
            WHEN s.processed_at IS NULL
              OR s.version  IS DISTINCT FROM $version
              OR s.size     IS DISTINCT FROM t.size
              OR s.mtime_ns IS DISTINCT FROM t.mtime_ns    THEN 'pending'
       END
  FROM transcripts t
       LEFT JOIN session_processor_state s
              ON s.processor_name = 'usage'
             AND s.session_file   = t.session_key
 ORDER BY t.session_key;

-- name: responses
SELECT session_key, session_id, username, response_id, line_offset,
       [-output_tokens, copy_rank], true, counted IS TRUE,
       [1, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens]
  FROM responses;

-- name: tool_calls
SELECT session_key, session_id, username, tool_use_id, line_offset,
       [(name IS NULL)::BIGINT, (is_error IS NULL)::BIGINT, copy_rank], name IS NOT NULL,
       counted IS TRUE,
       [1, (is_error IS TRUE)::BIGINT, (kind IS NOT DISTINCT FROM 'skill')::BIGINT,
        (kind IS NOT DISTINCT FROM 'subagent')::BIGINT, (kind IS NOT DISTINCT FROM 'mcp')::BIGINT]
  FROM tool_calls;

-- name: slash_commands
SELECT session_key, session_id, username, command_id, line_offset, [1, copy_rank], true,
       counted IS TRUE, [1]
  FROM slash_commands;

-- name: prompts
SELECT session_key, session_id, username, prompt_id, line_offset,
       [(repeated IS NOT TRUE)::BIGINT, copy_rank], repeated IS NOT TRUE, counted IS TRUE, [1]
  FROM prompts;

-- name: malformed_lines
-- Each counts: no line of one transcript is a copy of another's.
SELECT session_key, session_id, username, session_key || ':' || line_offset, line_offset,
       []::BIGINT[], true, true, [1]
  FROM malformed_lines;

-- name: figures
-- What reports sum up, of each transcript.
WITH used AS (
    SELECT session_key, username, session_id,
           sum(COLUMNS('^(responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0'
      FROM counted_usage
     GROUP BY ALL
),
damaged AS (
    SELECT session_key, username, session_id, count(*) AS malformed_lines
      FROM malformed_lines
     GROUP BY ALL
)
SELECT session_key, username, session_id,
       coalesce(COLUMNS('^(responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts|malformed_lines)$'), 0) AS '\0'
  FROM used
       FULL JOIN damaged USING (session_key, username, session_id);

-- name: claude_by_day
-- What reports say of Claude Code's responses, of each day; '' for those without a time.
SELECT coalesce(strftime("at", '%Y-%m-%d'), ''),
       sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT, sum(cache_read_tokens)::BIGINT,
       sum(cache_write_5m_tokens + cache_write_1h_tokens)::BIGINT
  FROM counted_usage
 WHERE responses = 1
   AND agent = 'claude-code'
 GROUP BY ALL;
