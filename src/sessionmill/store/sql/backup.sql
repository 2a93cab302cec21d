-- What there is, to write it down so that it can be made anew.

-- name: state
SELECT (SELECT max(number) FROM commits), (SELECT max(version) FROM schema_version);

-- name: tables
-- In the order in which they were made.
SELECT table_name, sql, comment
  FROM duckdb_tables()
 WHERE database_name = current_database() AND NOT internal AND NOT temporary
 ORDER BY table_oid;

-- name: views
SELECT view_name, sql, comment
  FROM duckdb_views()
 WHERE database_name = current_database() AND NOT internal AND NOT temporary
 ORDER BY view_oid;

-- name: columns
-- But for those that are generated.
SELECT c.column_name, c.comment
  FROM duckdb_columns() c
       JOIN information_schema.columns i
            ON i.table_catalog = c.database_name AND i.table_schema = c.schema_name
               AND i.table_name = c.table_name AND i.column_name = c.column_name
 WHERE c.database_name = current_database() AND c.table_name = $table AND NOT c.internal
       AND i.is_generated = 'NEVER'
 ORDER BY c.column_index;
