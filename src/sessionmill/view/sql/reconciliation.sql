-- What the vendor counted beside what is counted here, by person, source and UTC day. `_people` is
-- a view of (vendor_name, username). Token classes come in the order of `Tokens`: input, output,
-- cache read, cache write. Sums are HUGEINT: absurd figures of a damaged line must not be an error.

-- name: vendor_names
SELECT DISTINCT vendor_name FROM vendor_usage ORDER BY ALL;

-- name: said_names
SELECT vendor_name, username FROM vendor_names;

-- name: usernames
SELECT DISTINCT username FROM transcripts;

-- name: theirs
SELECT p.username, u.source, u.day, list(DISTINCT u.vendor_name ORDER BY u.vendor_name),
       sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
       sum(cache_creation_tokens),
       round(sum(cost_usd), 6), sum(sessions), max(as_of)
  FROM vendor_usage u
       LEFT JOIN _people p USING (vendor_name)
 GROUP BY p.username, u.source, u.day, CASE WHEN p.username IS NULL THEN u.vendor_name END;

-- name: ours
-- The vendor's sources tell of Claude Code alone.
SELECT username, "at"::DATE AS day,
       sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
       sum(cache_write_5m_tokens) + sum(cache_write_1h_tokens),
       count(DISTINCT session_id), max("at"),
       round(coalesce(sum(cost_usd), CASE WHEN sum(unpriced_responses) = 0 THEN 0 END), 6),
       sum(unpriced_responses)
  FROM counted_usage
 WHERE responses = 1 AND agent = 'claude-code'
   AND "at"::DATE IN (SELECT day FROM vendor_usage)
 GROUP BY ALL;

-- name: covered_days
SELECT DISTINCT source, day FROM vendor_usage;

-- name: last_told
-- Until when the imported telemetry tells anything, whoever it is.
SELECT source, max(as_of) FROM vendor_usage WHERE source = 'otel' GROUP BY source;

-- name: first_seen
SELECT username, min(first_seen_at) FROM transcripts GROUP BY username;

-- name: not_read
-- When each was last written to, nanoseconds since 1970.
SELECT t.username, list(t.mtime_ns)
  FROM transcripts t
       LEFT JOIN session_processor_state s
              ON s.processor_name = 'usage' AND s.session_file = t.session_key
 WHERE t.gone_at IS NULL
   AND (s.processed_at IS NULL OR s.failing_since IS NOT NULL OR s.dead_at IS NOT NULL)
 GROUP BY t.username;

-- name: flags_partial
SELECT column_name
  FROM duckdb_columns()
 WHERE table_name = 'responses' AND column_name = 'output_is_partial';

-- name: partial
SELECT username, "at"::DATE AS day, count(*)
  FROM responses
 WHERE counted AND agent = 'claude-code' AND output_is_partial
 GROUP BY ALL;

-- name: other_machine
-- Sessions of theirs that no transcript of the person belongs to.
SELECT p.username, u.source, u.day,
       -sum(input_tokens), -sum(output_tokens), -sum(cache_read_tokens),
       -sum(cache_creation_tokens), list(DISTINCT u.session_id ORDER BY u.session_id)
  FROM vendor_usage u
       JOIN _people p USING (vendor_name)
       ANTI JOIN transcripts t ON t.username = p.username AND t.session_id = u.session_id
 WHERE u.session_id IS NOT NULL
 GROUP BY ALL;

-- name: no_telemetry
-- Sessions of ours that a source never names which names sessions of that person and day.
WITH named AS (
    SELECT DISTINCT p.username, u.source, u.day, u.session_id
      FROM vendor_usage u
           JOIN _people p USING (vendor_name)
     WHERE u.session_id IS NOT NULL
)
SELECT c.username, n.source, n.day,
       sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
       sum(cache_write_5m_tokens) + sum(cache_write_1h_tokens),
       list(DISTINCT c.session_id ORDER BY c.session_id)
  FROM counted_usage c
       JOIN (SELECT DISTINCT username, source, day FROM named) n
         ON n.username = c.username AND n.day = c."at"::DATE
       ANTI JOIN named o
         ON o.username = c.username AND o.source = n.source AND o.session_id = c.session_id
 WHERE c.responses = 1 AND c.agent = 'claude-code'
 GROUP BY ALL;

-- name: background
-- What the client asked for itself: `query_source` of the monitoring page.
SELECT p.username, u.source, u.day,
       -sum(input_tokens), -sum(output_tokens), -sum(cache_read_tokens),
       -sum(cache_creation_tokens), list(DISTINCT u.model ORDER BY u.model)
  FROM vendor_usage u
       JOIN _people p USING (vendor_name)
       SEMI JOIN transcripts t ON t.username = p.username AND t.session_id = u.session_id
 WHERE u.source = 'otel' AND u.part = 'auxiliary'
 GROUP BY ALL;

-- name: other_models
-- Models of theirs that no response of that person and day names.
SELECT p.username, u.source, u.day,
       -sum(input_tokens), -sum(output_tokens), -sum(cache_read_tokens),
       -sum(cache_creation_tokens), list(DISTINCT u.model ORDER BY u.model)
  FROM vendor_usage u
       JOIN _people p USING (vendor_name)
       ANTI JOIN counted_usage c
         ON c.username = p.username AND c."at"::DATE = u.day AND c.model = u.model
            AND c.responses = 1
 WHERE u.model IS NOT NULL
   AND NOT (u.source = 'otel' AND u.part = 'auxiliary')
   AND (u.session_id IS NULL
        OR EXISTS (FROM transcripts t
                    WHERE t.username = p.username AND t.session_id = u.session_id))
 GROUP BY ALL;

-- name: copies
SELECT username, "at"::DATE AS day,
       -sum(input_tokens), -sum(output_tokens), -sum(cache_read_tokens),
       -sum(cache_write_5m_tokens) - sum(cache_write_1h_tokens), count(*)
  FROM responses
 WHERE NOT counted AND agent = 'claude-code'
   AND "at"::DATE IN (SELECT day FROM vendor_usage)
 GROUP BY ALL;

-- name: shared
-- Responses that are counted for several usernames, and were answered once.
SELECT r.username, r."at"::DATE AS day,
       sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
       sum(cache_write_5m_tokens) + sum(cache_write_1h_tokens), count(*)
  FROM responses r
 WHERE counted AND agent = 'claude-code'
   AND "at"::DATE IN (SELECT day FROM vendor_usage)
   AND EXISTS (FROM responses o
                WHERE o.key_hash = r.key_hash AND o.response_id = r.response_id
                  AND o.username <> r.username AND o.counted)
 GROUP BY ALL;
