//! Tests the ledger in both stores: one repair at a time per host, cooldowns, pauses and live
//! workers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::SystemTime;
use std::{fs, thread};

use common::{HOUR, Place, at, code, event, job, policy, reserve};
use ledger::{Error, Ledger, Paused, RepairOutcome, RungStart, StepKind};

#[test]
fn allows_one_repair_per_host_and_then_a_cooldown() {
    for place in Place::each() {
        let mut ledger = place.open();
        assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "7", 4), at(0))), "repair");
        let mut other = event("web1", "8", 4);
        other.service = Some("HTTPS".into());
        assert_eq!(code(reserve(&mut ledger, 2, &other, at(1))), "already-running");
        assert_eq!(code(reserve(&mut ledger, 3, &event("web2", "9", 4), at(1))), "repair");

        ledger.finish(&job(1), at(10), RepairOutcome::Healed, "healed by httpd").unwrap();
        assert_eq!(code(reserve(&mut ledger, 4, &other, at(11))), "repair");
        ledger.finish(&job(4), at(12), RepairOutcome::NotHealed, "").unwrap();
        assert_eq!(code(reserve(&mut ledger, 5, &event("web1", "10", 4), at(609))), "cooling-down");
        assert_eq!(code(reserve(&mut ledger, 6, &event("web1", "10", 4), at(610))), "repair");

        let refusals: Vec<String> = ledger
            .refusals(10)
            .unwrap()
            .into_iter()
            .map(|refusal| refusal.reason.as_str().to_owned())
            .collect();
        assert_eq!(refusals, ["cooling-down", "already-running"]);
        let newest = &ledger.records(1).unwrap()[0];
        assert_eq!(
            (newest.job.as_str(), newest.outcome, newest.event.as_str()),
            ("test-job-0006", None, "CRITICAL;HARD;4")
        );
    }
}

#[test]
fn answers_repeated_event_once() {
    for place in Place::each() {
        let mut ledger = place.open();
        assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "7", 4), at(0))), "repair");
        ledger.finish(&job(1), at(1), RepairOutcome::Healed, "").unwrap();
        assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "7", 4), at(3599))), "same-event");
        assert_eq!(code(reserve(&mut ledger, 3, &event("web1", "8", 4), at(3599))), "repair");
        ledger.finish(&job(3), at(3600), RepairOutcome::Healed, "").unwrap();
        // Another event of the same problem is refused, first because of the cooldown and later
        // because a job has already run for the problem.
        assert_eq!(code(reserve(&mut ledger, 5, &event("web1", "8", 3), at(3601))), "cooling-down");
        assert_eq!(code(reserve(&mut ledger, 5, &event("web1", "8", 3), at(5000))), "same-problem");
        // Nagios reuses the problem ID when it restarts without state retention.
        assert_eq!(code(reserve(&mut ledger, 4, &event("web1", "7", 4), at(9_000))), "repair");
    }
}

#[test]
fn host_of_dead_worker_is_free_after_the_lease() {
    for place in Place::each() {
        let mut worker = place.open();
        assert_eq!(code(reserve(&mut worker, 1, &event("web1", "1", 4), at(0))), "repair");
        drop(worker);
        let mut ledger = place.open();
        assert_eq!(
            code(reserve(&mut ledger, 2, &event("web1", "2", 4), at(119))),
            "already-running"
        );
        // The repair counts as ended when its lease is over, and the cooldown starts then.
        assert_eq!(code(reserve(&mut ledger, 3, &event("web1", "2", 4), at(120))), "cooling-down");
        assert_eq!(code(reserve(&mut ledger, 4, &event("web1", "2", 4), at(720))), "repair");
    }
}

/// When a suspended machine wakes up, its workers go on, but the clock has jumped ahead by hours.
#[test]
fn live_worker_keeps_its_host_after_the_lease() {
    for place in Place::each() {
        let (mut worker, mut other) = (place.open(), place.open());
        assert_eq!(code(reserve(&mut worker, 1, &event("web1", "1", 4), at(0))), "repair");
        assert_eq!(
            code(reserve(&mut other, 2, &event("web1", "2", 4), at(30_000))),
            "already-running"
        );
        assert_eq!(other.fleet(HOUR, at(30_000)).unwrap().running, 1);
        drop(worker);
        assert_eq!(other.fleet(HOUR, at(30_000)).unwrap().running, 0);
        assert_eq!(code(reserve(&mut other, 3, &event("web1", "2", 4), at(30_000))), "repair");
    }
}

#[test]
fn allows_no_extra_repair_when_clock_goes_back() {
    for place in Place::each() {
        let mut ledger = place.open();
        assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "1", 4), at(5000))), "repair");
        ledger.finish(&job(1), at(5001), RepairOutcome::Healed, "").unwrap();
        assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "2", 4), at(0))), "clock-went-back");
        assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "2", 4), at(4999))), "cooling-down");
    }
}

#[test]
fn repair_that_could_not_run_starts_no_cooldown() {
    for place in Place::each() {
        let mut ledger = place.open();
        assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "7", 4), at(0))), "repair");
        ledger.finish(&job(1), at(1), RepairOutcome::CouldNotRun, "").unwrap();
        assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "7", 4), at(2))), "repair");
    }
}

#[test]
fn notices_dead_worker_immediately() {
    for place in Place::each() {
        let mut worker = place.open();
        assert_eq!(code(reserve(&mut worker, 1, &event("web1", "1", 4), at(0))), "repair");
        let mut next = place.open();
        assert!(next.abandoned("web1").unwrap().is_empty());
        // The kernel releases the locks of a process when that process ends. Dropping the ledger
        // has the same effect.
        drop(worker);
        let abandoned = next.abandoned("web1").unwrap();
        assert_eq!(
            abandoned.iter().map(|one| one.record.job.as_str()).collect::<Vec<_>>(),
            ["test-job-0001"]
        );
        assert!(next.abandoned("web2").unwrap().is_empty());
        next.finish(&job(1), at(5), RepairOutcome::Unknown, "its worker died").unwrap();
        assert!(next.abandoned("web1").unwrap().is_empty());
        assert_eq!(code(reserve(&mut next, 2, &event("web1", "2", 4), at(10))), "cooling-down");
        assert_eq!(fs::read_dir(place.jobs()).unwrap().count(), 0);
    }
}

/// Nobody looks for the outcome of these repairs, because their hosts are no longer monitored.
#[test]
fn ends_forgotten_repairs_of_other_hosts() {
    const DAY: u64 = 24 * 3600;
    for place in Place::each() {
        let (mut live, mut dead, mut ledger) = (place.open(), place.open(), place.open());
        assert_eq!(code(reserve(&mut live, 1, &event("live", "1", 4), at(0))), "repair");
        assert_eq!(code(reserve(&mut dead, 2, &event("gone1", "1", 4), at(0))), "repair");
        assert_eq!(code(reserve(&mut dead, 3, &event("gone2", "1", 4), at(0))), "repair");
        let rung = RungStart { number: 1, gate: Some("gone2"), deadline: at(200) };
        dead.begin_rung(&job(3), at(100), &rung, "rung 1 of 1").unwrap();
        drop(dead);
        let outcomes = |ledger: &mut Box<dyn Ledger>| {
            [1, 2, 3].map(|n| {
                let record = ledger.repair_of(&job(n)).unwrap().unwrap();
                record.ended.zip(record.outcome)
            })
        };
        assert_eq!(code(reserve(&mut ledger, 4, &event("web1", "1", 4), at(DAY))), "repair");
        assert_eq!(outcomes(&mut ledger), [None; 3]);
        assert_eq!(code(reserve(&mut ledger, 5, &event("web2", "1", 4), at(DAY + 201))), "repair");
        let (could_not_run, unknown) = (RepairOutcome::CouldNotRun, RepairOutcome::Unknown);
        let ended = [None, Some((at(120), could_not_run)), Some((at(200), unknown))];
        assert_eq!(outcomes(&mut ledger), ended);
        let locks = fs::read_dir(place.jobs()).unwrap().count();
        assert_eq!(locks, 3, "the locks of the live worker and of two new repairs");
    }
}

#[test]
fn does_not_report_just_ended_worker_as_dead() {
    for place in Place::each() {
        let (mut worker, mut other) = (place.open(), place.open());
        thread::scope(|scope| {
            let repairs = scope.spawn(|| {
                for n in 0..200 {
                    let now = at(u64::from(n) * 3600);
                    assert_eq!(
                        code(reserve(&mut worker, n, &event(&format!("web{n}"), "1", 4), now)),
                        "repair"
                    );
                    worker.finish(&job(n), now, RepairOutcome::Healed, "").unwrap();
                }
            });
            while !repairs.is_finished() {
                let running = other.running().unwrap();
                assert!(running.iter().all(|running| running.alive), "{running:?}");
            }
        });
    }
}

#[test]
fn grants_one_of_fifty_concurrent_reservations_for_a_host() {
    for place in Place::each() {
        let workers: Vec<_> = (0..50)
            .map(|n| {
                let config = place.config();
                thread::spawn(move || {
                    let mut ledger = ledger::open(&config).unwrap();
                    code(reserve(&mut ledger, n, &event("web1", &n.to_string(), 4), at(0)))
                })
            })
            .collect();
        let answers: Vec<&str> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|answer| **answer == "repair").count(), 1);
        assert_eq!(answers.iter().filter(|answer| **answer == "already-running").count(), 49);
        let drafts = fs::read_dir(place.dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("new-"));
        assert_eq!(drafts.count(), 0);
    }
}

#[test]
fn keeps_steps_in_order_and_first_outcome() {
    for place in Place::each() {
        let mut ledger = place.open();
        reserve(&mut ledger, 1, &event("web1", "1", 4), at(0)).unwrap();
        ledger.step(&job(1), at(0), StepKind::Evidence, None, "disk full").unwrap();
        let rung = RungStart { number: 1, gate: Some("web1"), deadline: at(60) };
        ledger.begin_rung(&job(1), at(1), &rung, "httpd").unwrap();
        ledger.step(&job(1), at(2), StepKind::Verified, Some(1), "HTTP OK").unwrap();
        let steps = ledger.steps(&job(1)).unwrap().into_iter().map(|step| (step.kind, step.rung));
        let wanted =
            [(StepKind::Evidence, None), (StepKind::Begun, Some(1)), (StepKind::Verified, Some(1))];
        assert_eq!(steps.collect::<Vec<_>>(), wanted);
        let running = &ledger.running().unwrap()[0].record;
        assert_eq!((running.rungs, running.gate.as_deref()), (1, Some("web1")));
        ledger.finish(&job(1), at(3), RepairOutcome::Healed, "").unwrap();
        assert!(matches!(
            ledger.finish(&job(1), at(4), RepairOutcome::Unknown, ""),
            Err(Error::NoSuchJob { .. })
        ));
        assert_eq!(ledger.records(1).unwrap()[0].outcome, Some(RepairOutcome::Healed));
    }
}

fn pause(host: Option<&str>, service: Option<&str>, until: Option<SystemTime>) -> Paused {
    let text = |text: &str| text.to_owned();
    let (host, service) = (host.map(text), service.map(text));
    Paused { host, service, by: "alice".into(), reason: "migration".into(), since: at(0), until }
}

#[test]
fn pause_applies_to_its_scope_until_it_ends_or_is_resumed() {
    for place in Place::each() {
        let mut ledger = place.open();
        let (web1, web2) = (event("web1", "7", 4), event("web2", "8", 4));
        for (n, (host, service, holds)) in [
            (None, None, [true, true]),
            (Some("web1"), None, [true, false]),
            (Some("web2"), Some("HTTP"), [false, true]),
        ]
        .into_iter()
        .enumerate()
        {
            ledger.pause(&pause(host, service, None)).unwrap();
            for (event, holds) in [&web1, &web2].into_iter().zip(holds) {
                assert_eq!(
                    ledger
                        .history(event, &policy().horizon(event), at(1))
                        .unwrap()
                        .paused
                        .is_some(),
                    holds,
                    "{n}: {}",
                    event.host
                );
            }
            assert_eq!(
                ledger.resume(host, service, at(2)).unwrap(),
                Some(pause(host, service, None))
            );
            assert_eq!(ledger.resume(host, service, at(2)).unwrap(), None);
        }
        ledger.pause(&pause(Some("web1"), None, Some(at(60)))).unwrap();
        let mut other = pause(Some("web1"), None, Some(at(90)));
        other.reason = "still".into();
        ledger.pause(&other).unwrap();
        assert_eq!(ledger.pauses(at(89)).unwrap(), [other]);
        assert_eq!(code(reserve(&mut ledger, 1, &web1, at(89))), "paused");
        assert_eq!(
            (ledger.pauses(at(90)).unwrap(), ledger.resume(Some("web1"), None, at(90)).unwrap()),
            (vec![], None)
        );
        assert_eq!(code(reserve(&mut ledger, 2, &web1, at(90))), "repair");
    }
}

#[test]
fn reports_running_refused_and_ended_jobs() {
    for place in Place::each() {
        let mut ledger = place.open();
        let web1 = event("web1", "7", 4);
        assert_eq!(code(reserve(&mut ledger, 1, &web1, at(0))), "repair");
        assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "8", 4), at(1))), "already-running");
        let running = ledger.running().unwrap();
        assert_eq!(
            (running.len(), running[0].alive, running[0].record.job.as_str()),
            (1, true, "test-job-0001")
        );
        assert_eq!(ledger.fleet(HOUR, at(5)).unwrap().running, 1);
        assert_eq!(
            ledger.refusal_of(&job(2), at(0)).unwrap().unwrap().reason.as_str(),
            "already-running"
        );
        assert_eq!(
            (ledger.refusal_of(&job(1), at(0)).unwrap(), ledger.repair_of(&job(2)).unwrap()),
            (None, None)
        );
        ledger.finish(&job(1), at(9), RepairOutcome::Unknown, "").unwrap();
        assert_eq!(
            ledger.repair_of(&job(1)).unwrap().unwrap().outcome,
            Some(RepairOutcome::Unknown)
        );
        assert_eq!(
            (
                ledger.unknown_since(at(8)).unwrap().len(),
                ledger.unknown_since(at(9)).unwrap().len()
            ),
            (1, 0)
        );
        assert_eq!(
            (ledger.repairs_since(&web1, at(0)).unwrap().len(), ledger.running().unwrap().len()),
            (0, 0)
        );
    }
}

#[test]
fn locks_out_second_sweep() {
    for place in Place::each() {
        let first = place.open().lock_sweep().unwrap();
        assert!(first.is_some() && place.open().lock_sweep().unwrap().is_none());
        drop(first);
        assert!(place.open().lock_sweep().unwrap().is_some());
    }
}
