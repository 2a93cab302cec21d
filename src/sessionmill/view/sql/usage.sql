-- What `report usage` answers. $since and $until are days of $timezone; $by chooses the group.
-- Local times are compared, not moments: a midnight may come twice, or not at all.

-- name: by_group
-- Sessions are grouped first, and then only counted: to count distinct ones takes three times as long.
WITH sessions AS (
    SELECT CASE $by
                WHEN 'user'       THEN username
                WHEN 'project'    THEN project
                WHEN 'model'      THEN model
                WHEN 'agent'      THEN agent
                WHEN 'version'    THEN client_version
                WHEN 'entrypoint' THEN entrypoint
           END AS grp, username, session_id,
           sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
           sum(cost_usd) AS cost_usd
      FROM counted_usage
     WHERE ($since IS NULL OR "at" >= CAST($since AS TIMESTAMP) - INTERVAL 1 DAY)
       AND ($since IS NULL OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR "at" <  CAST($until AS TIMESTAMP) + INTERVAL 1 DAY)
       AND ($until IS NULL OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP))
       AND ($user  IS NULL OR username = $user)
       AND ($by <> 'model' OR model IS NOT NULL)
     GROUP BY grp, username, session_id
)
SELECT grp, count(*) AS sessions,
       sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
       round(coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END), 6) AS cost_usd
  FROM sessions
 GROUP BY grp
 ORDER BY grp NULLS LAST;

-- name: by_time
-- Quarters of an hour first: no zone's midnight lies within one, and to work out the local time of
-- every row would take most of the time.
WITH quarters AS (
    SELECT time_bucket(INTERVAL 15 MINUTE, "at") AS quarter, username, session_id,
           sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
           sum(cost_usd) AS cost_usd
      FROM counted_usage
     WHERE ($since IS NULL OR "at" >= CAST($since AS TIMESTAMP) - INTERVAL 1 DAY)
       AND ($until IS NULL OR "at" <  CAST($until AS TIMESTAMP) + INTERVAL 1 DAY)
       AND ($user  IS NULL OR username = $user)
     GROUP BY quarter, username, session_id
),
local AS (
    SELECT quarter, timezone($timezone, timezone('UTC', quarter)) AS local_quarter
      FROM (SELECT DISTINCT quarter FROM quarters)
),
sessions AS (
    SELECT strftime(local_quarter, $format) AS grp, username, session_id,
           sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
           sum(cost_usd) AS cost_usd
      FROM quarters
           JOIN local ON quarters.quarter IS NOT DISTINCT FROM local.quarter
     WHERE ($since IS NULL OR local_quarter >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR local_quarter <  CAST($until AS TIMESTAMP))
     GROUP BY grp, username, session_id
)
SELECT grp, count(*) AS sessions,
       sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
       round(coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END), 6) AS cost_usd
  FROM sessions
 GROUP BY grp
 ORDER BY grp NULLS LAST;

-- name: by_session
SELECT session_id AS session, username AS user, arg_min(project, "at") AS project,
       min("at") AS started_at, max("at") AS ended_at,
       sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
       round(coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END), 6) AS cost_usd
  FROM counted_usage
 WHERE ($since IS NULL OR "at" >= CAST($since AS TIMESTAMP) - INTERVAL 1 DAY)
   AND ($since IS NULL OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
   AND ($until IS NULL OR "at" <  CAST($until AS TIMESTAMP) + INTERVAL 1 DAY)
   AND ($until IS NULL OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP))
   AND ($user  IS NULL OR username = $user)
 GROUP BY username, session_id
 ORDER BY started_at NULLS LAST, username, session_id;

-- name: by_total
WITH chosen AS MATERIALIZED (
    SELECT session_key,
           sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$'))::BIGINT AS '\0',
           sum(cost_usd) AS cost_usd
      FROM counted_usage
     WHERE ($since IS NULL OR "at" >= CAST($since AS TIMESTAMP) - INTERVAL 1 DAY)
       AND ($since IS NULL OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR "at" <  CAST($until AS TIMESTAMP) + INTERVAL 1 DAY)
       AND ($until IS NULL OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP))
       AND ($user  IS NULL OR username = $user)
     GROUP BY session_key
),
-- Without a time, everything that was found; with one, what has something counted within it.
touched AS (
    SELECT t.session_key, t.username, t.session_id, t.agent
      FROM transcripts t
           LEFT JOIN chosen c USING (session_key)
     WHERE ($user IS NULL OR t.username = $user)
       AND ($since IS NULL AND $until IS NULL OR c.session_key IS NOT NULL)
)
SELECT (SELECT count(*) FROM touched)                  AS transcripts,
       (SELECT count(DISTINCT (username, session_id))
          FROM touched
         WHERE agent <> 'unknown')                     AS sessions,
       coalesce(sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$')), 0)::BIGINT AS '\0',
       round(coalesce(sum(cost_usd), CASE WHEN coalesce(sum(unpriced_responses), 0) = 0 THEN 0 END), 6) AS cost_usd,
       (SELECT count(*)
          FROM malformed_lines m
               SEMI JOIN touched USING (session_key))  AS malformed_lines
  FROM chosen;

-- name: by_error
SELECT error_kind                                     AS grp,
       count(*)                                       AS tool_calls,
       count(*) FILTER (is_error)                     AS tool_errors,
       count(DISTINCT (username, session_id))         AS sessions,
       count(DISTINCT username)                       AS users,
       round(median(duration_seconds), 3)             AS median_duration_seconds,
       coalesce(sum(result_bytes), 0)::BIGINT         AS result_bytes
  FROM tool_calls
 WHERE counted
   AND is_error
   AND ($since IS NULL OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
   AND ($until IS NULL OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP))
   AND ($user  IS NULL OR username = $user)
 GROUP BY grp
 ORDER BY tool_calls DESC, grp NULLS LAST;

-- name: is_time_zone
SELECT timezone($timezone, TIMESTAMP '2000-01-01');
