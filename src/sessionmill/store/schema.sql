-- The sum of the migrations, as a test shows. Read this one; edit migrations/.

CREATE TABLE transcripts (
    session_key    VARCHAR,    -- <username>/<path below the user's directory>
    session_id     VARCHAR,    -- of the conversation it belongs to
    username       VARCHAR,
    agent          VARCHAR,    -- claude-code, codex, or unknown
    client_version VARCHAR,    -- as its first records say, like cwd
    cwd            VARCHAR,
    project        VARCHAR,    -- the last part of cwd
    root           VARCHAR,    -- the directory it was found below
    path           VARCHAR,
    size           BIGINT,     -- bytes, as seen last
    mtime_ns       BIGINT,     -- nanoseconds since 1970, as seen last
    fingerprint    VARCHAR,    -- of the head and tail of what was read
    first_seen_at  TIMESTAMP,  -- UTC, like every time here
    gone_at        TIMESTAMP   -- when a whole walk first missed it; its facts stay
);

CREATE TABLE session_processor_state (
    processor_name  VARCHAR,
    session_file    VARCHAR,    -- the session key
    username        VARCHAR,
    processed_at    TIMESTAMP,  -- NULL until the first success
    items_extracted BIGINT,     -- rows written of this transcript
    file_hash       VARCHAR,    -- MD5 of the whole content; effectful processors only
    version         BIGINT,     -- of the processor that wrote its rows
    size            BIGINT,     -- observed before the last attempt read it, like mtime_ns
    mtime_ns        BIGINT,
    safe_offset     BIGINT,     -- byte up to which it is taken in; extractors only
    fingerprint     VARCHAR,    -- of the head and tail of what is taken in
    carry           BLOB,       -- what decoder and extractor need to go on there
    attempts        BIGINT,     -- failures since the last success or new content
    last_attempt_at TIMESTAMP,
    next_attempt_at TIMESTAMP,
    failing_since   TIMESTAMP,
    dead_at         TIMESTAMP,  -- a dead letter since then
    last_error      VARCHAR
);

CREATE TABLE runs (
    run_id          VARCHAR,
    processor_name  VARCHAR,
    version         BIGINT,
    actor           VARCHAR,    -- cli:<os user>, scheduler, user:<id>
    started_at      TIMESTAMP,
    seconds         DOUBLE,
    outcome         VARCHAR,    -- ok, errors, capped, paused, broken off
    seen            BIGINT,
    scanned         BIGINT,
    processed       BIGINT,
    skipped         BIGINT,
    capped          BIGINT,
    errors          BIGINT,
    items_extracted BIGINT,
    resume_at       TIMESTAMP,  -- of a paused processor: when it is probed again
    pause_reason    VARCHAR
);

CREATE TABLE in_flight (
    processor_name VARCHAR,
    session_file   VARCHAR,
    batch          VARCHAR,    -- marked together, run together
    marked_at      TIMESTAMP,
    deaths         BIGINT,     -- owners that died while this was at work alone
    at_work        BOOLEAN     -- false for a suspect that waits for its turn
);

-- What changed when a version's rows took the place of another's, and why.
CREATE TABLE version_notes (
    processor_name VARCHAR,
    from_version   BIGINT,     -- the oldest whose rows were replaced
    to_version     BIGINT,     -- that wrote the rows in their place
    swapped_at     TIMESTAMP,
    actor          VARCHAR,    -- cli:<os user>, scheduler, user:<id>
    transcripts    BIGINT,     -- whose rows were replaced
    figures        VARCHAR,    -- JSON: each that changed, before and after; NULL where a run replaced them uncompared
    why            VARCHAR     -- what the processor says of its versions
);

-- How many transactions wrote facts: compared at start with the number kept beside the file.
CREATE TABLE commits (number BIGINT);
INSERT INTO commits VALUES (0);

-- What responses cost. Filled anew from the list that comes with the program and from the
-- configuration, whenever one of them has changed; the table's comment says from which it was.

CREATE TABLE prices (
    priority                   BIGINT,    -- of the rows whose pattern matches a name, the smallest counts; below zero: set by the configuration
    provider                   VARCHAR,   -- who asks this price; NULL in the configuration
    model                      VARCHAR,   -- as the list, or the configuration, names it
    pattern                    VARCHAR,   -- a regular expression that a model's name, in lower case, must match
    except_pattern             VARCHAR,   -- one that it must not match
    speed                      VARCHAR,   -- standard or fast
    service_tier               VARCHAR,   -- standard, batch, priority, flex, fast
    inference_geo              VARCHAR,   -- global, or where it must be answered
    valid_from                 TIMESTAMP, -- NULL: ever since
    from_tokens                BIGINT,    -- tokens of input, cache reads and cache writes from which on the whole response has this price
    input_per_million          DECIMAL(15, 9), -- USD for a million tokens of this class, or a thousand searches; NULL: not known
    output_per_million         DECIMAL(15, 9),
    cache_read_per_million     DECIMAL(15, 9),
    cache_write_5m_per_million DECIMAL(15, 9),
    cache_write_1h_per_million DECIMAL(15, 9),
    web_searches_per_thousand  DECIMAL(15, 9),
    source                     VARCHAR,   -- genai-prices and its version, or configuration
    noted_on                   DATE       -- when the list took it down
);

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

-- Which migrations have been applied.
CREATE TABLE schema_version (version BIGINT, name VARCHAR, applied_at TIMESTAMP);
