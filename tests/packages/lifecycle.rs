//! What both kinds of packages do from one version to the next: the files that `repairctl init` and
//! an admin have written stay as they are, and so do the units that are on.
//!
//! The oldest version is that of commit 7740e3e, in which policy.json and repairs.json belonged to
//! the packages: its maintainer scripts, list of conffiles and spec are in `7740e3e/`.

use e2e::Machine;

/// The commands that take a machine from one version of nagios-selfheal and repair-gate to another,
/// with the package manager's own defaults and nobody to answer a question.
pub struct Lifecycle<'a> {
    pub machine: &'a Machine,
    /// Installs commit 7740e3e's.
    pub old: &'a str,
    /// Installs those under test, or upgrades to them.
    pub new: &'a str,
    /// Upgrades to the next ones, which come with other first policy.json and repairs.json.
    pub newer: &'a str,
    pub remove: &'a str,
}

/// Who wrote policy.json and repairs.json, and how.
const WRITERS: [(&str, &str); 4] = [
    ("the package", ""),
    (
        "repairctl init",
        "repairctl init --repair httpd:apache2 --nagios-user nagios > /tmp/init
         sed -n '/^($/,/^)$/p' /tmp/init > /tmp/host
         sh /tmp/host || true
         cd /etc/nagios-selfheal; grep -q httpd policy.json; grep -q httpd repairs.json",
    ),
    (
        "an admin's editor",
        "cd /etc/nagios-selfheal; for file in policy.json repairs.json; do
             echo '{\"repairs\": {} }' > $file.tmp; chmod 600 $file.tmp; mv $file.tmp $file
         done",
    ),
    ("an admin who deleted them", "cd /etc/nagios-selfheal; rm policy.json repairs.json"),
];

/// Every file in the directory: name, owner, mode and contents.
fn configuration(machine: &Machine) -> String {
    machine.must(
        "find /etc/nagios-selfheal -not -type d 2>/dev/null | sort | while read -r file; do
             stat --format '%n %U:%G %a' $file; sha256sum $file
         done",
    )
}

impl Lifecycle<'_> {
    /// Goes through all versions and a removal, once for each writer; `forget` makes the machine
    /// one that has had none of the packages.
    pub fn keeps_configuration(&self, forget: &str) {
        for (writer, write) in WRITERS {
            self.machine.must(self.old);
            self.machine.must(write);
            let written = configuration(self.machine);
            let stages = [("upgrade", self.new), ("next upgrade", self.newer)];
            for (stage, command) in stages.into_iter().chain([("removal", self.remove)]) {
                let told = self.machine.must(command);
                assert_eq!(configuration(self.machine), written, "{writer}, {stage}: {told}");
            }
            self.machine.must(forget);
        }
    }

    /// So does what was written before a removal, when the next version is installed.
    pub fn keeps_configuration_of_a_removed_package(&self) {
        for command in [self.old, WRITERS[1].1, self.remove] {
            self.machine.must(command);
        }
        let written = configuration(self.machine);
        assert!(written.contains("policy.json") && written.contains("repairs.json"), "{written}");
        for command in [self.new, self.remove, self.newer] {
            let told = self.machine.must(command);
            assert_eq!(configuration(self.machine), written, "{command}: {told}");
        }
    }

    /// What is there before the first installation stays as well.
    pub fn installs_beside_configuration(&self) {
        self.machine.must(
            "install -d /etc/nagios-selfheal; cd /etc/nagios-selfheal; echo mine > policy.json; ln \
             -s /nonexistent repairs.json",
        );
        let there = "cd /etc/nagios-selfheal; cat policy.json; readlink repairs.json; ls -l";
        let before = self.machine.must(there);
        let told = self.machine.must(self.new);
        assert_eq!(self.machine.must(there), before, "{told}");
    }

    /// Units that are on stay on, without a gap for the sweep at work; units that an admin has
    /// stopped stay stopped.
    pub fn keeps_units_as_they_are(&self) {
        self.machine.must(self.old);
        self.machine.must(&format!("{SLOW_SWEEP}; systemctl enable --now {WATCHES}"));
        self.start_sweep();
        let at_work = self.sweep();
        self.machine.must(self.new);
        assert_eq!((self.sweep(), self.states()), (at_work.clone(), "active\nactive\n".into()));
        self.machine.must(FOLLOWS);

        self.machine.must(&format!("systemctl stop {WATCHES}"));
        self.machine.must(self.newer);
        assert_eq!((self.sweep(), self.states()), (at_work, "inactive\ninactive\n".into()));
        let enabled = self.machine.must(&format!("systemctl is-enabled {WATCHES}"));
        assert_eq!(enabled, "enabled\nenabled\n");

        // The sweep ends as if nothing had been, and the timer counts from there.
        self.machine.must(&format!("systemctl start {WATCHES}; touch /run/go"));
        self.machine
            .must(&patient("systemctl is-active repairctl-sweep.service | grep -x inactive"));
        assert!(self.sweep().contains("Result=success"), "{}", self.sweep());
        self.machine.must(&patient(
            "systemctl show -p NextElapseUSecMonotonic repairctl-sweep.timer | grep -qE [0-9]s",
        ));
    }

    /// A removal while the sweep is at work and the other service has failed leaves no unit, failed
    /// or not, and no process.
    pub fn removes_units(&self) {
        self.machine.must(self.new);
        self.machine.must(&format!("{SLOW_SWEEP}; systemctl enable --now {WATCHES}"));
        self.start_sweep();
        self.machine.must("echo broken > /etc/nagios-selfheal/repairs.json");
        self.machine
            .must(&patient("systemctl is-failed repair-gate-sudoers.service | grep -x failed"));
        let told = self.machine.must(self.remove);
        // An enabled unit is still listed, as one that is not found.
        let left = self.machine.must(
            "systemctl list-units --all --plain --no-legend --state \
             active,activating,deactivating,failed 'repair*'",
        );
        assert!(left.is_empty(), "{left}\n{told}");
        let running = self.machine.root("pgrep --full 'e /run/[g]o'");
        assert!(running.stdout.is_empty(), "{running:?}");
    }

    /// The rules of sudo are made anew by the new gate, unless what it makes is not in order.
    pub fn renews_sudoers(&self) {
        self.machine.must(self.old);
        self.machine.must(STALE_RULES);
        self.machine.must(self.new);
        self.machine.must(
            "/usr/libexec/nagios-selfheal/repair_gate sudoers | cmp - /etc/sudoers.d/nagios-selfheal
             grep -q within.*/bin/true /etc/sudoers.d/nagios-selfheal; visudo -c",
        );
        // One that the gate refuses, and one that its text is not right for.
        self.machine.must(STALE_RULES);
        self.machine.must("echo broken > /etc/nagios-selfheal/repairs.json");
        let told = self.machine.must(self.newer);
        let stale = "repair ALL=(root) NOPASSWD: /bin/stale";
        let rules = self.machine.must("cat /etc/sudoers.d/nagios-selfheal");
        assert!(rules.contains(stale), "{rules}\n{told}");
    }

    fn start_sweep(&self) {
        self.machine.must("rm -f /run/go; systemctl start --no-block repairctl-sweep.service");
        self.machine
            .must(&patient("systemctl is-active repairctl-sweep.service | grep -x activating"));
        self.machine.must(&patient("pgrep --full 'e /run/[g]o'"));
    }

    fn sweep(&self) -> String {
        let show = "systemctl show -p ActiveState -p Result -p ExecMainPID repairctl-sweep.service";
        self.machine.must(show)
    }

    fn states(&self) -> String {
        let told = self.machine.root(&format!("systemctl is-active {WATCHES}"));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }
}

/// What an admin may have enabled.
const WATCHES: &str = "repairctl-sweep.timer repair-gate-sudoers.path";

/// A sweep that lasts until it is told to end.
const SLOW_SWEEP: &str = "install -d /etc/systemd/system/repairctl-sweep.service.d
printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c \"until [ -e /run/go ]; do sleep 0.1; done\"\\n' \
    > /etc/systemd/system/repairctl-sweep.service.d/slow.conf
systemctl daemon-reload";

/// The watch on repairs.json sees a change of it.
const FOLLOWS: &str = "
echo '{\"repairs\": {\"x\": {\"run\": [\"/bin/followed\"], \"as\": \"root\"}}}' \
    > /etc/nagios-selfheal/repairs.json
timeout 300 sh -c 'until grep -q /bin/followed /etc/sudoers.d/nagios-selfheal; do sleep 0.1; done'";

/// A repair, and a file of sudo that some gate has made of another.
const STALE_RULES: &str = "
echo '{\"repairs\": {\"httpd\": {\"run\": [\"/bin/true\"], \"as\": \"root\"}}}' > \
    /etc/nagios-selfheal/repairs.json
file=/etc/sudoers.d/nagios-selfheal
/usr/libexec/nagios-selfheal/repair-gate-sudoers
sed -i 's,^repair ALL.*,repair ALL=(root) NOPASSWD: /bin/stale,' $file
grep -q stale $file";

/// A script that waits until another one succeeds.
fn patient(script: &str) -> String {
    format!(
        "timeout 300 sh -c 'until {script}; do sleep 0.1; done'",
        script = script.replace('\'', "'\\''")
    )
}
