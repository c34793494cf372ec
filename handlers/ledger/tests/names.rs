//! Tests that the ledger stores the names of hosts and services as bytes, and returns them as
//! encoded by `policy::spell`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{HOUR, Place, at, event, job, reserve};
use ledger::{Filter, LimitBounds, Paused, RepairOutcome, RungStart, Which};
use policy::{Event, ReasonCode};

const HOST: &str = r"w\xE4b1";
const SERVICE: &str = r"Gr\xF6\xDFe C:\x5Cxfade";

fn latin1(problem: &str) -> Event {
    Event { service: Some(SERVICE.into()), ..event(HOST, problem, 4) }
}

#[test]
fn stores_bytes_and_returns_spelling() {
    for place in Place::each() {
        let mut ledger = place.open();
        reserve(&mut ledger, 1, &latin1("1"), at(0)).unwrap();
        let rung = RungStart { number: 1, gate: Some(HOST), deadline: at(60) };
        ledger.begin_rung(&job(1), at(1), &rung, "rung 1 of 1").unwrap();
        let abandoned = ledger.abandoned(HOST).unwrap();
        assert!(abandoned.is_empty(), "its worker lives: {abandoned:?}");
        assert_eq!(ledger.running().unwrap()[0].record.host, HOST);
        ledger.finish(&job(1), at(5), RepairOutcome::Healed, "").unwrap();

        let refusal = reserve(&mut ledger, 2, &latin1("2"), at(6)).unwrap_err();
        assert_eq!(refusal.code().as_str(), "cooling-down");
        let object = Filter { which: Which::Object(HOST, Some(SERVICE)), ..Filter::default() };
        let record = ledger.repairs(&object).unwrap().pop().unwrap();
        assert_eq!((record.host.as_str(), record.service.as_deref()), (HOST, Some(SERVICE)));
        assert_eq!(record.gate.as_deref(), Some(HOST));
        assert_eq!(ledger.refused(&object).unwrap().len(), 1);
        let refused = ledger.refusal_totals(&object, Some(ReasonCode::CoolingDown)).unwrap();
        assert_eq!(refused.objects[0].service.as_deref(), Some(SERVICE));
        assert_eq!(ledger.repairs_since(&latin1("3"), at(0) - HOUR).unwrap().len(), 1);
        let bounds = LimitBounds { healthy_for: HOUR, window: HOUR, fewest: 1 };
        assert_eq!(ledger.may_be_held_back(&bounds, at(0)).unwrap()[0].0, HOST);

        for (column, bytes) in [
            ("host", &b"w\xe4b1"[..]),
            ("service", b"Gr\xf6\xdfe C:\\xfade"),
            ("rung_gate", b"w\xe4b1"),
        ] {
            let wanted = format!("{column} = {}", place.literal(bytes));
            assert_eq!(place.count("repair", &wanted), 1, "{wanted}");
        }
    }
}

#[test]
fn pauses_and_resumes_by_spelled_name() {
    for place in Place::each() {
        let mut ledger = place.open();
        let pause = Paused {
            host: Some(HOST.into()),
            service: Some(SERVICE.into()),
            by: "ann".into(),
            reason: "work".into(),
            since: at(0),
            until: None,
        };
        ledger.pause(&pause).unwrap();
        let refusal = reserve(&mut ledger, 1, &latin1("1"), at(1)).unwrap_err();
        assert_eq!(refusal.code().as_str(), "paused");
        assert_eq!(ledger.pauses(at(1)).unwrap(), std::slice::from_ref(&pause));
        assert_eq!(ledger.resume(Some(HOST), Some(SERVICE), at(2)).unwrap(), Some(pause));
        reserve(&mut ledger, 2, &latin1("1"), at(3)).unwrap();
    }
}
