-- What commits and pull requests took: `report usage` by commit or pr. Of each session, what was used
-- after one and up to the next is the next one's; what was used after the last is nobody's.

-- name: by_outcome
WITH seen AS (
    SELECT username, session_id, "at", detail
      FROM events
     WHERE counted
       AND kind = $kind
       AND detail IS NOT NULL
       AND "at" IS NOT NULL
       AND ($user IS NULL OR username = $user)
),
outcomes AS (
    -- A commit is made once, and may be printed later; a pull request goes on until it is seen last.
    SELECT username, session_id, "at", detail
      FROM seen
   QUALIFY $kind = 'pull_request'
        OR row_number() OVER (PARTITION BY username, session_id, detail ORDER BY "at") = 1
),
-- Of several at one time, the first by name has the usage before them.
ends AS (
    SELECT username, session_id, "at", min(detail) AS detail FROM outcomes GROUP BY ALL
),
used AS (
    SELECT r.username, r.session_id, e.detail, r.unpriced, r.cost_usd,
           r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_5m_tokens,
           r.cache_write_1h_tokens
      FROM response_costs r
           ASOF LEFT JOIN ends e
           ON  r.username = e.username
           AND r.session_id = e.session_id
           AND r."at" <= e."at"
     WHERE r.counted
       AND ($user  IS NULL OR r.username = $user)
       AND ($since IS NULL OR timezone($timezone, timezone('UTC', r."at")) >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR timezone($timezone, timezone('UTC', r."at")) <  CAST($until AS TIMESTAMP))
),
sums AS (
    SELECT detail, count(DISTINCT (username, session_id)) AS sessions, count(*) AS responses,
           sum(COLUMNS('_tokens$'))::BIGINT AS '\0',
           count(unpriced) AS unpriced_responses,
           sum(cost_usd) AS cost_usd
      FROM used
     GROUP BY detail
),
-- Without a time, all that were seen; with one, those that were seen or paid for within it.
told AS (
    SELECT detail, string_agg(DISTINCT username, ', ' ORDER BY username) AS "user",
           arg_min(session_id, ("at", session_id)) AS session, min("at") AS "at",
           count(DISTINCT (username, session_id)) AS sessions
      FROM outcomes
     GROUP BY detail
    HAVING bool_or(($since IS NULL
                    OR timezone($timezone, timezone('UTC', "at")) >= CAST($since AS TIMESTAMP))
               AND ($until IS NULL
                    OR timezone($timezone, timezone('UTC', "at")) <  CAST($until AS TIMESTAMP)))
        OR detail IN (SELECT detail FROM sums)
)
SELECT detail AS grp, t."user", t.session, t."at",
       coalesce(t.sessions, s.sessions, 0) AS sessions,
       coalesce(s.responses, 0)             AS responses,
       coalesce(s.input_tokens, 0)          AS input_tokens,
       coalesce(s.output_tokens, 0)         AS output_tokens,
       coalesce(s.cache_read_tokens, 0)     AS cache_read_tokens,
       coalesce(s.cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
       coalesce(s.cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
       coalesce(s.unpriced_responses, 0)    AS unpriced_responses,
       round(CASE WHEN s.responses IS NULL THEN 0 ELSE s.cost_usd END, 6) AS cost_usd
  FROM told t
       FULL JOIN sums s USING (detail)
 ORDER BY t."at" NULLS LAST, detail NULLS LAST;
