-- What `prices` answers.

-- name: in_use
-- The prices that counted responses have, and the responses that have none.
WITH priced AS (
    SELECT model, coalesce(nullif(speed, ''), 'standard') AS speed,
           CASE WHEN coalesce(service_tier, '') IN ('', 'default')
                THEN 'standard' ELSE service_tier END AS service_tier,
           CASE WHEN coalesce(inference_geo, '') IN ('', 'not_available')
                THEN 'global' ELSE inference_geo END AS inference_geo,
           price_source AS source, price_valid_from, price_from_tokens, unpriced,
           count(*) AS responses,
           sum(cost_usd) AS cost_usd
      FROM response_costs
     WHERE counted
     GROUP BY ALL
)
SELECT c.model, c.speed, c.service_tier, c.inference_geo, c.responses,
       round(c.cost_usd, 6) AS cost_usd,
       CASE WHEN c.unpriced = 'no price' AND c.model IN (SELECT model FROM model_prices)
            THEN 'no price of this speed, tier or geography then'
            WHEN c.unpriced = 'no price' THEN 'unknown model'
            ELSE c.unpriced
       END AS unpriced,
       c.source, c.price_valid_from AS valid_from, c.price_from_tokens AS from_tokens,
       p.input_per_million, p.output_per_million, p.cache_read_per_million,
       p.cache_write_5m_per_million, p.cache_write_1h_per_million, p.web_searches_per_thousand
  FROM priced c
       LEFT JOIN model_prices p
       ON  p.model = c.model
       AND p.speed = c.speed
       AND p.service_tier = c.service_tier
       AND p.inference_geo = c.inference_geo
       AND p.valid_from IS NOT DISTINCT FROM c.price_valid_from
       AND p.from_tokens = c.price_from_tokens
 ORDER BY unpriced IS NOT NULL, c.model NULLS LAST, c.speed DESC, c.service_tier, c.inference_geo,
          c.price_valid_from NULLS FIRST, c.price_from_tokens, unpriced;

-- name: of_model
-- Every price of `offers`. One applies now if no better one holds for a request of its size.
SELECT speed, service_tier, inference_geo, valid_from, from_tokens,
       coalesce(valid_from <= $now, true) AND NOT EXISTS (
           FROM offers better
          WHERE better.speed = o.speed
            AND better.service_tier = o.service_tier
            AND better.inference_geo = o.inference_geo
            AND coalesce(better.valid_from <= $now, true)
            AND better.from_tokens <= o.from_tokens
            AND (better.priority, epoch_us(coalesce(o.valid_from, '0001-01-01')), o.from_tokens)
                < (o.priority, epoch_us(coalesce(better.valid_from, '0001-01-01')),
                   better.from_tokens)
       ) AS applies_now,
       source, noted_on, provider, model AS priced_as, COLUMNS('_per_(million|thousand)$')
  FROM offers o
 ORDER BY speed DESC, service_tier = 'standard' DESC, service_tier, inference_geo, priority,
          valid_from NULLS FIRST, from_tokens;
