-- Which sessions a processor's rollups are to be made anew of. `_stale` holds those at work.

-- name: stale
-- How many sessions, and how many rollups that are not whole.
SELECT (SELECT count(*) FROM stale_sessions WHERE processor_name = $processor),
       (SELECT count(*) FROM rollups WHERE processor_name = $processor AND NOT whole);

-- name: begin
CREATE OR REPLACE TEMP TABLE _stale AS
SELECT DISTINCT username, session_id FROM stale_sessions WHERE processor_name = $processor;

-- name: extent
-- How many rollups are not whole, and which part of all sessions is stale.
SELECT (SELECT count(*) FROM rollups WHERE processor_name = $processor AND NOT whole),
       (SELECT count(*) FROM _stale)
       / nullif((SELECT count(*) FROM (SELECT DISTINCT username, session_id FROM transcripts)), 0);

-- name: end
DELETE FROM stale_sessions WHERE processor_name = $processor;

-- name: are_whole
UPDATE rollups SET whole = true WHERE processor_name = $processor AND NOT whole;

-- name: mark_jobs
INSERT INTO stale_sessions BY NAME
SELECT DISTINCT $processor AS processor_name, username, session_id FROM _jobs;

-- name: mark_renamed
-- Rows of `_renamed` leave the session that the rows or `transcripts` name, for another.
INSERT INTO stale_sessions BY NAME
SELECT DISTINCT r.processor_name, s.username, s.session_id
  FROM (SELECT DISTINCT processor_name FROM rollups) r
       CROSS JOIN (SELECT t.username, t.session_id
                     FROM transcripts t SEMI JOIN _renamed USING (session_key)
                    UNION
                   SELECT t.username, n.session_id
                     FROM transcripts t JOIN _renamed n USING (session_key)) s;
