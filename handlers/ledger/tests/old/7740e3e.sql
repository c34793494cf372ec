-- A ledger in schema 1, as the programs of version 7740e3e wrote it. Three workers died before they
-- recorded the end of their repairs.
PRAGMA application_id = 0x53484c31;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
CREATE TABLE pause (
    host    TEXT NOT NULL,
    service TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    reason  TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER,                        -- NULL: until it is resumed
    PRIMARY KEY (host, service)
) STRICT;
INSERT INTO "pause" VALUES('','','ann','firmware',1790000000000,NULL);
INSERT INTO "pause" VALUES('web1','HTTP','bob','test',1790000001000,1889000000000);
CREATE TABLE refusal (
    at      INTEGER NOT NULL,
    job     TEXT NOT NULL,
    host    TEXT NOT NULL,
    service TEXT NOT NULL,
    event   TEXT NOT NULL,
    why     TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
INSERT INTO "refusal" VALUES(1790000600000,'6ab2c020-4f3a9c2b11d05e20','web1','HTTP','CRITICAL;HARD;4','recovered','it is OK, there is nothing to repair');
INSERT INTO "refusal" VALUES(1790000601000,'6ab2c021-4f3a9c2b11d05e21','web1','HTTP','CRITICAL;HARD;4','acknowledged','the problem is acknowledged: somebody is at it, until the acknowledgement is removed');
INSERT INTO "refusal" VALUES(1790000602000,'6ab2c022-4f3a9c2b11d05e22','web1','HTTP','CRITICAL;HARD;4','flapping','it is flapping, until Nagios says that it has stopped');
INSERT INTO "refusal" VALUES(1790000603000,'6ab2c023-4f3a9c2b11d05e23','web1','HTTP','CRITICAL;HARD;4','paused','paused by ann for another 90 s: move');
INSERT INTO "refusal" VALUES(1790000604000,'6ab2c024-4f3a9c2b11d05e24','web1','HTTP','CRITICAL;HARD;4','same-event','job 6ab2c001-4f3a9c2b11d05e01 has answered this very event');
INSERT INTO "refusal" VALUES(1790000605000,'6ab2c025-4f3a9c2b11d05e25','web1','HTTP','CRITICAL;HARD;4','same-problem','job 6ab2c001-4f3a9c2b11d05e01 has repaired this very problem, and it is still there: people are needed; allowed again for a new problem, or after 60 min');
INSERT INTO "refusal" VALUES(1790000606000,'6ab2c026-4f3a9c2b11d05e26','web1','HTTP','CRITICAL;HARD;4','clock-went-back','the clock is 60 s behind job 6ab2c001-4f3a9c2b11d05e01 of the ledger: allowed again when it has caught up; if it was wrong then, delete that job''s row');
INSERT INTO "refusal" VALUES(1790000607000,'6ab2c027-4f3a9c2b11d05e27','web1','HTTP','CRITICAL;HARD;4','already-running','job 6ab2c001-4f3a9c2b11d05e01 has been repairing on this host for 5 s');
INSERT INTO "refusal" VALUES(1790000608000,'6ab2c028-4f3a9c2b11d05e28','web1','HTTP','CRITICAL;HARD;4','cooling-down','cooling down after job 6ab2c001-4f3a9c2b11d05e01: allowed again in 5 min');
INSERT INTO "refusal" VALUES(1790000609000,'6ab2c029-4f3a9c2b11d05e29','web1','HTTP','CRITICAL;HARD;4','breaker-open','the breaker is open, for 3 repairs of this incident did not help: it closes after 15 min without a fault');
INSERT INTO "refusal" VALUES(1790000610000,'6ab2c030-4f3a9c2b11d05e30','web1','HTTP','CRITICAL;HARD;4','incident-budget','this incident has had its 3 repairs: it is over after 15 min without a fault');
INSERT INTO "refusal" VALUES(1790000611000,'6ab2c031-4f3a9c2b11d05e31','web1','HTTP','CRITICAL;HARD;4','window-budget','it has had its 6 repairs: allowed again in 2.5 h');
INSERT INTO "refusal" VALUES(1790000612000,'6ab2c032-4f3a9c2b11d05e32','web1','HTTP','CRITICAL;HARD;4','fleet-running','5 repairs are running, as many as may at once');
INSERT INTO "refusal" VALUES(1790000613000,'6ab2c033-4f3a9c2b11d05e33','web1','HTTP','CRITICAL;HARD;4','fleet-started','20 repairs have been started, as many as may be: allowed again in 10 min');
INSERT INTO "refusal" VALUES(1790000614000,'6ab2c034-4f3a9c2b11d05e34','web1','HTTP','CRITICAL;HARD;4','fleet-share','12 of 20 objects are in trouble, more than the 50 % that may be: the cause lies elsewhere');
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
INSERT INTO "repair" VALUES('6ab2c001-4f3a9c2b11d05e01','web1','HTTP','httpd','11','CRITICAL;SOFT;3',1790000000000,1790000235000,1790000012000,'healed','REPAIRED web1/HTTP with httpd in 12.0 s by rung 2 of 2 (ssh power-cycle at hypervisor1): HTTP OK');
INSERT INTO "repair" VALUES('6ab2c002-4f3a9c2b11d05e02','web2','Käse & Brot','httpd','12','CRITICAL;HARD;4',1790000100000,1790000335000,1790000108000,'not-healed','NOT REPAIRED web2');
INSERT INTO "repair" VALUES('6ab2c003-4f3a9c2b11d05e03','db1','','httpd','13','CRITICAL;HARD;4',1790000200000,1790000435000,1790000202000,'could-not-run','COULD NOT REPAIR db1');
INSERT INTO "repair" VALUES('6ab2c004-4f3a9c2b11d05e04','web3','HTTP','httpd','','CRITICAL;SOFT;3',1790000300000,1790000535000,1790000400000,'unknown','OUTCOME UNKNOWN for web3/HTTP');
INSERT INTO "repair" VALUES('6ab2c005-4f3a9c2b11d05e05','web4','HTTP','httpd','15','CRITICAL;SOFT;3',1790000500000,1790000735000,NULL,NULL,'');
INSERT INTO "repair" VALUES('6ab2c006-4f3a9c2b11d05e06','web5','HTTP','httpd','16','CRITICAL;SOFT;3',1790000501000,1790000736000,NULL,NULL,'');
INSERT INTO "repair" VALUES('6ab2c007-4f3a9c2b11d05e07','web6','HTTP','httpd','17','CRITICAL;SOFT;3',1790000502000,1790000737000,NULL,NULL,'');
CREATE TABLE step (
    job  TEXT NOT NULL REFERENCES repair (job),
    at   INTEGER NOT NULL,
    what TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000001000,'found','/usr/bin/df -h: / 100%');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000002000,'run','rung 1 of 2: ssh httpd');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000003000,'failed','repair ''httpd'' exit 1 after 0.5 s');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000004000,'verified','CRITICAL: HTTP CRITICAL - connection refused');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000005000,'run','rung 2 of 2: ssh power-cycle at hypervisor1');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000009000,'ran','repair ''power-cycle'' exit 0 after 3.9 s');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000012000,'verified','OK: HTTP OK');
INSERT INTO "step" VALUES('6ab2c001-4f3a9c2b11d05e01',1790000012000,'told','Nagios');
INSERT INTO "step" VALUES('6ab2c002-4f3a9c2b11d05e02',1790000101000,'run','rung 1 of 1: local /usr/bin/ipmitool -H web2 power cycle');
INSERT INTO "step" VALUES('6ab2c002-4f3a9c2b11d05e02',1790000105000,'ran','/usr/bin/ipmitool: done');
INSERT INTO "step" VALUES('6ab2c002-4f3a9c2b11d05e02',1790000108000,'verified','CRITICAL: HTTP CRITICAL');
INSERT INTO "step" VALUES('6ab2c002-4f3a9c2b11d05e02',1790000108000,'not told','Nagios is not told: nobody reads it');
INSERT INTO "step" VALUES('6ab2c003-4f3a9c2b11d05e03',1790000201000,'run','rung 1 of 1: ssh httpd');
INSERT INTO "step" VALUES('6ab2c003-4f3a9c2b11d05e03',1790000202000,'not run','db1: connection refused');
INSERT INTO "step" VALUES('6ab2c004-4f3a9c2b11d05e04',1790000301000,'run','rung 1 of 1: ssh httpd');
INSERT INTO "step" VALUES('6ab2c004-4f3a9c2b11d05e04',1790000390000,'unknown','web3: cut');
INSERT INTO "step" VALUES('6ab2c005-4f3a9c2b11d05e05',1790000501000,'run','rung 1 of 2: ssh httpd');
INSERT INTO "step" VALUES('6ab2c006-4f3a9c2b11d05e06',1790000502000,'run','rung 1 of 1: local /bin/x');
CREATE INDEX repair_by_object ON repair (host, service, reserved);
CREATE INDEX repair_running ON repair (host) WHERE ended IS NULL;
CREATE INDEX repair_by_time ON repair (reserved);
CREATE INDEX step_by_job ON step (job, at);
CREATE INDEX refusal_by_time ON refusal (at);
CREATE INDEX refusal_by_object ON refusal (host, service, at);
