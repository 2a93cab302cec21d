-- One row for each session: its transcripts, those of its sub-agents included, and what is counted
-- in them. A copy that another session's transcript holds too is counted in one of them only.
WITH used AS (
    SELECT username, session_id, min(first_at) AS started_at, max(last_at) AS ended_at,
           sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
           coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END) AS cost_usd
      FROM usage_rollup
     GROUP BY username, session_id
),
damaged AS (
    SELECT username, session_id, count(*) AS malformed_lines
      FROM malformed_lines
     GROUP BY username, session_id
),
sessions AS (
    SELECT session_id, username,
           -- The main transcript names the session where it is kept; else a sub-agent's does.
           arg_min(session_key, place)    AS session_key,
           arg_min(agent, place)          AS agent,
           arg_min(client_version, place) AS client_version,
           arg_min(project, place)        AS project,
           arg_min(cwd, place)            AS cwd,
           count(*)                       AS transcripts
      FROM (SELECT *, (length(session_key), session_key) AS place FROM transcripts)
     WHERE agent <> 'unknown'
     GROUP BY username, session_id
)
SELECT s.*, u.started_at, u.ended_at,
       coalesce(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'), 0) AS '\0',
       CASE WHEN u.username IS NULL THEN 0 ELSE u.cost_usd END AS cost_usd,
       coalesce(d.malformed_lines, 0) AS malformed_lines
  FROM sessions s
       LEFT JOIN used u USING (username, session_id)
       LEFT JOIN damaged d USING (username, session_id)
