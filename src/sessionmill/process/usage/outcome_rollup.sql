-- What was used up to each commit and pull request, summed up by session and quarter of an hour. Of
-- each session, what was used after one and up to the next is the next one's.
WITH seen AS (
    SELECT username, session_id, kind, detail, "at"
      FROM events
     WHERE counted
       AND kind IN ('commit', 'pull_request')
       AND detail IS NOT NULL
       AND "at" IS NOT NULL
    -- A commit is made once, and may be printed later; a pull request goes on until it is seen last.
   QUALIFY kind = 'pull_request'
        OR row_number() OVER (PARTITION BY username, session_id, kind, detail ORDER BY "at") = 1
),
-- Of several at one time, the first by name has the usage before them.
ends AS (
    SELECT username, session_id, kind, "at", min(detail) AS detail FROM seen GROUP BY ALL
),
used AS (
    SELECT r.*, k.kind
      FROM response_costs r
           JOIN (SELECT DISTINCT username, session_id, kind FROM ends) k USING (username, session_id)
     WHERE r.counted
),
summed AS (
    SELECT time_bucket(INTERVAL 15 MINUTE, u."at") AS quarter,
           u.session_id, u.username, u.kind, e.detail,
           count(*) AS responses, count(unpriced) AS unpriced_responses,
           sum(COLUMNS('^(in|out)put_tokens$|^cache_\w+_tokens$')) AS '\0',
           sum(cost_usd) AS cost_usd
      FROM used u
           ASOF JOIN ends e
           ON  u.username = e.username
           AND u.session_id = e.session_id
           AND u.kind = e.kind
           AND u."at" <= e."at"
     GROUP BY ALL
)
SELECT *, md5_number(username || chr(31) || session_id) AS session_hash FROM summed
