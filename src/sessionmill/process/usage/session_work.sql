-- What was done in each session, and how long it took: of what is counted in it. Times within ten
-- minutes of each other belong together; a longer gap is a pause, and counts for nobody.
WITH sessions AS (
    SELECT DISTINCT username, session_id FROM transcripts WHERE agent <> 'unknown'
)
SELECT username, session_id, w.project, w.started_at, w.ended_at,
       coalesce(COLUMNS('^(\w+_seconds|lines_added|lines_removed|files_touched|commits|pull_requests|interrupts|user_rejections|permission_denials|hook_blocks|api_errors|api_retries|compactions|repeated_failures)$'), 0) AS '\0'
  FROM sessions
       LEFT JOIN work_rollup w USING (username, session_id)
