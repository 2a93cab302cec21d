-- Responses, every copy, with what each costs by the prices of model_prices: exact, in USD. Where
-- the price of a class of its tokens is not known, there is no cost, and unpriced says why.
WITH asked AS (
    -- HUGEINT: four absurd figures of a damaged line must not be an error.
    SELECT *, input_tokens::HUGEINT + cache_read_tokens + cache_write_5m_tokens
              + cache_write_1h_tokens AS asked_tokens
      FROM responses
),
priced AS (
    SELECT r.* EXCLUDE (asked_tokens),
           p.valid_from AS price_valid_from, p.from_tokens AS price_from_tokens,
           p.source AS price_source,
           p.input_per_million, p.output_per_million, p.cache_read_per_million,
           p.cache_write_5m_per_million, p.cache_write_1h_per_million,
           p.web_searches_per_thousand,
           CASE
                WHEN r.model IS NULL THEN 'names no model'
                WHEN p.model IS NULL THEN 'no price'
                WHEN r.input_tokens > 0          AND p.input_per_million IS NULL
                THEN 'no price of input_tokens'
                WHEN r.output_tokens > 0         AND p.output_per_million IS NULL
                THEN 'no price of output_tokens'
                WHEN r.cache_read_tokens > 0     AND p.cache_read_per_million IS NULL
                THEN 'no price of cache_read_tokens'
                WHEN r.cache_write_5m_tokens > 0 AND p.cache_write_5m_per_million IS NULL
                THEN 'no price of cache_write_5m_tokens'
                WHEN r.cache_write_1h_tokens > 0 AND p.cache_write_1h_per_million IS NULL
                THEN 'no price of cache_write_1h_tokens'
                WHEN r.web_search_requests > 0   AND p.web_searches_per_thousand IS NULL
                THEN 'no price of web_search_requests'
           END AS unpriced,
           -- USD for a million tokens are millionths of USD for one: there is nothing to divide.
             coalesce(r.input_tokens          * p.input_per_million, 0)
           + coalesce(r.output_tokens         * p.output_per_million, 0)
           + coalesce(r.cache_read_tokens     * p.cache_read_per_million, 0)
           + coalesce(r.cache_write_5m_tokens * p.cache_write_5m_per_million, 0)
           + coalesce(r.cache_write_1h_tokens * p.cache_write_1h_per_million, 0)
           + coalesce(r.web_search_requests   * p.web_searches_per_thousand, 0) * 1000
             AS millionths
      FROM asked r
           LEFT JOIN model_prices p
           ON  p.model = r.model
           AND p.speed = coalesce(nullif(r.speed, ''), 'standard')
           AND p.service_tier = CASE WHEN coalesce(r.service_tier, '') IN ('', 'default')
                                     THEN 'standard' ELSE r.service_tier END
           AND p.inference_geo = CASE WHEN coalesce(r.inference_geo, '') IN ('', 'not_available')
                                      THEN 'global' ELSE r.inference_geo END
           -- A response without a time has the last price.
           AND (p.valid_from IS NULL OR coalesce(r."at", 'infinity') >= p.valid_from)
           AND (p.valid_until IS NULL OR coalesce(r."at", 'infinity') < p.valid_until)
           AND r.asked_tokens >= p.from_tokens
           AND (p.until_tokens IS NULL OR r.asked_tokens < p.until_tokens)
)
SELECT * EXCLUDE (millionths),
       CASE WHEN unpriced IS NULL
            THEN CAST(millionths * 0.000001 AS DECIMAL(38, 15))
       END AS cost_usd
  FROM priced
