-- Slash commands, and what is attributed to them, summed up by session and quarter of an hour.
WITH summed AS (
    SELECT time_bucket(INTERVAL 15 MINUTE, "at") AS quarter,
           session_id, username, command,
           count(*) FILTER (counted)             AS slash_commands,
           sum(input_tokens + output_tokens + cache_read_tokens + cache_write_5m_tokens
               + cache_write_1h_tokens)          AS attributed_tokens,
           sum(cost_usd)                         AS attributed_cost_usd
      FROM attributed_commands
     GROUP BY ALL
)
SELECT *, md5_number(username || chr(31) || session_id) AS session_hash FROM summed
