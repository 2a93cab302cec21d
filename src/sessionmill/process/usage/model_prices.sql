-- What each model that responses name costs, by speed, service tier and geography, in each stretch
-- of time and of size: at most one row holds for a response. A price that the configuration sets
-- goes before the list's, wherever it holds.
WITH offers AS MATERIALIZED (
    SELECT *, coalesce(valid_from, '-infinity'::TIMESTAMP) AS since FROM matching_prices
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
