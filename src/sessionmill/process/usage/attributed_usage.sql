-- One row for each counted call, with what it brought about: the sub-agent run that it started, and
-- what its result took, by estimate, of the response that read it first. A run whose call was not
-- seen has a row without a call.
WITH started AS (
    -- A copy of the call may stand in the run's session where another one is counted.
    SELECT s.username, s.session_id, s.started_agent_id AS agent_id, c.tool_use_id,
           (c.kind <> 'subagent', coalesce(c."at", 'infinity'), c.tool_use_id) AS preference
      FROM tool_calls s
           JOIN tool_calls c ON c.username = s.username AND c.tool_use_id = s.tool_use_id
     WHERE s.started_agent_id IS NOT NULL
       AND c.counted
),
in_session AS (
    SELECT username, session_id, agent_id, arg_min(tool_use_id, preference) AS tool_use_id
      FROM started
     GROUP BY ALL
),
anywhere AS (
    SELECT username, agent_id, arg_min(tool_use_id, preference) AS tool_use_id
      FROM started
     GROUP BY ALL
),
runs AS (
    SELECT username, session_id, agent_id, min(session_key) AS session_key,
           arg_min(line_offset, (session_key, line_offset)) AS line_offset,
           min("at") AS "at", arg_min(project, "at") AS project,
           count(*) AS responses, count(unpriced) AS unpriced_responses,
           sum(COLUMNS('^(in|out)put_tokens$|^cache_\w+_tokens$'))::BIGINT AS '\0',
           sum(cost_usd) AS cost_usd
      FROM response_costs
     WHERE counted
       AND agent_id IS NOT NULL
     GROUP BY username, session_id, agent_id
),
called AS (
    SELECT r.*, coalesce(i.tool_use_id, a.tool_use_id) AS tool_use_id
      FROM runs r
           LEFT JOIN in_session i USING (username, session_id, agent_id)
           LEFT JOIN anywhere a USING (username, agent_id)
),
-- Forks hold parts of one run: its call has them all.
run_of_call AS (
    SELECT username, tool_use_id, min(agent_id) AS agent_id,
           sum(COLUMNS('^\w*responses$|_tokens$'))::BIGINT AS '\0', sum(cost_usd) AS cost_usd
      FROM called
     WHERE tool_use_id IS NOT NULL
     GROUP BY username, tool_use_id
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
    SELECT username, session_key,
           coalesce(agent_id, CASE WHEN copy_rank = 2 THEN 'aside' ELSE '' END) AS run,
           result_at AS "at", tool_use_id, result_bytes AS bytes
      FROM tool_calls
     WHERE counted
       AND result_bytes > 0
     UNION ALL
    SELECT username, session_key,
           coalesce(agent_id, CASE WHEN copy_rank = 2 THEN 'aside' ELSE '' END),
           "at", NULL, characters
      FROM prompts
     WHERE counted
       AND characters > 0
),
read AS (
    SELECT a.username, a.tool_use_id, r.response_id, a.bytes,
           sum(a.bytes) OVER (PARTITION BY a.username, r.response_id) AS all_bytes
      FROM added a
           ASOF JOIN readers r
           ON  a.session_key = r.session_key
           AND a.run = r.run
           AND a."at" < r."at"
),
-- HUGEINT, here and below: figures of a damaged line must not be an error.
estimated AS (
    SELECT f.username, f.tool_use_id, f.response_id, r.unpriced,
           r.input_tokens, r.cache_write_5m_tokens, r.cache_write_1h_tokens,
           r.input_per_million, r.cache_write_5m_per_million, r.cache_write_1h_per_million,
           r.input_tokens::HUGEINT + r.cache_write_5m_tokens + r.cache_write_1h_tokens AS new_tokens,
           -- A response that writes its whole context anew does so for no result of its own: of
           -- real results a byte takes some 0.4 tokens.
           least(new_tokens * f.bytes // f.all_bytes, f.bytes * 2 // 5) AS tokens
      FROM read f
           JOIN response_costs r USING (username, response_id)
     WHERE f.tool_use_id IS NOT NULL
       AND r.counted
),
-- Each class has its part, rounded down, so that parts never come to more than the whole.
parts AS (
    SELECT username, tool_use_id, response_id, unpriced,
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
           c.tool_use_id,
           c.name, c.kind, c.skill, c.subagent_type, c.mcp_server, c.plugin, c.program,
           c.is_error, c.duration_seconds, c.result_bytes,
           r.agent_id                            AS run_agent_id,
           r.responses                           AS run_responses,
           r.input_tokens                        AS run_input_tokens,
           r.output_tokens                       AS run_output_tokens,
           r.cache_read_tokens                   AS run_cache_read_tokens,
           r.cache_write_5m_tokens               AS run_cache_write_5m_tokens,
           r.cache_write_1h_tokens               AS run_cache_write_1h_tokens,
           r.unpriced_responses                  AS run_unpriced_responses,
           r.cost_usd                            AS run_cost_usd,
           f.response_id                         AS result_response_id,
           coalesce(f.input_tokens, 0)           AS result_input_tokens,
           coalesce(f.cache_write_5m_tokens, 0)  AS result_cache_write_5m_tokens,
           coalesce(f.cache_write_1h_tokens, 0)  AS result_cache_write_1h_tokens,
           CASE WHEN f.response_id IS NULL THEN 0 ELSE f.cost_usd END AS result_cost_usd
      FROM tool_calls c
           LEFT JOIN run_of_call r USING (username, tool_use_id)
           LEFT JOIN results f USING (username, tool_use_id)
     WHERE c.counted
     UNION ALL BY NAME
    SELECT username, session_id, session_key, line_offset, project, "at",
           agent_id              AS run_agent_id,
           responses             AS run_responses,
           input_tokens          AS run_input_tokens,
           output_tokens         AS run_output_tokens,
           cache_read_tokens     AS run_cache_read_tokens,
           cache_write_5m_tokens AS run_cache_write_5m_tokens,
           cache_write_1h_tokens AS run_cache_write_1h_tokens,
           unpriced_responses    AS run_unpriced_responses,
           cost_usd              AS run_cost_usd
      FROM called
     WHERE tool_use_id IS NULL
)
SELECT *,
       CASE WHEN run_agent_id IS NOT NULL
            THEN run_input_tokens::HUGEINT + run_output_tokens + run_cache_read_tokens
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
