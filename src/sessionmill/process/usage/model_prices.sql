-- What each model that responses name costs, by speed, service tier and geography, in each stretch
-- of time and of size: at most one row holds for a response. A price that the configuration sets
-- goes before the list's, wherever it holds; of the list, the first model that matches is the one.
WITH names AS (
    SELECT DISTINCT model AS name FROM responses WHERE model IS NOT NULL
),
spelled AS (
    SELECT name, 1 AS attempt, lower(name) AS spelling FROM names
    UNION
    -- gpt-5.2-20251211 is written gpt-5.2-2025-12-11 in the list.
    SELECT name, 2,
           regexp_replace(lower(name),
                          '-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(-|:|$)', '-\1-\2-\3\4')
      FROM names
),
rules AS (
    SELECT DISTINCT priority, pattern, except_pattern FROM prices
),
matching AS (
    SELECT name, attempt, priority
      FROM spelled
           JOIN rules ON regexp_matches(spelling, pattern)
                     AND (except_pattern IS NULL OR NOT regexp_matches(spelling, except_pattern))
),
chosen AS (
    SELECT name, priority FROM matching WHERE priority < 0
    UNION
    SELECT name, arg_min(priority, (attempt, priority)) FROM matching WHERE priority > 0 GROUP BY name
),
offers AS (
    SELECT name, prices.*, coalesce(valid_from, '-infinity'::TIMESTAMP) AS since
      FROM chosen JOIN prices USING (priority)
),
stretches AS (
    SELECT *, lead(since) OVER (PARTITION BY name, speed, service_tier, inference_geo
                                ORDER BY since) AS until
      FROM (SELECT DISTINCT name, speed, service_tier, inference_geo, since FROM offers)
),
sizes AS (
    SELECT *, lead(from_tokens) OVER (PARTITION BY name, speed, service_tier, inference_geo
                                      ORDER BY from_tokens) AS until_tokens
      FROM (SELECT DISTINCT name, speed, service_tier, inference_geo, from_tokens FROM offers)
)
SELECT stretches.name                            AS model,
       stretches.speed, stretches.service_tier, stretches.inference_geo,
       nullif(stretches.since, '-infinity')      AS valid_from,
       stretches.until                           AS valid_until,
       sizes.from_tokens, sizes.until_tokens,
       o.input_per_million, o.output_per_million, o.cache_read_per_million,
       o.cache_write_5m_per_million, o.cache_write_1h_per_million, o.web_searches_per_thousand,
       o.provider, o.model AS priced_as, o.source
  FROM stretches
       JOIN sizes USING (name, speed, service_tier, inference_geo)
       JOIN offers o ON o.name = stretches.name
                    AND o.speed = stretches.speed
                    AND o.service_tier = stretches.service_tier
                    AND o.inference_geo = stretches.inference_geo
                    AND o.since <= stretches.since
                    AND o.from_tokens <= sizes.from_tokens
QUALIFY row_number() OVER (
            PARTITION BY stretches.name, stretches.speed, stretches.service_tier,
                         stretches.inference_geo, stretches.since, sizes.from_tokens
            ORDER BY o.priority, o.since DESC, o.from_tokens DESC) = 1
