//! Runs every program of the cost table on a generated site of the smallest size, and checks its
//! exit code and its output. `make scale` measures what the programs cost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use e2e::{CostRow, ExpectedOutput, LargeSite};
use serde_json::Value;

#[test]
fn programs_find_everything_on_a_large_site() {
    let site = LargeSite::generate(Path::new(env!("CARGO_BIN_EXE_site")), "0.01");
    site.rows().iter().for_each(|row| check(&site, row));
}

fn check(site: &LargeSite, row: &CostRow) {
    let output = site.command(row, &[]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = format!("{}: {text}{}", row.name, String::from_utf8_lossy(&output.stderr));
    match &row.output {
        ExpectedOutput::Text(wanted) => assert!(said.contains(wanted), "no {wanted} in {said}"),
        ExpectedOutput::List(key, length) => {
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json[key].as_array().unwrap().len() as u64, *length, "{}", row.name);
        }
    }
    assert_eq!(output.status.code(), Some(row.code), "{said}");
}
