-- What `report usage` answers. $since and $until are UTC; $by chooses the group.

-- name: by_group
WITH chosen AS (
    SELECT *,
           CASE $by
                WHEN 'user'    THEN username
                WHEN 'project' THEN project
                WHEN 'model'   THEN model
                ELSE strftime(timezone($timezone, timezone('UTC', "at")), $format)
           END AS grp
      FROM counted_usage
     WHERE ($since IS NULL OR "at" >= $since)
       AND ($until IS NULL OR "at" <  $until)
       AND ($user  IS NULL OR username = $user)
       AND ($by <> 'model' OR model IS NOT NULL)
)
SELECT grp,
       count(DISTINCT (username, session_id)) AS sessions,
       sum(responses)::BIGINT                 AS responses,
       sum(input_tokens)::BIGINT              AS input_tokens,
       sum(output_tokens)::BIGINT             AS output_tokens,
       sum(cache_read_tokens)::BIGINT         AS cache_read_tokens,
       sum(cache_write_5m_tokens)::BIGINT     AS cache_write_5m_tokens,
       sum(cache_write_1h_tokens)::BIGINT     AS cache_write_1h_tokens,
       sum(tool_calls)::BIGINT                AS tool_calls,
       sum(tool_errors)::BIGINT               AS tool_errors,
       sum(skill_invocations)::BIGINT         AS skill_invocations,
       sum(subagent_runs)::BIGINT             AS subagent_runs,
       sum(mcp_calls)::BIGINT                 AS mcp_calls,
       sum(slash_commands)::BIGINT            AS slash_commands,
       sum(prompts)::BIGINT                   AS prompts
  FROM chosen
 GROUP BY grp
 ORDER BY grp NULLS LAST;

-- name: by_session
WITH chosen AS (
    SELECT *
      FROM counted_usage
     WHERE ($since IS NULL OR "at" >= $since)
       AND ($until IS NULL OR "at" <  $until)
       AND ($user  IS NULL OR username = $user)
)
SELECT session_id                             AS session,
       username                               AS user,
       arg_min(project, "at")                   AS project,
       min("at")                                AS started_at,
       max("at")                                AS ended_at,
       sum(responses)::BIGINT                 AS responses,
       sum(input_tokens)::BIGINT              AS input_tokens,
       sum(output_tokens)::BIGINT             AS output_tokens,
       sum(cache_read_tokens)::BIGINT         AS cache_read_tokens,
       sum(cache_write_5m_tokens)::BIGINT     AS cache_write_5m_tokens,
       sum(cache_write_1h_tokens)::BIGINT     AS cache_write_1h_tokens,
       sum(tool_calls)::BIGINT                AS tool_calls,
       sum(tool_errors)::BIGINT               AS tool_errors,
       sum(skill_invocations)::BIGINT         AS skill_invocations,
       sum(subagent_runs)::BIGINT             AS subagent_runs,
       sum(mcp_calls)::BIGINT                 AS mcp_calls,
       sum(slash_commands)::BIGINT            AS slash_commands,
       sum(prompts)::BIGINT                   AS prompts
  FROM chosen
 GROUP BY username, session_id
 ORDER BY started_at NULLS LAST, username, session_id;

-- name: by_total
WITH chosen AS (
    SELECT *
      FROM counted_usage
     WHERE ($since IS NULL OR "at" >= $since)
       AND ($until IS NULL OR "at" <  $until)
       AND ($user  IS NULL OR username = $user)
),
-- Without a time, everything that was found; with one, what has something counted within it.
touched AS (
    SELECT t.session_key, t.username, t.session_id, t.agent
      FROM transcripts t
     WHERE ($user IS NULL OR t.username = $user)
       AND ($since IS NULL AND $until IS NULL
            OR EXISTS (FROM chosen c WHERE c.session_key = t.session_key))
)
SELECT (SELECT count(*) FROM touched)                  AS transcripts,
       (SELECT count(DISTINCT (username, session_id))
          FROM touched
         WHERE agent <> 'unknown')                     AS sessions,
       coalesce(sum(responses), 0)::BIGINT             AS responses,
       coalesce(sum(input_tokens), 0)::BIGINT          AS input_tokens,
       coalesce(sum(output_tokens), 0)::BIGINT         AS output_tokens,
       coalesce(sum(cache_read_tokens), 0)::BIGINT     AS cache_read_tokens,
       coalesce(sum(cache_write_5m_tokens), 0)::BIGINT AS cache_write_5m_tokens,
       coalesce(sum(cache_write_1h_tokens), 0)::BIGINT AS cache_write_1h_tokens,
       coalesce(sum(tool_calls), 0)::BIGINT            AS tool_calls,
       coalesce(sum(tool_errors), 0)::BIGINT           AS tool_errors,
       coalesce(sum(skill_invocations), 0)::BIGINT     AS skill_invocations,
       coalesce(sum(subagent_runs), 0)::BIGINT         AS subagent_runs,
       coalesce(sum(mcp_calls), 0)::BIGINT             AS mcp_calls,
       coalesce(sum(slash_commands), 0)::BIGINT        AS slash_commands,
       coalesce(sum(prompts), 0)::BIGINT               AS prompts,
       (SELECT count(*)
          FROM malformed_lines m
               SEMI JOIN touched USING (session_key))  AS malformed_lines
  FROM chosen;

-- name: by_call
SELECT CASE $by
            WHEN 'tool'     THEN name
            WHEN 'skill'    THEN skill
            WHEN 'subagent' THEN subagent_type
            WHEN 'mcp'      THEN mcp_server
       END                                            AS grp,
       count(*)                                       AS tool_calls,
       count(*) FILTER (is_error)                     AS tool_errors,
       count(DISTINCT (username, session_id))         AS sessions,
       count(DISTINCT username)                       AS users,
       round(median(duration_seconds), 3)             AS median_duration_seconds,
       coalesce(sum(result_bytes), 0)::BIGINT         AS result_bytes
  FROM tool_calls
 WHERE counted
   AND ($by = 'tool' OR kind = $by)
   AND ($since IS NULL OR "at" >= $since)
   AND ($until IS NULL OR "at" <  $until)
   AND ($user  IS NULL OR username = $user)
 GROUP BY grp
 ORDER BY tool_calls DESC, grp NULLS LAST;

-- name: by_command
SELECT command                                AS grp,
       count(*)                               AS slash_commands,
       count(DISTINCT (username, session_id)) AS sessions,
       count(DISTINCT username)               AS users
  FROM slash_commands
 WHERE counted
   AND ($since IS NULL OR "at" >= $since)
   AND ($until IS NULL OR "at" <  $until)
   AND ($user  IS NULL OR username = $user)
 GROUP BY command
 ORDER BY slash_commands DESC, command;

-- name: midnight
-- A day's first moment in a time zone, as UTC.
SELECT timezone('UTC', timezone($timezone, CAST($day AS TIMESTAMP)));
