-- What `report usage` answers, from rollups. $since and $until are days of $timezone; $by chooses the
-- group.

-- name: chosen
-- Local times are compared, not moments: a midnight may come twice, or not at all; and none lies
-- within a quarter of an hour. As they take long to work out, rows of days before and after are passed
-- over first, which no zone's offset brings within.
($since IS NULL OR quarter >= CAST($since AS TIMESTAMP) - INTERVAL 1 DAY)
AND ($until IS NULL OR quarter < CAST($until AS TIMESTAMP) + INTERVAL 1 DAY)
AND ($since IS NULL OR timezone($timezone, timezone('UTC', quarter)) >= CAST($since AS TIMESTAMP))
AND ($until IS NULL OR timezone($timezone, timezone('UTC', quarter)) <  CAST($until AS TIMESTAMP))
AND ($user  IS NULL OR username = $user)

-- name: figures
sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$')) AS '\0',
round(coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END), 6) AS cost_usd

-- name: by_group
SELECT CASE $by
            WHEN 'user'       THEN username
            WHEN 'project'    THEN project
            WHEN 'model'      THEN model
            WHEN 'agent'      THEN agent
            WHEN 'version'    THEN client_version
            WHEN 'entrypoint' THEN entrypoint
       END AS grp,
       count(DISTINCT session_hash) AS sessions,
       {figures}
  FROM usage_rollup
 WHERE {chosen}
   AND ($by <> 'model' OR model IS NOT NULL)
 GROUP BY grp
 ORDER BY grp NULLS LAST;

-- name: by_time
-- To work out the local time of every row would take most of the time.
WITH local AS (
    SELECT quarter, timezone($timezone, timezone('UTC', quarter)) AS local_quarter,
           strftime(local_quarter, $format) AS grp
      FROM (SELECT DISTINCT quarter FROM usage_rollup)
)
SELECT grp,
       count(DISTINCT session_hash) AS sessions,
       {figures}
  FROM usage_rollup u
       JOIN local l ON u.quarter IS NOT DISTINCT FROM l.quarter
 WHERE ($since IS NULL OR local_quarter >= CAST($since AS TIMESTAMP))
   AND ($until IS NULL OR local_quarter <  CAST($until AS TIMESTAMP))
   AND ($user  IS NULL OR username = $user)
 GROUP BY grp
 ORDER BY grp NULLS LAST;

-- name: by_session
WITH chosen AS (
    SELECT *
      FROM usage_rollup
     WHERE {chosen}
),
-- The last to begin: to sum up all and leave most of that out would take several times as long.
latest AS (
    SELECT username, session_id
      FROM chosen
     GROUP BY username, session_id
     ORDER BY min(first_at) DESC NULLS FIRST, username DESC, session_id DESC
     LIMIT $limit + 1
)
SELECT session_id AS session, username AS user, arg_min(project, (first_at, project)) AS project,
       min(first_at) AS started_at, max(last_at) AS ended_at,
       {figures}
  FROM chosen
       SEMI JOIN latest USING (username, session_id)
 GROUP BY username, session_id
 ORDER BY started_at NULLS LAST, username, session_id;

-- name: by_total
WITH chosen AS (
    SELECT *
      FROM usage_rollup
     WHERE {chosen}
),
-- Without a time, everything that was found; with one, what has something counted within it.
touched AS (
    SELECT session_key, username, session_id, agent
      FROM transcripts
     WHERE ($user IS NULL OR username = $user)
       AND ($since IS NULL AND $until IS NULL OR session_key IN (SELECT session_key FROM chosen))
)
SELECT (SELECT count(*) FROM touched)                  AS transcripts,
       (SELECT count(DISTINCT (username, session_id))
          FROM touched
         WHERE agent <> 'unknown')                     AS sessions,
       coalesce(sum(COLUMNS('^(\w*responses|\w+_tokens|\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts)$')), 0) AS '\0',
       round(coalesce(sum(cost_usd), CASE WHEN coalesce(sum(unpriced_responses), 0) = 0 THEN 0 END), 6) AS cost_usd,
       (SELECT count(*)
          FROM malformed_lines m
               SEMI JOIN touched USING (session_key))  AS malformed_lines
  FROM chosen;

-- name: by_call
-- What calls brought about. A call's sub-agent run counts whole on the day of the call.
WITH asked AS NOT MATERIALIZED (
    SELECT CASE $by
                WHEN 'tool'     THEN name
                WHEN 'skill'    THEN skill
                WHEN 'subagent' THEN subagent_type
                WHEN 'mcp'      THEN mcp_server
                WHEN 'plugin'   THEN plugin
                WHEN 'program'  THEN program
                WHEN 'error'    THEN error_kind
           END AS grp,
           username,
           CASE WHEN tool_calls > 0 OR $by = 'subagent' THEN session_hash END AS session_hash,
           CASE $by WHEN 'tool' THEN first_of_tool WHEN 'program' THEN first_of_program END AS is_first,
           -- By sub-agent every run counts, so that the rows come to what all sub-agents took.
           $by <> 'subagent' OR kind IS NOT DISTINCT FROM 'subagent' AS is_call,
           CASE WHEN is_call THEN tool_calls END              AS tool_calls,
           CASE WHEN is_call AND is_error THEN tool_calls END AS tool_errors,
           CASE WHEN is_call THEN duration_seconds END        AS duration_seconds,
           CASE WHEN is_call THEN result_bytes END            AS result_bytes,
           attributed_tokens, attributed_cost_usd
      FROM call_rollup
     WHERE CASE $by
                WHEN 'tool'     THEN name IS NOT NULL
                WHEN 'plugin'   THEN plugin IS NOT NULL
                WHEN 'program'  THEN program IS NOT NULL
                WHEN 'error'    THEN is_error
                WHEN 'subagent' THEN runs > 0 OR kind = 'subagent'
                ELSE kind = $by
           END
       AND {chosen}
),
-- A session is one person's. Of tools and programs it is counted by its first row, but not where days
-- are chosen: one of the two parts is empty before it is read.
of_users AS (
    SELECT grp, username, sum(COLUMNS('_(calls|errors|seconds|bytes|tokens|usd)$')) AS '\0',
           count(*) FILTER (is_first) AS sessions
      FROM asked
     WHERE $by IN ('tool', 'program') AND $since IS NULL AND $until IS NULL
     GROUP BY grp, username
     UNION ALL
    SELECT grp, username, sum(COLUMNS('_(calls|errors|seconds|bytes|tokens|usd)$')) AS '\0',
           count(DISTINCT session_hash) AS sessions
      FROM asked
     WHERE NOT ($by IN ('tool', 'program') AND $since IS NULL AND $until IS NULL)
     GROUP BY grp, username
)
SELECT grp,
       coalesce(sum(tool_calls), 0)       AS tool_calls,
       coalesce(sum(tool_errors), 0)      AS tool_errors,
       sum(sessions)                      AS sessions,
       count(*)                           AS users,
       round(sum(duration_seconds), 3)    AS duration_seconds,
       coalesce(sum(result_bytes), 0)     AS result_bytes,
       sum(attributed_tokens)             AS attributed_tokens,
       round(sum(attributed_cost_usd), 6) AS attributed_cost_usd
  FROM of_users
 GROUP BY grp
 ORDER BY tool_calls DESC NULLS LAST, grp NULLS LAST;

-- name: by_command
SELECT command                                AS grp,
       sum(slash_commands)                    AS slash_commands,
       count(DISTINCT session_hash)           AS sessions,
       count(DISTINCT username)               AS users,
       sum(attributed_tokens)                 AS attributed_tokens,
       round(sum(attributed_cost_usd), 6)     AS attributed_cost_usd
  FROM command_rollup
 WHERE {chosen}
 GROUP BY command
 ORDER BY slash_commands DESC, command;

-- name: by_outcome
-- What commits and pull requests took. What was used after the last is nobody's.
WITH outcomes AS (
    SELECT username, session_id, "at", detail
      FROM events
     WHERE counted
       AND kind = $kind
       AND detail IS NOT NULL
       AND "at" IS NOT NULL
       AND ($user IS NULL OR username = $user)
),
ended AS (
    SELECT *
      FROM outcome_rollup
     WHERE {chosen}
       AND kind = $kind
),
-- Without a time, all that were seen; with one, those that were seen or paid for within it.
latest AS (
    SELECT detail
      FROM outcomes
     GROUP BY detail
    HAVING bool_or(($since IS NULL
                    OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
               AND ($until IS NULL
                    OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP)))
        OR detail IN (SELECT detail FROM ended)
     ORDER BY min("at") DESC, detail DESC
     LIMIT $limit + 1
),
told AS (
    SELECT detail, string_agg(DISTINCT username, ', ' ORDER BY username) AS "user",
           arg_min(session_id, ("at", session_id)) AS session, min("at") AS "at",
           count(DISTINCT (username, session_id)) AS sessions
      FROM outcomes
           SEMI JOIN latest USING (detail)
     GROUP BY detail
),
-- What is nobody's is all but what is some outcome's.
unended AS (
    SELECT session_hash, responses, unpriced_responses, COLUMNS('_tokens$'), cost_usd
      FROM usage_rollup
     WHERE {chosen}
       AND responses > 0
     UNION ALL BY NAME
    SELECT session_hash, -responses AS responses, -unpriced_responses AS unpriced_responses,
           -COLUMNS('_tokens$') AS '\0', -cost_usd AS cost_usd
      FROM ended
),
left_over AS (
    SELECT NULL AS detail,
           (SELECT count(*)
              FROM (SELECT session_hash
                      FROM unended
                     GROUP BY session_hash
                    HAVING sum(responses) > 0)) AS sessions,
           sum(COLUMNS('responses$|_tokens$')) AS '\0', sum(cost_usd) AS cost_usd
      FROM unended
),
sums AS (
    SELECT detail, count(DISTINCT session_hash) AS sessions,
           sum(COLUMNS('responses$|_tokens$')) AS '\0', sum(cost_usd) AS cost_usd
      FROM ended
           SEMI JOIN latest USING (detail)
     GROUP BY detail
     UNION ALL BY NAME
      FROM left_over WHERE sessions > 0
)
SELECT detail AS grp, t."user", t.session, t."at",
       coalesce(t.sessions, s.sessions, 0)  AS sessions,
       coalesce(s.responses, 0)             AS responses,
       coalesce(s.input_tokens, 0)          AS input_tokens,
       coalesce(s.output_tokens, 0)         AS output_tokens,
       coalesce(s.cache_read_tokens, 0)     AS cache_read_tokens,
       coalesce(s.cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
       coalesce(s.cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
       coalesce(s.unpriced_responses, 0)    AS unpriced_responses,
       round(CASE WHEN s.responses IS NULL THEN 0
                  WHEN s.responses > s.unpriced_responses THEN s.cost_usd
             END, 6) AS cost_usd
  FROM told t
       FULL JOIN sums s USING (detail)
 ORDER BY t."at" NULLS LAST, detail NULLS LAST;

-- name: is_time_zone
SELECT timezone($timezone, TIMESTAMP '2000-01-01');
