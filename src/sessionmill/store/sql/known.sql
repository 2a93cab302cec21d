-- Transcripts that earlier walks have found.

-- name: known_transcripts
SELECT session_key, session_id, username, agent, client_version, project, root, path, size, gone_at
  FROM transcripts
 WHERE $session IS NULL OR session_key = $session
 ORDER BY session_key;

-- name: transcripts_of_session
SELECT session_key, session_id, username, agent, client_version, project, root, path, size, gone_at
  FROM transcripts
 WHERE username = $user
   AND session_id = $session;

-- name: readings
SELECT session_file, version, size, mtime_ns, safe_offset, fingerprint, carry
  FROM session_processor_state
 WHERE processor_name = $processor
   AND session_file IN (SELECT unnest($keys))
   AND safe_offset IS NOT NULL;

-- name: processed_by
SELECT session_file
  FROM session_processor_state
 WHERE processor_name = $processor
   AND ($session IS NULL OR session_file = $session);

-- name: begin_anew
-- `processed_at` stays: it tells that rows are stored, which the first success replaces.
UPDATE session_processor_state
   SET size = NULL, mtime_ns = NULL, safe_offset = 0, fingerprint = NULL, carry = NULL,
       file_hash = NULL, attempts = 0, next_attempt_at = NULL, failing_since = NULL,
       dead_at = NULL, last_error = NULL
 WHERE processor_name = $processor
   AND session_file IN (SELECT unnest($keys));

-- name: matching
-- Transcripts by key, by session id, or by the start of either or of the file's name: those that
-- match best, and whose session each is.
SELECT session_key, username, session_id
  FROM transcripts
 WHERE session_key = $given
    OR starts_with(session_key, $given)
    OR starts_with(session_id, $given)
    OR starts_with(list_last(string_split(session_key, '/')), $given)
QUALIFY dense_rank() OVER (ORDER BY CASE $given WHEN session_key THEN 1
                                                WHEN session_id THEN 2
                                                ELSE 3 END) = 1
 ORDER BY session_key;
