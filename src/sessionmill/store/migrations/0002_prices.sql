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
