-- What is left to do, and how it went. `_found` is the walk, `_states` are new
-- state rows, `_marked` is what is in flight now: the caller hands them in.

-- name: pending
-- The transcripts that need a look by one processor: new, changed, of another version, or due for
-- another try. A dead letter is left alone until its content changes. The least recently
-- attempted come first, so that failing ones cannot starve the others. An attempt that lies ahead
-- was noted by a clock that was wrong then, and so was the wait after it: it waits no longer.
SELECT f.number,
       s.session_file IS NOT NULL,
       s.version,
       s.size,
       s.safe_offset,
       s.fingerprint,
       s.carry,
       s.file_hash,
       coalesce(s.attempts, 0),
       s.failing_since,
       s.processed_at,
       coalesce(s.items_extracted, 0)
  FROM _found f
       LEFT JOIN session_processor_state s
              ON s.processor_name = $processor
             AND s.session_file   = f.session_key
 WHERE (NOT $main_only OR f.is_main)
   AND (   s.session_file IS NULL
        OR s.size     IS DISTINCT FROM f.size
        OR s.mtime_ns IS DISTINCT FROM f.mtime_ns
        OR s.version  IS DISTINCT FROM $version
        OR (s.attempts > 0 AND s.dead_at IS NULL
            AND (s.next_attempt_at <= $now OR s.last_attempt_at > $now)))
 ORDER BY CASE WHEN s.last_attempt_at <= $now THEN s.last_attempt_at END NULLS FIRST, f.number;

-- name: delete_states
DELETE FROM session_processor_state s
 USING _states n
 WHERE s.processor_name = n.processor_name
   AND s.session_file   = n.session_file;

-- name: insert_states
INSERT INTO session_processor_state BY NAME
SELECT processor_name, session_file, username,
       make_timestamp(processed_at)    AS processed_at,
       items_extracted, file_hash, version, size, mtime_ns, safe_offset, fingerprint, carry,
       attempts,
       make_timestamp(last_attempt_at) AS last_attempt_at,
       make_timestamp(next_attempt_at) AS next_attempt_at,
       make_timestamp(failing_since)   AS failing_since,
       make_timestamp(dead_at)         AS dead_at,
       last_error
  FROM _states;

-- name: unmark_all
DELETE FROM in_flight WHERE processor_name = $processor;

-- name: unmark
DELETE FROM in_flight
 WHERE processor_name = $processor AND batch IN (SELECT unnest($batches));

-- name: mark
INSERT INTO in_flight BY NAME
SELECT processor_name, session_file, batch, $now AS marked_at, deaths, at_work FROM _marked;

-- name: left_in_flight
-- What a run that did not end had at work.
SELECT batch, list(session_file ORDER BY session_file), max(deaths), bool_or(at_work)
  FROM in_flight
 WHERE processor_name = $processor
 GROUP BY batch
 ORDER BY batch;

-- name: make_due
-- Failing and dead sessions of one processor (or of all), due at once.
UPDATE session_processor_state
   SET attempts = CASE WHEN dead_at IS NULL THEN attempts ELSE 1 END,
       next_attempt_at = $now,
       dead_at = NULL
 WHERE (attempts > 0 OR dead_at IS NOT NULL)
   AND ($processor IS NULL OR processor_name = $processor)
   AND ($session IS NULL OR session_file = $session)
RETURNING processor_name, session_file;

-- name: last_runs
-- Each processor's last run; and, where that was paused, when the run began that paused it: those
-- that came before its time was over left the same moment to resume at. The last is the one that
-- was written last, whatever a clock said then.
WITH last AS (
    SELECT processor_name,
           arg_max(started_at, rowid)        AS started_at,
           arg_max(outcome, rowid)           AS outcome,
           arg_max_null(resume_at, rowid)    AS resume_at,
           arg_max_null(pause_reason, rowid) AS pause_reason
      FROM runs
     GROUP BY processor_name
)
SELECT l.processor_name, l.started_at, l.outcome, l.resume_at, l.pause_reason,
       coalesce((SELECT min(r.started_at)
                   FROM runs r
                  WHERE r.processor_name = l.processor_name
                    AND r.resume_at = l.resume_at), l.started_at)
  FROM last l;

-- name: insert_run
INSERT INTO runs BY NAME
SELECT $run_id AS run_id, $processor_name AS processor_name, $version AS version,
       $actor AS actor, CAST($started_at AS TIMESTAMP) AS started_at, $seconds AS seconds,
       $outcome AS outcome, $seen AS seen, $scanned AS scanned, $processed AS processed,
       $skipped AS skipped, $capped AS capped, $errors AS errors,
       $items_extracted AS items_extracted, CAST($resume_at AS TIMESTAMP) AS resume_at,
       $pause_reason AS pause_reason;

-- name: standing
-- How each processor stands: the sessions it has failed on, and those it has given up.
SELECT processor_name,
       count(*) FILTER (attempts > 0 AND dead_at IS NULL),
       count(*) FILTER (dead_at IS NOT NULL)
  FROM session_processor_state
 GROUP BY processor_name;

-- name: count_pending
-- Transcripts that still exist, as the last walk saw them, and wait for one processor.
SELECT count(*)
  FROM transcripts t
       LEFT JOIN session_processor_state s
              ON s.processor_name = $processor
             AND s.session_file   = t.session_key
 WHERE t.gone_at IS NULL
   AND NOT ($main_only AND (contains(t.session_key, '/subagents/')
                            OR starts_with(list_last(string_split(t.session_key, '/')), 'agent-')))
   AND s.dead_at IS NULL
   AND coalesce(s.attempts, 0) = 0
   AND (s.processed_at IS NULL
        OR s.version IS DISTINCT FROM $version
        OR s.size IS DISTINCT FROM t.size
        OR s.mtime_ns IS DISTINCT FROM t.mtime_ns);
