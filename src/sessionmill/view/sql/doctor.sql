-- What `doctor` finds in the facts: of transcripts that still exist, unless it says otherwise.

-- name: gone
SELECT root, count(*), min(gone_at)
  FROM transcripts
 WHERE gone_at IS NOT NULL
 GROUP BY root
 ORDER BY root;

-- name: taken_in
SELECT DISTINCT session_file FROM session_processor_state WHERE processed_at IS NOT NULL;

-- name: unknown_transcripts
-- Those that no line tells the format of.
SELECT session_key, size
  FROM transcripts
 WHERE agent = 'unknown'
   AND gone_at IS NULL
   AND session_key IN (SELECT session_file FROM session_processor_state
                        WHERE processed_at IS NOT NULL)
 ORDER BY session_key;

-- name: client_versions
SELECT agent, client_version, count(*)
  FROM transcripts
 WHERE agent <> 'unknown'
   AND gone_at IS NULL
 GROUP BY agent, client_version;

-- name: line_types
-- Types that no decoder knows, with the place of one such line.
SELECT l.agent, l.line_type, l.client_version, sum(l.lines)::BIGINT,
       min(l.session_key), arg_min(l.line_offset, l.session_key)
  FROM line_types l
       JOIN transcripts t ON l.session_key = t.session_key AND t.gone_at IS NULL
 WHERE NOT l.known
   AND l.agent <> 'unknown'
   AND l.line_type <> '(malformed)'
 GROUP BY l.agent, l.line_type, l.client_version
 ORDER BY l.agent, l.line_type, l.client_version;

-- name: lost_fields
SELECT l.agent, l.line_type, l.client_version, sum(l.lost_fields)::BIGINT,
       min(l.session_key)
  FROM line_types l
       JOIN transcripts t ON l.session_key = t.session_key AND t.gone_at IS NULL
 WHERE l.lost_fields > 0
 GROUP BY l.agent, l.line_type, l.client_version
 ORDER BY l.agent, l.line_type, l.client_version;

-- name: recovered_lines
SELECT l.agent, sum(l.recovered_lines)::BIGINT, min(l.session_key)
  FROM line_types l
       JOIN transcripts t ON l.session_key = t.session_key AND t.gone_at IS NULL
 WHERE l.recovered_lines > 0
 GROUP BY l.agent
 ORDER BY l.agent;

-- name: malformed_lines
SELECT m.reason, count(*), min(m.session_key), arg_min(m.line_offset, (m.session_key, m.line_offset))
  FROM malformed_lines m
       JOIN transcripts t ON m.session_key = t.session_key AND t.gone_at IS NULL
 GROUP BY m.reason
 ORDER BY count(*) DESC, m.reason;

-- name: understood
-- Bytes that are not understood (malformed lines are among them), and all that were read.
WITH unknown AS (
    SELECT coalesce(sum(l.unknown_bytes), 0)::BIGINT AS bytes
      FROM line_types l
           JOIN transcripts t ON l.session_key = t.session_key AND t.gone_at IS NULL
),
taken_in AS (
    SELECT coalesce(sum(s.safe_offset), 0)::BIGINT AS bytes
      FROM session_processor_state s
           JOIN transcripts t ON s.session_file = t.session_key AND t.gone_at IS NULL
     WHERE s.processor_name = 'inventory'
       AND s.processed_at IS NOT NULL
)
SELECT u.bytes, greatest(u.bytes, i.bytes) FROM unknown u, taken_in i;

-- name: claimed_by_several
-- Ids that more than one user's transcripts hold, gone ones too: each counts its own.
WITH claimed AS (
    SELECT id, string_agg(DISTINCT username, ', ' ORDER BY username) AS users
      FROM (SELECT response_id AS id, username FROM responses WHERE counted
             UNION ALL
            SELECT tool_use_id, username FROM tool_calls WHERE counted)
     GROUP BY id
    HAVING count(DISTINCT username) > 1
)
SELECT users, count(*)
  FROM claimed
 GROUP BY users
 ORDER BY count(*) DESC, users;

-- name: cut_short
-- Transcripts of which a rest without an end was left, and that nobody has written to for a day.
SELECT s.safe_offset, t.session_key, t.username, t.root, t.path, t.agent, t.client_version
  FROM session_processor_state s
       JOIN transcripts t ON s.session_file = t.session_key AND t.gone_at IS NULL
 WHERE s.processor_name = 'inventory'
   AND s.processed_at IS NOT NULL
   AND s.safe_offset < s.size
   AND s.mtime_ns < $before
   AND ends_with(t.path, '.jsonl')
 ORDER BY t.session_key;

-- name: samples
-- The latest transcripts of each client version.
SELECT session_key, username, root, path, agent, client_version
  FROM transcripts
 WHERE gone_at IS NULL
   AND agent <> 'unknown'
   AND client_version IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY agent, client_version
                               ORDER BY mtime_ns DESC, session_key) <= 2;
