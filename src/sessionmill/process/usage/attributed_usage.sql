-- One row for each counted call, with what it brought about: the sub-agent run that it started, and
-- what its result took, by estimate, of the response that read it first. A run has the call that its
-- own session names, be that copy counted or not; one whose call was not seen there has a row
-- without a call.
WITH started AS (
    SELECT username, session_id, started_agent_id AS run_agent_id,
           arg_min(struct_pack(session_key, tool_use_id),
                   (kind <> 'subagent', coalesce("at", 'infinity'), tool_use_id,
                    counted IS NOT TRUE, session_key)) AS by
      FROM tool_calls
     WHERE started_agent_id IS NOT NULL
       AND name IS NOT NULL
     GROUP BY ALL
),
runs AS (
    SELECT username, session_id, agent_id                   AS run_agent_id,
           min(session_key)                                 AS session_key,
           arg_min(line_offset, (session_key, line_offset)) AS line_offset,
           min("at") AS "at", arg_min(project, ("at", project)) AS project,
           count(*)                                         AS run_responses,
           count(unpriced)                                  AS run_unpriced_responses,
           sum(COLUMNS('^(in|out)put_tokens$|^cache_\w+_tokens$')) AS 'run_\0',
           sum(cost_usd)                                    AS run_cost_usd
      FROM response_costs
     WHERE counted
       AND agent_id IS NOT NULL
     GROUP BY username, session_id, agent_id
),
begun AS (
    SELECT r.*, s.by.session_key AS by_session_key, s.by.tool_use_id AS by_tool_use_id
      FROM runs r
           LEFT JOIN started s USING (username, session_id, run_agent_id)
),
-- Each context, which is a transcript's conversation or one sub-agent run in it, with the times of
-- its responses; of several at one time the first to be written.
readers AS (
    SELECT session_key, coalesce(agent_id, CASE WHEN copy_rank = 2 THEN 'aside' ELSE '' END) AS run,
           "at", arg_min(response_id, (line_offset, response_id)) AS response_id
      FROM responses
     WHERE "at" IS NOT NULL
     GROUP BY ALL
),
added AS (
    SELECT session_key,
           coalesce(agent_id, CASE WHEN copy_rank = 2 THEN 'aside' ELSE '' END) AS run,
           result_at AS "at", tool_use_id, result_bytes AS bytes
      FROM tool_calls
     WHERE name IS NOT NULL
       AND result_bytes > 0
     UNION ALL
    SELECT session_key,
           coalesce(agent_id, CASE WHEN copy_rank = 2 THEN 'aside' ELSE '' END),
           "at", NULL, characters
      FROM prompts
     WHERE NOT repeated
       AND characters > 0
),
read AS (
    SELECT a.session_key, a.tool_use_id, r.response_id, a.bytes,
           sum(a.bytes) OVER (PARTITION BY a.session_key, r.response_id) AS all_bytes
      FROM added a
           ASOF JOIN readers r
           ON  a.session_key = r.session_key
           AND a.run = r.run
           AND a."at" < r."at"
),
-- HUGEINT, here and below: figures of a damaged line must not be an error.
estimated AS (
    SELECT session_key, f.tool_use_id, response_id, r.unpriced,
           r.input_tokens, r.cache_write_5m_tokens, r.cache_write_1h_tokens,
           r.input_per_million, r.cache_write_5m_per_million, r.cache_write_1h_per_million,
           r.input_tokens::HUGEINT + r.cache_write_5m_tokens + r.cache_write_1h_tokens AS new_tokens,
           -- A response that writes its whole context anew does so for no result of its own: of
           -- real results a byte takes some 0.4 tokens.
           least(new_tokens * f.bytes // f.all_bytes, f.bytes * 2 // 5) AS tokens
      FROM read f
           JOIN response_costs r USING (session_key, response_id)
     WHERE f.tool_use_id IS NOT NULL
),
-- Each class has its part, rounded down, so that parts never come to more than the whole.
parts AS (
    SELECT session_key, tool_use_id, response_id, unpriced,
           coalesce(input_tokens * tokens // nullif(new_tokens, 0), 0)::BIGINT AS input_tokens,
           coalesce(cache_write_5m_tokens * tokens // nullif(new_tokens, 0), 0)::BIGINT
               AS cache_write_5m_tokens,
           coalesce(cache_write_1h_tokens * tokens // nullif(new_tokens, 0), 0)::BIGINT
               AS cache_write_1h_tokens,
           input_per_million, cache_write_5m_per_million, cache_write_1h_per_million
      FROM estimated
),
results AS (
    SELECT *,
           CASE WHEN unpriced IS NULL
                THEN CAST((coalesce(input_tokens          * input_per_million, 0)
                         + coalesce(cache_write_5m_tokens * cache_write_5m_per_million, 0)
                         + coalesce(cache_write_1h_tokens * cache_write_1h_per_million, 0))
                         * 0.000001 AS DECIMAL(38, 15))
           END AS cost_usd
      FROM parts
),
attributed AS (
    SELECT c.username, c.session_id, c.session_key, c.line_offset, c.project, c."at", c.agent_id,
           c.tool_use_id, c.counted IS TRUE AS counted,
           c.name, c.kind, c.skill, c.subagent_type, c.mcp_server, c.plugin, c.program,
           c.is_error, c.error_kind, c.duration_seconds, c.result_bytes,
           b.run_agent_id,
           b.run_responses,
           b.run_input_tokens,
           b.run_output_tokens,
           b.run_cache_read_tokens,
           b.run_cache_write_5m_tokens,
           b.run_cache_write_1h_tokens,
           b.run_unpriced_responses,
           b.run_cost_usd,
           f.response_id                         AS result_response_id,
           coalesce(f.input_tokens, 0)           AS result_input_tokens,
           coalesce(f.cache_write_5m_tokens, 0)  AS result_cache_write_5m_tokens,
           coalesce(f.cache_write_1h_tokens, 0)  AS result_cache_write_1h_tokens,
           CASE WHEN f.response_id IS NULL THEN 0 ELSE f.cost_usd END AS result_cost_usd
      FROM tool_calls c
           LEFT JOIN begun b
           ON  b.by_session_key = c.session_key
           AND b.by_tool_use_id = c.tool_use_id
           LEFT JOIN results f
           ON  f.session_key = c.session_key
           AND f.tool_use_id = c.tool_use_id
     WHERE c.counted
        OR b.run_agent_id IS NOT NULL
     UNION ALL BY NAME
    SELECT username, session_id, session_key, line_offset, project, "at", false AS counted,
           run_agent_id, run_responses, run_input_tokens, run_output_tokens,
           run_cache_read_tokens, run_cache_write_5m_tokens, run_cache_write_1h_tokens,
           run_unpriced_responses, run_cost_usd
      FROM begun
     WHERE by_tool_use_id IS NULL
)
SELECT *,
       CASE WHEN run_agent_id IS NOT NULL
            THEN run_input_tokens + run_output_tokens + run_cache_read_tokens
                 + run_cache_write_5m_tokens + run_cache_write_1h_tokens
            WHEN kind <> 'subagent'
            THEN result_input_tokens + result_cache_write_5m_tokens + result_cache_write_1h_tokens
            -- What left no response in any transcript cost what nobody knows, unless it failed.
            WHEN is_error THEN 0
       END AS attributed_tokens,
       CASE WHEN run_agent_id IS NOT NULL THEN run_cost_usd
            WHEN kind <> 'subagent' THEN result_cost_usd
            WHEN is_error THEN 0
       END AS attributed_cost_usd
  FROM attributed
