-- The tables that sum up what extractors have written.
CREATE TABLE rollups (
    name           VARCHAR,
    processor_name VARCHAR,
    made_from      VARCHAR,    -- a digest of its SQL
    whole          BOOLEAN     -- false: it is made anew, whole, before it is read
);

-- Sessions whose rows have changed since a processor's rollups were made.
CREATE TABLE stale_sessions (
    processor_name VARCHAR,
    username       VARCHAR,
    session_id     VARCHAR
);
