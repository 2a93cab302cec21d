-- What is counted, summed up by session, quarter of an hour, and all that reports ask for. No time
-- zone's midnight lies within a quarter.
WITH summed AS (
    SELECT time_bucket(INTERVAL 15 MINUTE, "at") AS quarter,
           session_key, session_id, username, agent, project, model, client_version, entrypoint,
           min("at") AS first_at, max("at") AS last_at,
           sum(responses)::BIGINT AS responses,
           -- HUGEINT, here and elsewhere: figures of a damaged line must not be an error.
           sum(COLUMNS('_tokens$')) AS '\0',
           sum(COLUMNS('^(\w+_calls|\w+_errors|\w+_invocations|\w+_runs|\w+_commands|prompts|unpriced_responses)$'))::BIGINT AS '\0',
           sum(cost_usd) AS cost_usd
      FROM counted_usage
     GROUP BY ALL
)
-- Of 128 bits, to count distinct sessions by: several times as fast as by their names.
SELECT *, md5_number(username || chr(31) || session_id) AS session_hash FROM summed
