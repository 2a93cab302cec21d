-- What `report work` answers. A session is of the day of $timezone on which it began, whole; $since
-- and $until choose by that day.

-- name: by_group
WITH chosen AS (
    SELECT *,
           CASE $by
                WHEN 'user'    THEN username
                WHEN 'project' THEN project
                ELSE strftime(timezone($timezone, timezone('UTC', started_at)), '%Y-%m-%d')
           END AS grp
      FROM session_work
     WHERE ($since IS NULL OR timezone($timezone, timezone('UTC', started_at)) >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR timezone($timezone, timezone('UTC', started_at)) <  CAST($until AS TIMESTAMP))
       AND ($user  IS NULL OR username = $user)
       AND started_at IS NOT NULL
)
SELECT grp, count(*) AS sessions,
       round(sum(COLUMNS('^\w+_seconds$')), 3) AS '\0',
       sum(COLUMNS('^(lines_added|lines_removed|files_touched|commits|pull_requests|interrupts|user_rejections|permission_denials|hook_blocks|api_errors|api_retries|compactions|repeated_failures)$')) AS '\0'
  FROM chosen
 GROUP BY grp
 ORDER BY grp NULLS LAST;

-- name: by_session
WITH latest AS (
    SELECT *
      FROM session_work
     WHERE ($since IS NULL OR timezone($timezone, timezone('UTC', started_at)) >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR timezone($timezone, timezone('UTC', started_at)) <  CAST($until AS TIMESTAMP))
       AND ($user  IS NULL OR username = $user)
       AND started_at IS NOT NULL
     ORDER BY started_at DESC, username DESC, session_id DESC
     LIMIT $limit + 1
)
SELECT session_id AS session, username AS user, project, started_at, ended_at,
       round(COLUMNS('^\w+_seconds$'), 3) AS '\0',
       COLUMNS('^(lines_added|lines_removed|files_touched|commits|pull_requests|interrupts|user_rejections|permission_denials|hook_blocks|api_errors|api_retries|compactions|repeated_failures)$')
  FROM latest
 ORDER BY started_at, username, session_id;
