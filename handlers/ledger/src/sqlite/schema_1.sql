-- Schema 1. Times are milliseconds since 1970 (UTC). An empty service means the host itself.
CREATE TABLE repair (
    job         TEXT PRIMARY KEY,
    host        TEXT NOT NULL,
    service     TEXT NOT NULL,
    repair      TEXT NOT NULL,
    problem     TEXT NOT NULL,              -- $SERVICEPROBLEMID$, or empty
    event       TEXT NOT NULL,              -- STATE;TYPE;ATTEMPT
    reserved    INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,           -- after it, a repair whose worker is dead is over
    ended       INTEGER,
    outcome     TEXT CHECK (outcome IN ('healed', 'not-healed', 'could-not-run', 'unknown')),
    text        TEXT NOT NULL DEFAULT '',
    CHECK ((ended IS NULL) = (outcome IS NULL))
) STRICT;
CREATE INDEX repair_by_object ON repair (host, service, reserved);
CREATE INDEX repair_running ON repair (host) WHERE ended IS NULL;
CREATE INDEX repair_by_time ON repair (reserved);

CREATE TABLE step (
    job  TEXT NOT NULL REFERENCES repair (job),
    at   INTEGER NOT NULL,
    what TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX step_by_job ON step (job, at);

CREATE TABLE refusal (
    at      INTEGER NOT NULL,
    job     TEXT NOT NULL,
    host    TEXT NOT NULL,
    service TEXT NOT NULL,
    event   TEXT NOT NULL,
    why     TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX refusal_by_time ON refusal (at);
CREATE INDEX refusal_by_object ON refusal (host, service, at);

-- An empty service pauses the whole host. An empty host and service pause all repairs.
CREATE TABLE pause (
    host    TEXT NOT NULL,
    service TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    reason  TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER,                        -- NULL: until it is resumed
    PRIMARY KEY (host, service)
) STRICT;
