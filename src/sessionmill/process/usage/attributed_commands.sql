-- One row for each counted slash command, with the responses that followed it in the main
-- transcript until a person typed the next prompt or command; and one for a copy that is not counted
-- where responses behind it are, as in the session that a fork was made of.
WITH turns AS (
    SELECT session_key, "at", line_offset, command_id FROM slash_commands WHERE "at" IS NOT NULL
     UNION ALL
    -- What a user line repeats begins its turn with that line.
    SELECT session_key, "at", line_offset, NULL FROM prompts WHERE "at" IS NOT NULL AND NOT repeated
),
begun AS (
    -- Of several at one time the last to be written; '' where it is a prompt.
    SELECT session_key, "at",
           arg_max(coalesce(command_id, ''), (line_offset, coalesce(command_id, ''))) AS command_id
      FROM turns
     GROUP BY session_key, "at"
),
followed AS (
    SELECT r.session_key, b.command_id,
           count(*) AS responses, count(unpriced) AS unpriced_responses,
           sum(COLUMNS('^(in|out)put_tokens$|^cache_\w+_tokens$')) AS '\0',
           sum(cost_usd) AS cost_usd
      FROM response_costs r
           ASOF JOIN begun b
           ON  r.session_key = b.session_key
           AND r."at" >= b."at"
     WHERE r.counted
       AND r.agent_id IS NULL
       AND r.copy_rank = 1
       AND b.command_id <> ''
     GROUP BY r.session_key, b.command_id
)
SELECT c.username, c.session_id, session_key, c.line_offset, c.project, c."at", command_id,
       c.counted IS TRUE                    AS counted,
       c.command, c.plugin,
       coalesce(f.responses, 0)             AS responses,
       coalesce(f.input_tokens, 0)          AS input_tokens,
       coalesce(f.output_tokens, 0)         AS output_tokens,
       coalesce(f.cache_read_tokens, 0)     AS cache_read_tokens,
       coalesce(f.cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
       coalesce(f.cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
       coalesce(f.unpriced_responses, 0)    AS unpriced_responses,
       CASE WHEN f.responses IS NULL THEN 0 ELSE f.cost_usd END AS cost_usd
  FROM slash_commands c
       LEFT JOIN followed f USING (session_key, command_id)
 WHERE c.counted
    OR f.responses > 0
