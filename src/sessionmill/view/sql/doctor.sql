-- What `doctor` finds in the facts.

-- name: by_root
SELECT root, count(*) FILTER (gone_at IS NULL), count(*) FILTER (gone_at IS NOT NULL),
       min(gone_at)
  FROM transcripts
 GROUP BY root;

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
 GROUP BY agent, client_version;

-- name: line_types
SELECT agent, line_type, client_version, sum(lines)::BIGINT
  FROM line_types
 WHERE NOT known
   AND agent <> 'unknown'
   AND line_type <> '(malformed)'
 GROUP BY agent, line_type, client_version;

-- name: lost_fields
SELECT agent, line_type, client_version, sum(lost_fields)::BIGINT
  FROM line_types
 WHERE lost_fields > 0
 GROUP BY agent, line_type, client_version;

-- name: recovered_lines
SELECT agent, sum(recovered_lines)::BIGINT, any_value(session_key) FILTER (recovered_lines > 0)
  FROM line_types
 GROUP BY agent
HAVING sum(recovered_lines) > 0;

-- name: malformed_lines
SELECT reason, count(*), any_value(session_key), any_value(line_offset)
  FROM malformed_lines
 GROUP BY reason
 ORDER BY count(*) DESC, reason;

-- name: understood
-- Bytes of all transcripts that exist, and of them those that are not understood (malformed lines
-- are among them).
SELECT coalesce(sum(size), 0)::BIGINT,
       (SELECT coalesce(sum(l.unknown_bytes), 0)
          FROM line_types l SEMI JOIN transcripts t
            ON l.session_key = t.session_key AND t.gone_at IS NULL)::BIGINT
  FROM transcripts
 WHERE gone_at IS NULL;

-- name: claimed_by_several
-- Ids that more than one user's transcripts hold: each counts its own.
WITH claimed AS (
    SELECT id, list(DISTINCT username) AS users
      FROM (SELECT response_id AS id, username FROM responses WHERE counted
             UNION ALL
            SELECT tool_use_id, username FROM tool_calls WHERE counted)
     GROUP BY id
    HAVING count(DISTINCT username) > 1
)
SELECT string_agg(DISTINCT username, ', ' ORDER BY username), count(DISTINCT id)
  FROM (SELECT id, unnest(users) AS username FROM claimed)
HAVING count(*) > 0;

-- name: cut_short
-- Transcripts that end within a line, and have not been written to for a day.
SELECT session_file, s.size - s.safe_offset
  FROM session_processor_state s
 WHERE processor_name = 'usage'
   AND processed_at IS NOT NULL
   AND safe_offset < size
   AND mtime_ns < $before
 ORDER BY session_file;

-- name: samples
-- The latest transcripts of each client version.
SELECT agent, client_version, session_key, path
  FROM transcripts
 WHERE gone_at IS NULL
   AND agent <> 'unknown'
   AND client_version IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY agent, client_version ORDER BY mtime_ns DESC) <= 2;
