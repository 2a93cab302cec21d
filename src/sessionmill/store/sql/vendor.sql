-- What the vendor counted: taken in by key, whatever the order of files.

-- name: drop_restated
-- Of one row that is told twice the one stays that tells of more: a day's counts only grow.
DELETE FROM vendor_usage u
 USING _usage n
 WHERE u.source = n.source AND u.vendor_name = n.vendor_name AND u.day = n.day::DATE
   AND u.part = n.part AND u.model IS NOT DISTINCT FROM n.model
   AND row(u.input_tokens + u.output_tokens + u.cache_read_tokens + u.cache_creation_tokens,
           u.output_tokens, u.input_tokens, u.cache_read_tokens, u.cost_usd, u.sessions, u.as_of)
     < row(n.input_tokens + n.output_tokens + n.cache_read_tokens + n.cache_creation_tokens,
           n.output_tokens, n.input_tokens, n.cache_read_tokens, n.cost_usd::DECIMAL(38, 12),
           n.sessions, n.as_of::TIMESTAMP);

-- name: add_usage
INSERT INTO vendor_usage BY NAME
SELECT n.* REPLACE (n.day::DATE AS day, n.cost_usd::DECIMAL(38, 12) AS cost_usd,
                    n.as_of::TIMESTAMP AS as_of)
  FROM _usage n
 WHERE NOT EXISTS (FROM vendor_usage u
                    WHERE u.source = n.source AND u.vendor_name = n.vendor_name
                      AND u.day = n.day::DATE AND u.part = n.part
                      AND u.model IS NOT DISTINCT FROM n.model)
QUALIFY row_number() OVER (
            PARTITION BY source, vendor_name, day, part, model
            ORDER BY input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens DESC,
                     output_tokens DESC, input_tokens DESC, cache_read_tokens DESC,
                     n.cost_usd::DECIMAL(38, 12) DESC, sessions DESC, n.as_of::TIMESTAMP DESC) = 1;

-- name: drop_lower_points
-- One moment of a counter has one value; told twice, the greater one.
DELETE FROM vendor_points p
 USING _points n
 WHERE p.stream = n.stream AND p.temporality = n.temporality AND p.started_ns = n.started_ns
   AND p.at_ns = n.at_ns AND p.value < n.value::DECIMAL(38, 12);

-- name: add_points
INSERT INTO vendor_points BY NAME
SELECT * REPLACE (value::DECIMAL(38, 12) AS value)
  FROM _points n
       ANTI JOIN vendor_points p USING (stream, temporality, started_ns, at_ns)
QUALIFY row_number() OVER (PARTITION BY stream, temporality, started_ns, at_ns
                           ORDER BY n.value::DECIMAL(38, 12) DESC) = 1;

-- name: drop_usage_of_points
DELETE FROM vendor_usage
 WHERE source = $source
   AND vendor_name IN (SELECT vendor_name FROM _points);

-- name: add_usage_of_points
-- opentelemetry.io/docs/specs/otel/metrics/data-model, "Temporality" and "Resets and Gaps":
--  * a delta is what was added since the one before it
--  * cumulative points of one start are a sequence that grows from zero; another start is another
--    sequence, and a lower value is a reset, which begins at zero again
--  * a first point without duration tells of no reset, but that its value was told before: it adds
--    nothing
-- What is added belongs to the day of the point's time: the client adds after each request, and
-- exports a minute later at most, unless it is told otherwise.
INSERT INTO vendor_usage BY NAME
WITH steps AS (
    SELECT *, lag(value) OVER (PARTITION BY stream, started_ns ORDER BY at_ns) AS before
      FROM vendor_points
     WHERE temporality = 'cumulative' AND vendor_name IN (SELECT vendor_name FROM _points)
),
added AS (
    SELECT *,
           CASE WHEN before IS NULL AND started_ns = at_ns THEN 0
                WHEN before IS NULL OR value < before      THEN value
                ELSE value - before
           END AS added
      FROM steps
    UNION ALL BY NAME
    SELECT *, value AS added
      FROM vendor_points
     WHERE temporality = 'delta' AND vendor_name IN (SELECT vendor_name FROM _points)
),
-- A counter that is exported both ways is one counter.
of_stream AS (
    SELECT vendor_name, make_timestamp(at_ns // 1000)::DATE AS day, model, session_id,
           query_source AS part, token_class, stream, temporality,
           sum(added) AS added, make_timestamp(max(at_ns) // 1000) AS as_of
      FROM added
     WHERE added > 0
     GROUP BY ALL
),
of_day AS (
    SELECT vendor_name, day, model, session_id, part, token_class, stream,
           max(added) AS added, max(as_of) AS as_of
      FROM of_stream
     GROUP BY ALL
)
SELECT $source AS source, vendor_name, day, model, session_id, part, 0 AS sessions,
       coalesce(sum(added) FILTER (token_class = 'input'), 0)::BIGINT         AS input_tokens,
       coalesce(sum(added) FILTER (token_class = 'output'), 0)::BIGINT        AS output_tokens,
       coalesce(sum(added) FILTER (token_class = 'cacheRead'), 0)::BIGINT     AS cache_read_tokens,
       coalesce(sum(added) FILTER (token_class = 'cacheCreation'), 0)::BIGINT AS cache_creation_tokens,
       coalesce(sum(added) FILTER (token_class = 'cost'), 0)                  AS cost_usd,
       max(as_of) AS as_of
  FROM of_day
 WHERE token_class IN ('input', 'output', 'cacheRead', 'cacheCreation', 'cost')
 GROUP BY ALL;

-- name: forget_names
DELETE FROM vendor_names WHERE vendor_name IN (SELECT vendor_name FROM _said);

-- name: say_names
INSERT INTO vendor_names BY NAME FROM _said;
