-- What `sessions` lists.

-- name: sessions
-- The latest first; $since is a day of $timezone on which, or after which, something happened.
SELECT session_id, username, agent, project, started_at, ended_at, responses, input_tokens,
       output_tokens, cache_read_tokens, tool_calls, tool_errors, prompts, transcripts,
       unpriced_responses, round(cost_usd, 6) AS cost_usd, session_key
  FROM session_usage
 WHERE ($user IS NULL OR username = $user)
   AND ($since IS NULL
        OR timezone($timezone, timezone('UTC', ended_at)) >= CAST($since AS TIMESTAMP))
 ORDER BY ended_at DESC NULLS LAST, username, session_id
 LIMIT $limit;
