-- Which version of a processor has read what, and what was noted when another took its place.

-- name: readings
-- How a processor has read each transcript; of one, or of all.
SELECT session_file, version, size, mtime_ns, fingerprint, attempts, last_error
  FROM session_processor_state
 WHERE processor_name = $processor
   AND ($session IS NULL OR session_file = $session);

-- name: read_by_others
-- Transcripts whose rows another version wrote.
SELECT session_file, version
  FROM session_processor_state
 WHERE processor_name = $processor
   AND version <> $version
   AND processed_at IS NOT NULL;

-- name: now_read_by
-- How many of these transcripts' rows are this version's now.
SELECT count(*)
  FROM session_processor_state
 WHERE processor_name = $processor
   AND version = $version
   AND attempts = 0
   AND session_file IN (SELECT unnest($keys));

-- name: other_versions
-- How many transcripts other versions have counted, and how many of these are gone.
SELECT s.version, count(*), count(t.gone_at)
  FROM session_processor_state s
       LEFT JOIN transcripts t ON t.session_key = s.session_file
 WHERE s.processor_name = $processor
   AND s.version <> $version
   AND s.processed_at IS NOT NULL
   AND s.items_extracted > 0
 GROUP BY s.version
 ORDER BY s.version;

-- name: add_version_note
INSERT INTO version_notes BY NAME
SELECT $processor AS processor_name, $from_version AS from_version, $to_version AS to_version,
       CAST($swapped_at AS TIMESTAMP) AS swapped_at, $actor AS actor, $transcripts AS transcripts,
       $figures AS figures, $why AS why;

-- name: states_of
-- The states of the transcripts in `_keys`, as they stand.
SELECT s.*
  FROM session_processor_state s
       SEMI JOIN _keys k ON s.session_file = k.session_key;

-- name: identities_of
SELECT session_key, session_id, agent, client_version, cwd, project
  FROM transcripts
       SEMI JOIN _keys USING (session_key);

-- name: name_otherwise
-- What the shadow's version makes of the first records, where that is something else.
CREATE OR REPLACE TEMP TABLE _named AS
SELECT s.session_key, s.session_id, s.agent, s.client_version, s.cwd, s.project, t.fingerprint
  FROM _shadow s
       JOIN transcripts t USING (session_key)
 WHERE (s.session_id, s.agent, s.client_version, s.cwd, s.project)
       IS DISTINCT FROM (t.session_id, t.agent, t.client_version, t.cwd, t.project);
