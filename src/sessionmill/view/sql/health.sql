-- What health and metrics ask of the facts. Each statement goes once through small tables: never
-- through the rows of processors, and never through a folder.

-- name: runs
-- How each processor ran. The order is that in which runs were written, whatever a clock said then.
WITH own AS (
    SELECT r.rowid AS number, p.version AS loaded, r.*
      FROM runs r
           JOIN (SELECT unnest($processors) AS name, unnest($versions) AS version) p
             ON p.name = r.processor_name
),
marks AS (
    SELECT processor_name,
           max(number)                                     AS last,
           max(number) FILTER (outcome <> 'paused')        AS last_unpaused,
           max(number) FILTER (outcome <> 'broken off')    AS last_unbroken,
           max(number) FILTER (seen > 0)                   AS last_saw,
           max(number) FILTER (scanned > 0)                AS last_found,
           max(number) FILTER (outcome IN ('ok', 'capped')
                               OR outcome = 'errors' AND processed > 0) AS last_good
      FROM own
     GROUP BY processor_name
)
SELECT o.processor_name                                                AS processor,
       any_value(o.started_at)   FILTER (o.number = m.last)            AS last_run_at,
       any_value(o.outcome)      FILTER (o.number = m.last)            AS last_outcome,
       any_value(o.errors)       FILTER (o.number = m.last)            AS last_errors,
       any_value(o.started_at)   FILTER (o.number = m.last_good)       AS last_success_at,
       min(o.started_at)                                               AS first_run_at,
       min(o.started_at)         FILTER (o.version = o.loaded)         AS began_at,
       count(*) FILTER (o.number > coalesce(m.last_unbroken, -1))      AS broken_in_a_row,
       min(o.started_at) FILTER (o.number > coalesce(m.last_unpaused, -1)) AS paused_since,
       any_value(o.resume_at)    FILTER (o.number = m.last)            AS resume_at,
       any_value(o.pause_reason) FILTER (o.number = m.last)            AS pause_reason,
       -- NULL in `last_saw` or `last_found`: it never did, so that silence is no news.
       count(*) FILTER (o.number > m.last_saw   AND o.outcome <> 'broken off') AS unseeing_in_a_row,
       count(*) FILTER (o.number > m.last_found AND o.outcome <> 'broken off') AS silent_in_a_row,
       min(o.started_at) FILTER (o.number > m.last_found)              AS silent_since
  FROM own o
       JOIN marks m USING (processor_name)
 GROUP BY o.processor_name;

-- name: sessions
-- How each processor stands with the transcripts that still exist, as the last walk saw them. One
-- waits since it was written to or first seen, since it was last looked at, and since the loaded
-- version first ran: whichever came last. What is noted ahead of now, by a clock that was wrong
-- then, says nothing of that. One that failed waits for its next try; that is no lag.
WITH p AS (
    SELECT unnest($processors) AS name, unnest($versions) AS version,
           unnest($main_only) AS main_only, CAST(unnest($began) AS TIMESTAMP) AS began_at
),
t AS (
    SELECT session_key, size, mtime_ns, first_seen_at,
           $roots IS NULL OR root IN (SELECT unnest(CAST($roots AS VARCHAR[]))) AS walked,
           contains(session_key, '/subagents/')
               OR starts_with(list_last(string_split(session_key, '/')), 'agent-') AS of_agent
      FROM transcripts
     WHERE gone_at IS NULL
),
looked AS (
    SELECT p.name,
           s.session_file IS NOT NULL          AS tried,
           coalesce(s.attempts > 0, false) AND s.dead_at IS NULL AS failing,
           s.dead_at IS NOT NULL               AS dead,
           s.last_attempt_at > CAST($recently AS TIMESTAMP) AS recent,
           s.processed_at,
           t.walked
               AND coalesce(s.attempts, 0) = 0
               AND s.dead_at IS NULL
               AND (s.processed_at IS NULL
                    OR s.version  IS DISTINCT FROM p.version
                    OR s.size     IS DISTINCT FROM t.size
                    OR s.mtime_ns IS DISTINCT FROM t.mtime_ns) AS pending,
           greatest(make_timestamp(t.mtime_ns // 1000),
                    CASE WHEN t.first_seen_at   <= CAST($now AS TIMESTAMP) THEN t.first_seen_at END,
                    CASE WHEN s.last_attempt_at <= CAST($now AS TIMESTAMP) THEN s.last_attempt_at END,
                    CASE WHEN p.began_at        <= CAST($now AS TIMESTAMP) THEN p.began_at END) AS since,
           p.began_at IS NOT NULL              AS began
      FROM p
           JOIN t ON NOT (p.main_only AND t.of_agent)
           LEFT JOIN session_processor_state s
                  ON s.processor_name = p.name
                 AND s.session_file   = t.session_key
)
SELECT name                                        AS processor,
       count(*) FILTER (pending)                   AS pending,
       min(since) FILTER (pending AND began)       AS waiting_since,
       count(*) FILTER (tried)                     AS tried,
       count(*) FILTER (failing)                   AS failing,
       count(*) FILTER (dead)                      AS dead,
       count(*) FILTER (recent)                    AS tried_lately,
       count(*) FILTER (recent AND (failing OR dead)) AS failing_lately,
       max(processed_at)                           AS last_processed_at
  FROM looked
 GROUP BY name;

-- name: held_by_roots
SELECT root, count(*) FROM transcripts WHERE gone_at IS NULL GROUP BY root;

-- name: growth
-- Bytes of all transcripts, of those first seen lately, and when the first of all was seen.
SELECT coalesce(sum(size), 0)::BIGINT,
       coalesce(sum(size) FILTER (first_seen_at > CAST($since AS TIMESTAMP)), 0)::BIGINT,
       min(first_seen_at)
  FROM transcripts;

-- name: commit_number
SELECT coalesce(max(number), 0) FROM commits;
