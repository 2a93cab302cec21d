-- What was done in each session, and how long it took: of what is counted in it. Times within ten
-- minutes of each other belong together; a longer gap is a pause, and counts for nobody.
WITH done AS (
    -- Each thing that has a time; of prompts those that were not typed while the agent worked.
    SELECT username, session_id, "at", project, 'agent' AS whose FROM responses WHERE counted
     UNION ALL
    SELECT username, session_id, "at", project, 'agent' FROM tool_calls WHERE counted
     UNION ALL
    SELECT username, session_id, result_at, project, 'agent' FROM tool_calls WHERE counted
     UNION ALL
    SELECT username, session_id, "at", project, CASE WHEN queued THEN 'queue' ELSE 'prompt' END
      FROM prompts
     WHERE counted
     UNION ALL
    SELECT username, session_id, "at", project, 'command' FROM slash_commands WHERE counted
),
gaps AS (
    SELECT username, session_id, "at", project,
           epoch_us("at") - lag(epoch_us("at")) OVER (PARTITION BY username, session_id ORDER BY "at")
               AS microseconds
      FROM done
     WHERE "at" IS NOT NULL
),
spans AS (
    SELECT username, session_id, arg_min(project, ("at", project)) AS project,
           min("at") AS started_at, max("at") AS ended_at,
           (epoch_us(max("at")) - epoch_us(min("at"))) / 1e6 AS wall_seconds,
           coalesce(sum(microseconds) FILTER (microseconds <= 600_000_000), 0) / 1e6
               AS active_seconds
      FROM gaps
     GROUP BY username, session_id
),
turns AS (
    -- Where several things have one time, the agent's come first: nobody waited.
    SELECT username, session_id, whose,
           lag(whose) OVER in_time AS before,
           epoch_us("at") - lag(epoch_us("at")) OVER in_time AS microseconds
      FROM done
     WHERE "at" IS NOT NULL
       AND whose IN ('agent', 'prompt')
    WINDOW in_time AS (PARTITION BY username, session_id ORDER BY "at", whose)
),
waits AS (
    SELECT username, session_id, sum(microseconds) / 1e6 AS person_seconds
      FROM turns
     WHERE whose = 'prompt'
       AND before = 'agent'
       AND microseconds <= 600_000_000
     GROUP BY username, session_id
),
running AS (
    -- What a call adds to the time in which any call that began before it had run already.
    SELECT username, session_id,
           greatest(0, epoch_us(result_at) - greatest(epoch_us("at"), coalesce(max(epoch_us(result_at))
               OVER (PARTITION BY username, session_id ORDER BY "at", result_at
                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), epoch_us("at")))) AS microseconds
      FROM tool_calls
     WHERE counted
       AND result_at > "at"
),
tools AS (
    SELECT username, session_id, sum(microseconds) / 1e6 AS tool_seconds
      FROM running
     GROUP BY username, session_id
),
calls AS (
    SELECT username, session_id,
           sum(lines_added)   AS lines_added,
           sum(lines_removed) AS lines_removed,
           count(DISTINCT file_hash)  AS files_touched,
           count(*) FILTER (error_kind = 'user_rejected') AS user_rejections,
           -- Of each call that failed several times, all but the first.
           count(input_hash) FILTER (is_error) - count(DISTINCT input_hash) FILTER (is_error)
               AS repeated_failures
      FROM tool_calls
     WHERE counted
     GROUP BY username, session_id
),
happened AS (
    SELECT username, session_id,
           count(DISTINCT detail) FILTER (kind = 'commit')       AS commits,
           count(DISTINCT detail) FILTER (kind = 'pull_request') AS pull_requests,
           count(*) FILTER (kind = 'interrupt')                  AS interrupts,
           count(*) FILTER (kind = 'permission_denial')          AS permission_denials,
           count(*) FILTER (kind = 'hook_block')                 AS hook_blocks,
           count(*) FILTER (kind = 'api_error')                  AS api_errors,
           count(*) FILTER (kind = 'api_retry')                  AS api_retries,
           count(*) FILTER (kind = 'compaction')                 AS compactions
      FROM events
     WHERE counted
     GROUP BY username, session_id
),
sessions AS (
    SELECT username, session_id FROM spans
     UNION
    SELECT username, session_id FROM calls
     UNION
    SELECT username, session_id FROM happened
)
SELECT username, session_id, s.project, s.started_at, s.ended_at,
       coalesce(s.wall_seconds, 0)       AS wall_seconds,
       coalesce(s.active_seconds, 0)     AS active_seconds,
       coalesce(t.tool_seconds, 0)       AS tool_seconds,
       coalesce(w.person_seconds, 0)     AS person_seconds,
       coalesce(c.lines_added, 0)        AS lines_added,
       coalesce(c.lines_removed, 0)      AS lines_removed,
       coalesce(c.files_touched, 0)      AS files_touched,
       coalesce(h.commits, 0)            AS commits,
       coalesce(h.pull_requests, 0)      AS pull_requests,
       coalesce(h.interrupts, 0)         AS interrupts,
       coalesce(c.user_rejections, 0)    AS user_rejections,
       coalesce(h.permission_denials, 0) AS permission_denials,
       coalesce(h.hook_blocks, 0)        AS hook_blocks,
       coalesce(h.api_errors, 0)         AS api_errors,
       coalesce(h.api_retries, 0)        AS api_retries,
       coalesce(h.compactions, 0)        AS compactions,
       coalesce(c.repeated_failures, 0)  AS repeated_failures
  FROM sessions
       LEFT JOIN spans s USING (username, session_id)
       LEFT JOIN waits w USING (username, session_id)
       LEFT JOIN tools t USING (username, session_id)
       LEFT JOIN calls c USING (username, session_id)
       LEFT JOIN happened h USING (username, session_id)
