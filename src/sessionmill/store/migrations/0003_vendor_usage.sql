-- What the vendor counted, to compare ours with: imported, not read from transcripts.

CREATE TABLE vendor_usage (
    source                VARCHAR,    -- analytics_api or otel
    vendor_name           VARCHAR,    -- who it was: an e-mail address, an API key's name, an id
    day                   DATE,       -- UTC
    model                 VARCHAR,    -- NULL in the row that has the sessions of an API's record
    session_id            VARCHAR,    -- where the source tells it
    part                  VARCHAR,    -- of the API: organisation, customer, subscription and terminal type; of otel: query source
    sessions              BIGINT,     -- begun that day, as the API counts them
    input_tokens          BIGINT,     -- neither read from nor written to a cache
    output_tokens         BIGINT,
    cache_read_tokens     BIGINT,     -- read from a cache
    cache_creation_tokens BIGINT,     -- written to a cache, for whatever time
    cost_usd              DECIMAL(38, 12), -- in dollars, as the vendor estimates it
    as_of                 TIMESTAMP   -- what happened later is not in it
);

-- Data points of OpenTelemetry's counters: kept, so that vendor_usage is the same whatever the order
-- of files, and however often one comes.
CREATE TABLE vendor_points (
    stream       VARCHAR,    -- hash of the counter's resource, scope, metric and attributes
    temporality  VARCHAR,    -- delta or cumulative
    started_ns   BIGINT,     -- nanoseconds since 1970: the start of its sequence; 0 where not told
    at_ns        BIGINT,     -- nanoseconds since 1970
    vendor_name  VARCHAR,    -- who it was
    session_id   VARCHAR,    -- where it is told
    model        VARCHAR,
    query_source VARCHAR,    -- main, subagent or auxiliary, where it is told
    token_class  VARCHAR,    -- input, output, cacheRead, cacheCreation, or cost
    value        DECIMAL(38, 12) -- tokens or dollars
);

-- Who is who, as people said it.
CREATE TABLE vendor_names (
    vendor_name VARCHAR,    -- as the vendor has it
    username    VARCHAR     -- as transcripts have it
);
