-- Schema 2. Times are milliseconds since 1970 (UTC). Names of hosts and services are stored as the
-- bytes that the monitoring engine uses. An empty service means the host itself. The schema already
-- contains a few things that no program reads yet (site, server, repair_group, observed), so that a
-- later version can use them without a migration.
--
-- Do not change comments inside a statement: schema.rs compares whole statements with the file.
CREATE TABLE repair (
    job         TEXT PRIMARY KEY,
    site        TEXT NOT NULL,              -- the servers that share one guard
    server      TEXT NOT NULL,              -- the server that reserved it; empty when not known
    host        BLOB NOT NULL,
    service     BLOB NOT NULL,
    repair      TEXT NOT NULL,
    problem     TEXT NOT NULL,              -- $SERVICEPROBLEMID$, or empty
    event       TEXT NOT NULL,              -- STATE;TYPE;ATTEMPT
    reserved    INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,           -- after it, a repair whose worker is dead is over
    rung        INTEGER NOT NULL,           -- the rung begun last, from 1; 0 before the first
    rung_gate   BLOB,                       -- the host whose gate runs it; NULL: a program here
    rung_until  INTEGER,                    -- the deadline of that rung
    ended       INTEGER,
    outcome     TEXT CHECK (outcome IN
        ('healed', 'not-healed', 'could-not-run', 'unknown', 'observed')),
    text        TEXT NOT NULL,
    CHECK ((ended IS NULL) = (outcome IS NULL))
) STRICT;
CREATE INDEX repair_by_object ON repair (host, service, reserved);
CREATE INDEX repair_by_time ON repair (reserved);
CREATE INDEX repair_by_end ON repair (ended) WHERE ended IS NOT NULL;
CREATE INDEX repair_running ON repair (reserved) WHERE ended IS NULL;

-- The groups to which the host of a repair belonged at the time of the reservation.
CREATE TABLE repair_group (
    name     TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    job      TEXT NOT NULL REFERENCES repair (job),
    PRIMARY KEY (name, reserved, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE step (
    id   INTEGER PRIMARY KEY,
    job  TEXT NOT NULL REFERENCES repair (job),
    at   INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('evidence', 'begun', 'ran', 'failed', 'not-run', 'refused',
        'unknown', 'verified', 'notified', 'not-notified', 'note')),
    rung INTEGER,                           -- the rung it belongs to, from 1
    text TEXT NOT NULL
) STRICT;
CREATE INDEX step_by_job ON step (job, id);

CREATE TABLE refusal (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    job     TEXT NOT NULL,
    site    TEXT NOT NULL,
    server  TEXT NOT NULL,
    host    BLOB NOT NULL,
    service BLOB NOT NULL,
    event   TEXT NOT NULL,
    reason  TEXT NOT NULL,                  -- the code of the reason
    text    TEXT NOT NULL,
    gap     INTEGER                         -- since the object's previous refusal; NULL for the
                                            -- first one, and for the reason same-event
) STRICT;
CREATE INDEX refusal_by_time ON refusal (at);
CREATE INDEX refusal_by_object ON refusal (host, service, at);
CREATE INDEX refusal_by_job ON refusal (job);
CREATE INDEX refusal_by_gap ON refusal (host, service, gap, at) WHERE gap IS NOT NULL;

-- An empty service pauses the whole host. An empty host and service pause all repairs.
CREATE TABLE pause (
    host    BLOB NOT NULL,
    service BLOB NOT NULL,
    by_whom TEXT NOT NULL,
    reason  TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER,                        -- NULL: until it is resumed
    PRIMARY KEY (host, service)
) STRICT;

-- Breakers that an admin has reset.
CREATE TABLE reset (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    host    BLOB NOT NULL,
    service BLOB NOT NULL,
    by_whom TEXT NOT NULL,
    reason  TEXT NOT NULL
) STRICT;
CREATE INDEX reset_by_object ON reset (host, service, at);
