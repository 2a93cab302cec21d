-- The table of transcripts: what there is to read.

-- name: note_found
-- New transcripts, and those whose size or time changed, as the walk saw them.
MERGE INTO transcripts t
USING _found f
   ON t.session_key = f.session_key
 WHEN MATCHED AND (t.size IS DISTINCT FROM f.size OR t.mtime_ns IS DISTINCT FROM f.mtime_ns
                   OR t.gone_at IS NOT NULL OR t.path IS DISTINCT FROM f.path)
 THEN UPDATE SET root = f.root, path = f.path, size = f.size, mtime_ns = f.mtime_ns,
                 gone_at = NULL
 WHEN NOT MATCHED
 THEN INSERT (session_key, session_id, username, agent, root, path, size, mtime_ns, first_seen_at)
      VALUES (f.session_key, f.session_id, f.username, 'unknown', f.root, f.path, f.size,
              f.mtime_ns, $now);

-- name: any_news
-- Whether noting the walk would change a row.
SELECT EXISTS (FROM _found f
                    LEFT JOIN transcripts t USING (session_key)
              WHERE t.session_key IS NULL
                 OR t.size IS DISTINCT FROM f.size
                 OR t.mtime_ns IS DISTINCT FROM f.mtime_ns
                 OR t.gone_at IS NOT NULL
                 OR t.path IS DISTINCT FROM f.path)
    OR EXISTS (FROM transcripts t
                    ANTI JOIN _found USING (session_key)
              WHERE t.gone_at IS NULL
                AND t.root IN (SELECT unnest($roots)));

-- name: note_gone
-- Those below a root that was walked to its end and not found there. Their facts stay.
UPDATE transcripts
   SET gone_at = $now
 WHERE gone_at IS NULL
   AND root IN (SELECT unnest($roots))
   AND NOT EXISTS (FROM _found f WHERE f.session_key = transcripts.session_key);

-- name: held_by_roots
-- How many transcripts each root is known to hold.
SELECT root, count(*) FROM transcripts WHERE gone_at IS NULL GROUP BY root;

-- name: renamed
-- Transcripts, processed before, whose records now name another session or agent: `_named` holds
-- what the records say.
CREATE OR REPLACE TEMP TABLE _renamed AS
SELECT n.session_key, n.session_id, n.agent
  FROM _named n
       JOIN transcripts t USING (session_key)
 WHERE t.fingerprint IS NOT NULL
   AND (t.session_id IS DISTINCT FROM n.session_id OR t.agent IS DISTINCT FROM n.agent);

-- name: with_identity
-- The tables of extractors: those that carry what the framework adds to each row.
SELECT c.table_name
  FROM duckdb_columns() c
       JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
 WHERE NOT t.internal
   AND NOT t.temporary
   AND c.table_name <> 'transcripts'
   AND c.column_name IN ('session_key', 'session_id', 'username', 'agent')
 GROUP BY c.table_name
HAVING count(*) = 4;

-- name: note_identity
UPDATE transcripts t
   SET session_id = n.session_id, agent = n.agent, client_version = n.client_version,
       cwd = n.cwd, project = n.project, fingerprint = n.fingerprint
  FROM _named n
 WHERE t.session_key = n.session_key;

-- name: is_named
SELECT 1 FROM transcripts WHERE session_key = $session_key AND agent <> 'unknown';

-- name: note_identity_of_one
-- As an effectful processor's worker has seen it, unless an extractor's has.
UPDATE transcripts
   SET session_id = $session_id, agent = $agent, client_version = $client_version,
       cwd = $cwd, project = $project
 WHERE session_key = $session_key
   AND fingerprint IS NULL
   AND (session_id, agent, client_version, cwd, project)
       IS DISTINCT FROM ($session_id, $agent, $client_version, $cwd, $project);
