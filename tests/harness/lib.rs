//! A lab on one machine. The web server side has its own sshd, Apache, gate and CFEngine. The
//! monitor side runs Nagios or Icinga 2 as the unprivileged user nagios. All servers listen on free
//! loopback ports, keep their files in one directory, and end with the test that started them.

mod account;
mod cfengine;
mod daemon;
mod icinga2;
mod journal;
mod lab;
mod large_site;
mod machine;
mod monitor;
mod nagios;
mod network;
mod nrpe;
mod patroni;
mod place;
mod readme;
pub mod texts;
mod wait;
mod web;
mod workers;

pub use account::Account;
pub use cfengine::CfServerd;
pub use daemon::Daemon;
pub use icinga2::Icinga2Lab;
pub use journal::{Happening, Journal};
pub use lab::Lab;
pub use large_site::{CostRow, ExpectedOutput, LargeSite};
pub use machine::{Machine, Plan, Site};
pub use monitor::Monitor;
pub use nagios::{Nagios, Watch};
pub use network::{LabNetwork, NetworkNode};
pub use nrpe::Nrpe;
pub use patroni::PatroniCluster;
pub use place::{Place, run, shipped, system_program};
pub use readme::quick_start;
pub use testkit::free_port;
pub use wait::{clean_up_when_interrupted, interrupted, until, within};
pub use web::{Apache, Sshd, WebSide, gate_records, new_key, reload_and_restart};
pub use workers::{Highest, Watcher, run_at_once};
