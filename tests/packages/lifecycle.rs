//! Tests of upgrades and removals for both kinds of packages. Upgrades and removals must keep the
//! files that `repairctl init` and an admin have written. Upgrades must also keep the state of the
//! units.
//!
//! The oldest version is the one from commit 7740e3e, whose packages contained policy.json and
//! repairs.json. Its maintainer scripts, lists of conffiles and spec file are in `7740e3e/`.

use e2e::Machine;

/// Commands that install, upgrade and remove nagios-selfheal and repair-gate. They use the package
/// manager's defaults, and fail if it asks a question.
pub struct Lifecycle<'a> {
    pub machine: &'a Machine,
    /// Command that installs the packages from commit 7740e3e.
    pub old: &'a str,
    /// Command that installs the packages under test, or upgrades to them.
    pub new: &'a str,
    /// Command that upgrades to newer packages, which have a different initial policy.json and
    /// repairs.json.
    pub newer: &'a str,
    pub remove: &'a str,
}

/// The possible authors of policy.json and repairs.json, each with a script that writes or removes
/// both files as this author does.
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

/// Returns the name, owner, mode and checksum of each configuration file.
fn configuration(machine: &Machine) -> String {
    machine.must(
        "find /etc/nagios-selfheal -not -type d 2>/dev/null | sort | while read -r file; do
             stat --format '%n %U:%G %a' $file; sha256sum $file
         done",
    )
}

impl Lifecycle<'_> {
    /// For each entry in `WRITERS`, upgrades through all versions and removes the packages. Then
    /// `forget` deletes all traces of the packages.
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

    /// Removes the packages and installs the next version. The configuration must stay as it was.
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

    /// Checks that a first installation keeps existing files.
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

    /// Checks that an upgrade keeps active units active, does not interrupt a running sweep, and
    /// does not start units that an admin has stopped.
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

        // The sweep ends normally, and the timer schedules the next one.
        self.machine.must(&format!("systemctl start {WATCHES}; touch /run/go"));
        self.machine
            .must(&patient("systemctl is-active repairctl-sweep.service | grep -x inactive"));
        assert!(self.sweep().contains("Result=success"), "{}", self.sweep());
        self.machine.must(&patient(
            "systemctl show -p NextElapseUSecMonotonic repairctl-sweep.timer | grep -qE [0-9]s",
        ));
    }

    /// Removes the packages while the sweep is running and the service for the sudo rules has
    /// failed. No unit or process may be left behind.
    pub fn removes_units(&self) {
        self.machine.must(self.new);
        self.machine.must(&format!("{SLOW_SWEEP}; systemctl enable --now {WATCHES}"));
        self.start_sweep();
        self.machine.must("echo broken > /etc/nagios-selfheal/repairs.json");
        self.machine
            .must(&patient("systemctl is-failed repair-gate-sudoers.service | grep -x failed"));
        let told = self.machine.must(self.remove);
        // systemctl still lists an enabled unit as "not-found" after its file is gone, so select
        // units by state.
        let left = self.machine.must(
            "systemctl list-units --all --plain --no-legend --state \
             active,activating,deactivating,failed 'repair*'",
        );
        assert!(left.is_empty(), "{left}\n{told}");
        let running = self.machine.root("pgrep --full 'e /run/[g]o'");
        assert!(running.stdout.is_empty(), "{running:?}");
    }

    /// Checks that an upgrade regenerates the sudo rules with the new gate, but keeps the old rules
    /// if repairs.json is invalid.
    pub fn renews_sudoers(&self) {
        self.machine.must(self.old);
        self.machine.must(STALE_RULES);
        self.machine.must(self.new);
        self.machine.must(
            "/usr/libexec/nagios-selfheal/repair_gate sudoers | cmp - /etc/sudoers.d/nagios-selfheal
             grep -q within.*/bin/true /etc/sudoers.d/nagios-selfheal; visudo -c",
        );
        // Write a repairs.json that the gate refuses.
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

/// Units that an admin can enable.
const WATCHES: &str = "repairctl-sweep.timer repair-gate-sudoers.path";

/// Script that replaces the sweep with a command that runs until /run/go exists.
const SLOW_SWEEP: &str = "install -d /etc/systemd/system/repairctl-sweep.service.d
printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c \"until [ -e /run/go ]; do sleep 0.1; done\"\\n' \
    > /etc/systemd/system/repairctl-sweep.service.d/slow.conf
systemctl daemon-reload";

/// Script that changes repairs.json, and waits until the path unit has updated the sudo rules.
const FOLLOWS: &str = "
echo '{\"repairs\": {\"x\": {\"run\": [\"/bin/followed\"], \"as\": \"root\"}}}' \
    > /etc/nagios-selfheal/repairs.json
timeout 300 sh -c 'until grep -q /bin/followed /etc/sudoers.d/nagios-selfheal; do sleep 0.1; done'";

/// Script that writes repairs.json together with sudo rules that do not match it.
const STALE_RULES: &str = "
echo '{\"repairs\": {\"httpd\": {\"run\": [\"/bin/true\"], \"as\": \"root\"}}}' > \
    /etc/nagios-selfheal/repairs.json
file=/etc/sudoers.d/nagios-selfheal
/usr/libexec/nagios-selfheal/repair-gate-sudoers
sed -i 's,^repair ALL.*,repair ALL=(root) NOPASSWD: /bin/stale,' $file
grep -q stale $file";

/// Returns a script that waits until another script succeeds.
fn patient(script: &str) -> String {
    format!(
        "timeout 300 sh -c 'until {script}; do sleep 0.1; done'",
        script = script.replace('\'', "'\\''")
    )
}
