//! Two Icinga 2 endpoints in a zone with high availability. Each has a mount namespace and a
//! network namespace of its own, and both share the ledger.

use std::thread;
use std::time::Duration;

use e2e::{Icinga2Lab, LabNetwork, Monitor, Place, WebSide, run, until};

use crate::LIMIT;
use crate::database::{DATABASE, ledger_key, start_database};

#[test]
fn repairs_once_with_two_icinga2_endpoints() {
    let (network, place) = (LabNetwork::new(), Place::new());
    let nodes = [(); 4].map(|()| network.node());
    let [host, data, here, there] = &nodes;
    let web = host.does(|| WebSide::listening_on("0.0.0.0", &place));
    let (database, ca) = start_database(&place, data, &[&data.address]);
    let monitors = ["one", "two"].map(|name| Monitor::named(name, &place, &web));
    let [first, second] = &monitors;
    let pair = [(first, here), (second, there)];
    let mut labs = Vec::from(Icinga2Lab::start_pair(&place, pair, &web, &host.address));
    for (monitor, lab) in monitors.iter().zip(&labs) {
        let mut policy = monitor.default_policy(&web);
        policy.as_object_mut().unwrap().remove("command_file");
        policy["icinga2"] = lab.policy_key();
        policy["ledger"] = ledger_key(monitor, &[(data, &database)], &ca);
        monitor.write_policy(&policy);
    }
    database.sql(DATABASE, &run(&mut first.ctl(&["ledger", "schema"])));
    let wait_for_ok = |labs: &[Icinga2Lab]| {
        labs.iter().zip([here, there]).for_each(|(lab, node)| {
            node.does(|| lab.wait_for_state("HTTP", 0));
        });
    };
    wait_for_ok(&labs);

    web.apache.kill();
    let servers = || {
        let sql = "SELECT server FROM selfheal.repair WHERE outcome = 'healed' ORDER BY id";
        let servers = database.sql(DATABASE, sql);
        servers.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let repaired_by = until("a repair", LIMIT, || servers().pop());
    wait_for_ok(&labs);
    // Both endpoints know about the fault. Wait for any repair that the other endpoint might start.
    thread::sleep(Duration::from_secs(5));
    assert_eq!((servers().len(), web.jobs().len()), (1, 1));

    // When the endpoint that has repaired the service dies, the other endpoint takes over the
    // checks, and repairs the next fault.
    let index = usize::from(repaired_by == "two");
    drop(labs.remove(index));
    web.apache.kill();
    until("a repair by the other server", LIMIT, || (servers().len() > 1).then_some(()));
    assert_ne!(servers()[1], repaired_by);
    assert_eq!(web.jobs().len(), 2);
}
