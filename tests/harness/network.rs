//! Network namespaces that a bridge connects, so that a test can cut the link of one machine.

use std::fs::File;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::place::{run, system_program};

/// A network without a connection to the outside. Dropping this value deletes it.
#[derive(Debug)]
pub struct LabNetwork {
    /// Name of the namespace with the bridge, and prefix of the names of all other namespaces.
    name: String,
    nodes: AtomicU32,
}

/// A machine's own network namespace. Dropping this value deletes it.
#[derive(Debug)]
pub struct NetworkNode {
    namespace: String,
    /// Namespace with the bridge, and name of the bridge's port to which this machine is connected.
    port: (String, String),
    /// IP address of the machine.
    pub address: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl LabNetwork {
    /// Creates a network without machines.
    #[allow(clippy::new_without_default, reason = "it creates a namespace")]
    pub fn new() -> LabNetwork {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shl{}-{count}", std::process::id());
        ip(&format!("netns add {name}"));
        let network = LabNetwork { name, nodes: AtomicU32::new(0) };
        ip(&format!("-n {} link add name hub type bridge", network.name));
        ip(&format!("-n {} link set hub up", network.name));
        network
    }

    /// Adds a machine.
    pub fn node(&self) -> NetworkNode {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed) + 1;
        let (hub, port) = (self.name.clone(), format!("port{number}"));
        let (namespace, address) = (format!("{hub}n{number}"), format!("192.0.2.{number}"));
        ip(&format!("netns add {namespace}"));
        let node = NetworkNode { namespace, port: (hub, port), address };
        let NetworkNode { namespace, port: (hub, port), address } = &node;
        ip(&format!("-n {hub} link add name {port} type veth peer name wire netns {namespace}"));
        ip(&format!("-n {hub} link set {port} master hub"));
        ip(&format!("-n {namespace} addr add {address}/24 dev wire"));
        ip(&format!("-n {namespace} link set wire up"));
        ip(&format!("-n {namespace} link set lo up"));
        node.join();
        node
    }
}

impl NetworkNode {
    /// Runs `work` on a thread that has moved into the namespace. Programs that `work` starts stay
    /// in the namespace.
    pub fn does<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let namespace = File::open(Path::new("/run/netns").join(&self.namespace));
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.expect("the namespace").as_fd(), kind)
                .expect("the namespace can be entered");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Takes down the far end of the machine's link, so that all packets are lost. The near end
    /// does not notice this.
    pub fn cut(&self) {
        self.set_port("down");
    }

    /// Brings the machine's link up again.
    pub fn join(&self) {
        self.set_port("up");
    }

    fn set_port(&self, state: &str) {
        let (hub, port) = &self.port;
        ip(&format!("-n {hub} link set {port} {state}"));
    }
}

impl Drop for LabNetwork {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

impl Drop for NetworkNode {
    fn drop(&mut self) {
        delete(&self.namespace);
    }
}

fn delete(namespace: &str) {
    let ip = system_program(&["ip"]);
    let _ = Command::new(ip).args(["netns", "delete", namespace]).output();
}

/// Runs ip(8) with these arguments.
pub(crate) fn ip(words: &str) {
    run(Command::new(system_program(&["ip"])).args(words.split_whitespace()));
}
