-- Fills the tables of schema 2 from the tables of schema 1, which migrate.rs has renamed to old_*.
-- Everything runs in one transaction.
INSERT INTO repair
    SELECT job, 'main', '', CAST(host AS BLOB), CAST(service AS BLOB), repair, problem, event,
        reserved, lease_until, rung,
        CASE
            WHEN act NOT LIKE 'ssh %' THEN NULL
            WHEN instr(act, ' at ') > 0 THEN CAST(substr(act, instr(act, ' at ') + 4) AS BLOB)
            ELSE CAST(host AS BLOB)
        END,
        NULL, ended, outcome, text
    FROM (
        SELECT old_repair.*, coalesce(begun.rung, 0) AS rung,
            substr(begun.text, instr(begun.text, ': ') + 2) AS act
        FROM old_repair LEFT JOIN (
            -- Schema 1 has one step 'run' for each rung, with a text like
            -- 'rung 2 of 3: ssh restart at web2'.
            SELECT job, count(*) AS rung, max(rowid), text
            FROM old_step WHERE what = 'run' GROUP BY job
        ) AS begun USING (job)
        ORDER BY reserved
    );

INSERT INTO step (job, at, kind, rung, text)
    SELECT job, at,
        CASE what
            WHEN 'found' THEN 'evidence'
            WHEN 'run' THEN 'begun'
            WHEN 'not run' THEN 'not-run'
            WHEN 'told' THEN 'notified'
            WHEN 'not told' THEN 'not-notified'
            WHEN 'ran' THEN what WHEN 'failed' THEN what WHEN 'refused' THEN what
            WHEN 'unknown' THEN what WHEN 'verified' THEN what
            ELSE 'note'
        END,
        CASE
            WHEN what IN ('run', 'ran', 'failed', 'not run', 'refused', 'unknown', 'verified') THEN
                nullif(sum(what = 'run') OVER (PARTITION BY job ORDER BY rowid), 0)
        END,
        text
    FROM old_step ORDER BY rowid;

INSERT INTO refusal (at, job, site, server, host, service, event, reason, text, gap)
    SELECT at, job, 'main', '', CAST(host AS BLOB), CAST(service AS BLOB), event, why, text,
        CASE WHEN why <> 'same-event' THEN
            at - lag(at) OVER (PARTITION BY host, service, why = 'same-event' ORDER BY at, rowid)
        END
    FROM old_refusal ORDER BY rowid;

INSERT INTO pause
    SELECT CAST(host AS BLOB), CAST(service AS BLOB), by_whom, reason, since, until FROM old_pause;

DROP TABLE old_step;
DROP TABLE old_repair;
DROP TABLE old_refusal;
DROP TABLE old_pause;
