-- What `status` tells beside how each processor stands.

-- name: waiting
-- Since when the longest waiting transcript of each processor waits: nanoseconds since 1970, as
-- its time of change says.
SELECT p.name, min(t.mtime_ns)
  FROM (SELECT unnest($processors) AS name, unnest($versions) AS version,
               unnest($main_only) AS main_only) p
       CROSS JOIN transcripts t
       LEFT JOIN session_processor_state s
              ON s.processor_name = p.name
             AND s.session_file   = t.session_key
 WHERE t.gone_at IS NULL
   AND NOT (p.main_only AND (contains(t.session_key, '/subagents/')
                             OR starts_with(list_last(string_split(t.session_key, '/')), 'agent-')))
   AND s.dead_at IS NULL
   AND (s.processed_at IS NULL
        OR s.version IS DISTINCT FROM p.version
        OR s.size IS DISTINCT FROM t.size
        OR s.mtime_ns IS DISTINCT FROM t.mtime_ns
        OR s.attempts > 0)
 GROUP BY p.name;

-- name: troubled
-- The sessions that a processor has failed on, those it has given up first.
SELECT processor_name AS processor, session_file AS session,
       CASE WHEN dead_at IS NULL THEN 'failing' ELSE 'dead' END AS state,
       attempts, failing_since, next_attempt_at, dead_at, last_error AS error
  FROM session_processor_state
 WHERE (attempts > 0 OR dead_at IS NOT NULL)
   AND ($processor IS NULL OR processor_name = $processor)
   AND ($state IS NULL OR (dead_at IS NULL) = ($state = 'failing'))
 ORDER BY dead_at IS NULL, failing_since, processor_name, session_file
 LIMIT $limit;
