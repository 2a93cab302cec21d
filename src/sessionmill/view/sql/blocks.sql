-- What `report usage --by block` answers.

-- name: active_hours
-- The UTC hours, since 1970, in which each person asked an agent for something.
SELECT username, agent, list(hour ORDER BY hour)
  FROM (SELECT DISTINCT username, agent, epoch(quarter)::BIGINT // 3600 AS hour
          FROM usage_rollup
         WHERE quarter IS NOT NULL
           AND (responses > 0 OR prompts > 0)
           AND ($user IS NULL OR username = $user))
 GROUP BY username, agent
 ORDER BY username, agent;

-- name: blocks
-- $starts are, for each of $users and $agents, the UTC hours at which their blocks begin. A rate
-- needs some time to stand on: the first minute counts as a whole one.
WITH people AS (
    SELECT unnest($users) AS username, unnest($agents) AS agent, unnest($starts) AS starts
),
begun AS (
    SELECT username, agent,
           make_timestamp(unnest(starts)::BIGINT * 3_600_000_000) AS starts_at,
           starts_at + INTERVAL 5 HOUR                            AS ends_at,
           $now >= starts_at AND $now < ends_at                   AS running
      FROM people
),
chosen AS (
    SELECT *
      FROM begun
     WHERE ($since IS NULL OR timezone($timezone, timezone('UTC', starts_at)) >= CAST($since AS TIMESTAMP))
       AND ($until IS NULL OR timezone($timezone, timezone('UTC', starts_at)) <  CAST($until AS TIMESTAMP))
     ORDER BY starts_at DESC, username DESC, agent DESC
     LIMIT $limit + 1
),
used AS (
    FROM usage_rollup WHERE quarter >= (SELECT min(starts_at) FROM chosen)
),
summed AS (
    SELECT b.username, b.agent, b.starts_at, b.ends_at, b.running,
           min(u.first_at)                AS first_at,
           count(DISTINCT u.session_hash) AS sessions,
           sum(COLUMNS('^(responses|\w+_tokens|tool_calls|prompts|unpriced_responses)$')) AS '\0',
           sum(cost_usd)                AS cost_usd
      FROM used u
           ASOF JOIN chosen b
           ON  u.username = b.username
           AND u.agent = b.agent
           AND u.quarter >= b.starts_at
     WHERE u.quarter < b.ends_at
     GROUP BY ALL
),
rated AS (
    SELECT *,
           input_tokens + output_tokens + cache_read_tokens + cache_write_5m_tokens
               + cache_write_1h_tokens AS total_tokens,
           CASE WHEN running
                THEN greatest(epoch($now - first_at), 60) / 60 END       AS minutes,
           CASE WHEN running THEN epoch(ends_at - $now) / 60 END          AS minutes_left
      FROM summed
)
SELECT strftime(timezone($timezone, timezone('UTC', starts_at)), '%Y-%m-%dT%H:%M') AS block,
       strftime(timezone($timezone, timezone('UTC', ends_at)), '%Y-%m-%dT%H:%M')   AS ends_at,
       username AS user, agent, running, sessions,
       responses, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, total_tokens, tool_calls, prompts, cost_usd, unpriced_responses,
       round(minutes_left, 1)                                              AS minutes_left,
       round(total_tokens / minutes, 1)                                    AS tokens_per_minute,
       round(total_tokens + total_tokens / minutes * minutes_left)::BIGINT AS projected_tokens,
       round(cost_usd / minutes * 60, 6)                                   AS cost_usd_per_hour,
       round(cost_usd + cost_usd / minutes * minutes_left, 6)              AS projected_cost_usd
  FROM rated
 ORDER BY starts_at, username, agent;

-- name: quarters
-- What was used since a moment, by quarters of an hour.
SELECT username, agent, min(first_at), sum(cost_usd),
       sum(input_tokens + output_tokens + cache_read_tokens + cache_write_5m_tokens
           + cache_write_1h_tokens)::BIGINT,
       sum(unpriced_responses)::BIGINT
  FROM usage_rollup
 WHERE quarter >= $since
   AND (responses > 0 OR prompts > 0)
 GROUP BY username, agent, quarter
 ORDER BY 1, 2, 3;
