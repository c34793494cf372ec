-- Schema 1 of a ledger that several servers share. Times are milliseconds since 1970 (UTC) on the
-- clock of the database server. Names of hosts and services are stored as the bytes that the
-- monitoring engine uses. An empty service means the host itself.
SET search_path = pg_catalog, pg_temp;
-- Another role that owns the schema could have put triggers on its tables. They would run with the
-- rights of the role that runs this SQL.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_namespace
               WHERE nspname = 'selfheal' AND pg_get_userbyid(nspowner) <> current_user) THEN
        RAISE EXCEPTION 'another role owns the schema selfheal; run this SQL as that role';
    END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS selfheal;
SET search_path = selfheal, pg_temp;

-- The version of these tables.
CREATE TABLE IF NOT EXISTS version (schema bigint PRIMARY KEY);
INSERT INTO version SELECT 1 WHERE NOT EXISTS (SELECT FROM version);

-- Each site has its own limits, pauses and records. A reservation locks the row of its site.
CREATE TABLE IF NOT EXISTS site (
    name          text PRIMARY KEY,
    timeline      text NOT NULL,            -- of the server on which repairs are allowed
    next_timeline text,                     -- of a server that has taken over
    failed_over   bigint,                   -- when this was noticed
    longest_lease bigint NOT NULL DEFAULT 0 -- in milliseconds
);

CREATE TABLE IF NOT EXISTS repair (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    job         text COLLATE "C" PRIMARY KEY,
    site        text NOT NULL REFERENCES site,
    server      text NOT NULL,              -- host name of the server that reserved it
    origin      text NOT NULL,              -- random name of that server's local files
    host        bytea NOT NULL,
    service     bytea NOT NULL,
    repair      text NOT NULL,
    problem     text NOT NULL,              -- $SERVICEPROBLEMID$ of that server, or empty
    event       text NOT NULL,              -- STATE;TYPE;ATTEMPT
    reserved    bigint NOT NULL,
    lease_until bigint NOT NULL,            -- after it, a repair of another server is over
    rung        bigint NOT NULL DEFAULT 0,  -- the rung begun last, from 1; 0 before the first
    rung_gate   bytea,                      -- the host whose gate runs it; NULL: a program there
    rung_until  bigint,                     -- the deadline of that rung
    ended       bigint,
    outcome     text CHECK (outcome IN
        ('healed', 'not-healed', 'could-not-run', 'unknown', 'observed')),
    text        text NOT NULL DEFAULT '',
    CHECK ((ended IS NULL) = (outcome IS NULL))
);
CREATE INDEX IF NOT EXISTS repair_by_object ON repair (site, host, service, reserved, id);
CREATE INDEX IF NOT EXISTS repair_by_time ON repair (site, reserved, id);
CREATE INDEX IF NOT EXISTS repair_by_end ON repair (site, ended) WHERE ended IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS repair_running ON repair (site, host) WHERE ended IS NULL;

-- The groups to which the host of a repair belonged at the time of the reservation.
CREATE TABLE IF NOT EXISTS repair_group (
    name     text NOT NULL,
    reserved bigint NOT NULL,
    job      text COLLATE "C" NOT NULL REFERENCES repair,
    PRIMARY KEY (name, reserved, job)
);
CREATE INDEX IF NOT EXISTS repair_group_by_job ON repair_group (job);

CREATE TABLE IF NOT EXISTS step (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job  text COLLATE "C" NOT NULL REFERENCES repair,
    at   bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('evidence', 'begun', 'ran', 'failed', 'not-run', 'refused',
        'unknown', 'verified', 'notified', 'not-notified', 'note')),
    rung bigint,                            -- the rung it belongs to, from 1
    text text NOT NULL
);
CREATE INDEX IF NOT EXISTS step_by_job ON step (job, id);

CREATE TABLE IF NOT EXISTS refusal (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    job     text COLLATE "C" NOT NULL,
    site    text NOT NULL REFERENCES site,
    server  text NOT NULL,
    host    bytea NOT NULL,
    service bytea NOT NULL,
    event   text NOT NULL,
    reason  text NOT NULL,                  -- the code of the reason
    text    text NOT NULL,
    gap     bigint                          -- since the object's previous refusal; NULL for the
                                            -- first one, and for the reason same-event
);
CREATE INDEX IF NOT EXISTS refusal_by_time ON refusal (site, at, id);
CREATE INDEX IF NOT EXISTS refusal_by_object ON refusal (site, host, service, at, id);
CREATE INDEX IF NOT EXISTS refusal_by_job ON refusal (job);
CREATE INDEX IF NOT EXISTS refusal_by_gap ON refusal (site, host, service, gap, at) WHERE gap IS NOT NULL;

-- An empty service pauses the whole host. An empty host and service pause all repairs.
CREATE TABLE IF NOT EXISTS pause (
    site    text NOT NULL REFERENCES site,
    host    bytea NOT NULL,
    service bytea NOT NULL,
    by_whom text NOT NULL,
    reason  text NOT NULL,
    since   bigint NOT NULL,
    until   bigint,                         -- NULL: until it is resumed
    PRIMARY KEY (site, host, service)
);

-- Breakers that an admin has reset.
CREATE TABLE IF NOT EXISTS reset (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site    text NOT NULL REFERENCES site,
    at      bigint NOT NULL,
    host    bytea NOT NULL,
    service bytea NOT NULL,
    by_whom text NOT NULL,
    reason  text NOT NULL
);
CREATE INDEX IF NOT EXISTS reset_by_object ON reset (site, host, service, at);

-- Returns the timeline of this server. It changes when another server takes over.
CREATE OR REPLACE FUNCTION timeline() RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) $$;

-- Deletes at most `batch` refusals from before the time `refused`. Also deletes at most `batch`
-- repairs that ended before the time `ended_before`, with their steps. Returns whether there may be
-- more to delete. The workers may delete records only through this function, which keeps the
-- records of the last 90 days.
CREATE OR REPLACE FUNCTION expire(of_site text, refused bigint, ended_before bigint, batch bigint)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = selfheal, pg_temp AS $$
DECLARE
    newest bigint := extract(epoch FROM clock_timestamp()) * 1000 - 90 * 86400000::bigint;
    jobs text[];
    refusals bigint;
BEGIN
    DELETE FROM refusal WHERE id IN (
        SELECT id FROM refusal WHERE site = of_site AND at < least(refused, newest)
        ORDER BY site, at LIMIT batch FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS refusals = ROW_COUNT;
    SELECT array_agg(job) INTO jobs FROM (
        SELECT job FROM repair WHERE site = of_site AND ended < least(coalesce(ended_before, 0), newest)
        ORDER BY site, ended LIMIT batch FOR UPDATE SKIP LOCKED) AS expired;
    DELETE FROM step WHERE job = ANY (jobs);
    DELETE FROM repair_group WHERE job = ANY (jobs);
    DELETE FROM repair WHERE job = ANY (jobs);
    RETURN refusals = batch OR coalesce(array_length(jobs, 1), 0) = batch;
END $$;
REVOKE ALL ON FUNCTION expire FROM PUBLIC;
