-- What `sessions` lists.

-- name: sessions
-- The latest first; $since is a day of $timezone on which, or after which, something happened.
-- Those behind one that the page before ended with, where $behind is given.
SELECT session_id, username, agent, project, started_at, ended_at, responses, input_tokens,
       output_tokens, cache_read_tokens, tool_calls, tool_errors, prompts, transcripts,
       unpriced_responses, round(cost_usd, 6) AS cost_usd, session_key
  FROM session_usage
 WHERE ($user IS NULL OR username = $user)
   AND ($since IS NULL
        OR timezone($timezone, timezone('UTC', ended_at)) >= CAST($since AS TIMESTAMP))
   AND (NOT $behind
        OR (ended_at IS NULL AND $ended_at IS NOT NULL)
        OR ended_at < CAST($ended_at AS TIMESTAMP)
        OR (ended_at IS NOT DISTINCT FROM CAST($ended_at AS TIMESTAMP)
            AND (username, session_id) > ($username, $session_id)))
 ORDER BY ended_at DESC NULLS LAST, username, session_id
 LIMIT $limit;
