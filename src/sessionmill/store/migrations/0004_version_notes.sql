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
