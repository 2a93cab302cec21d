-- The runs that the facts tell of.

-- name: since
-- Those that began at or after a time, the oldest first; all, without one.
SELECT run_id, processor_name, version, actor, started_at, seconds, outcome, seen, scanned,
       processed, skipped, capped, errors, items_extracted, resume_at, pause_reason
  FROM runs
 WHERE $since IS NULL OR started_at >= $since
 ORDER BY started_at, run_id;

-- name: one
SELECT run_id, processor_name, version, actor, started_at, seconds, outcome, seen, scanned,
       processed, skipped, capped, errors, items_extracted, resume_at, pause_reason
  FROM runs
 WHERE run_id = $run_id;

-- name: newest
-- The latest first, of one processor or of all; behind the one at which the page before ended.
SELECT run_id, processor_name, version, actor, started_at, seconds, outcome, seen, scanned,
       processed, skipped, capped, errors, items_extracted, resume_at, pause_reason
  FROM runs
 WHERE ($processor IS NULL OR processor_name = $processor)
   AND ($started_at IS NULL
        OR (started_at, run_id) < (CAST($started_at AS TIMESTAMP), $run_id))
 ORDER BY started_at DESC, run_id DESC
 LIMIT $limit;
