-- The prices whose patterns match a model that responses name: all that the configuration sets, and
-- of the list those of the first model that matches. The smallest priority comes first.
WITH names AS (
    SELECT DISTINCT model AS name FROM responses WHERE model IS NOT NULL
),
spelled AS (
    SELECT name, 1 AS attempt, lower(name) AS spelling FROM names
    UNION ALL
    -- gpt-5.2-20251211 is written gpt-5.2-2025-12-11 in the list. Only where it makes a difference:
    -- each pattern is compiled for each spelling.
    SELECT name, 2, spelling
      FROM (SELECT name, regexp_replace(
                       lower(name), '-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(-|:|$)',
                       '-\1-\2-\3\4') AS spelling
              FROM names)
     WHERE spelling <> lower(name)
),
rules AS (
    SELECT DISTINCT priority, pattern, except_pattern FROM prices
),
matching AS MATERIALIZED (
    SELECT name, attempt, priority
      FROM spelled
           JOIN rules ON regexp_matches(spelling, pattern)
                     AND (except_pattern IS NULL OR NOT regexp_matches(spelling, except_pattern))
),
chosen AS (
    SELECT name, priority FROM matching WHERE priority < 0
    UNION
    SELECT name, arg_min(priority, (attempt, priority)) FROM matching WHERE priority > 0 GROUP BY name
)
SELECT name, prices.*
  FROM chosen
       JOIN prices USING (priority)
