//! Tests `repairctl lint` on the shipped nagios-config/, on Debian's default configuration, and on
//! copies of nagios-config/ with one defect each. Nagios itself silently accepts most of the
//! defects.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod lint_cases;

use std::fs::{self};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lint_cases::{ACCEPTED, Case, REFUSED, cases};
use tempfile::TempDir;

/// The part of the configuration that every admin writes for their own site: a contact, a time
/// period, and a host with the repair `power-cycle`.
const SITE: &str = "\
define command {
    command_name  page
    command_line  /bin/true
}
define contact {
    contact_name                   pager
    host_notification_period       always
    service_notification_period    always
    host_notification_options      d,r
    service_notification_options   c,r
    host_notification_commands     page
    service_notification_commands  page
}
define timeperiod {
    timeperiod_name  always
    alias            always
    monday           00:00-24:00
}
define host {
    name                 generic-host
    check_command        selfheal_check_http
    check_period         always
    notification_period  always
    contacts             pager
    register             0
}
define service {
    name                 generic-service
    check_period         always
    notification_period  always
    contacts             pager
    register             0
}
define host {
    use                 generic-host
    host_name           localhost
    max_check_attempts  3
}
define host {
    use                 repairable-host,generic-host
    host_name           power1
    address             192.0.2.2
    max_check_attempts  3
    _REPAIR             power-cycle
}
define service {
    use                  generic-service
    host_name            power1
    service_description  Plain
    check_command        selfheal_check_http
    max_check_attempts   3
}
";

/// A nagios.cfg with settings like those of a distribution.
const MAIN: &str = "\
cfg_file=site.cfg
cfg_file=commands.cfg
cfg_file=templates.cfg
cfg_file=services.cfg
resource_file=resource.cfg
log_file=nagios.log
object_cache_file=objects.cache
precached_object_file=objects.precache
status_file=status.dat
check_external_commands=1
command_file=/var/spool/nagios/cmd/nagios.cmd
event_handler_timeout=30
enable_event_handlers=1
retain_state_information=1
state_retention_file=retention.dat
illegal_macro_output_chars=`~$&|'\"<>
log_service_retries=1
";

/// A directory with a complete and correct configuration.
struct Context {
    directory: TempDir,
}

impl Context {
    fn new() -> Context {
        let directory = tempfile::tempdir().unwrap();
        // Nagios reads the configuration as its own user, so that user must be able to enter the
        // directory.
        testkit::set_mode(directory.path(), 0o755);
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nagios-config");
        let site = Context { directory };
        for name in ["commands.cfg", "templates.cfg", "services.cfg", "policy.json"] {
            site.write(name, &fs::read_to_string(shipped.join(name)).unwrap());
        }
        site.edit(
            "policy.json",
            "\"repairs\": {",
            "\"repairs\": {\n        \"power-cycle\": \
            {\"ladder\": [{\"local\": [\"/bin/true\"]}], \"verify\": [\"check_http\"]},",
        );
        site.write("site.cfg", SITE);
        site.write("nagios.cfg", MAIN);
        site.write("resource.cfg", "$USER1$=/usr/bin\n$USER2$=a-secret\n");
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// Replaces the first occurrence of `from`. If `from` is empty, appends `to`.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        if from.is_empty() {
            return self.write(name, &(text + to));
        }
        assert!(text.contains(from), "{name} does not hold {from:?}");
        self.write(name, &text.replacen(from, to, 1));
    }

    fn with(case: &Case) -> Context {
        let site = Context::new();
        for (name, from, to) in case.edits {
            site.edit(name, from, &to.replace("DIR", &site.directory.path().display().to_string()));
        }
        site
    }

    fn lint(&self, more: &[&str]) -> Output {
        lint(&self.at("nagios.cfg"), &self.at("policy.json"), more)
    }

    /// Runs `nagios4 -v`, and returns its output if Nagios refuses the configuration.
    fn nagios_accepts(&self) -> Result<(), String> {
        let done = Command::new("/usr/sbin/nagios4")
            .arg("-v")
            .arg(self.at("nagios.cfg"))
            .output()
            .expect("nagios4-core is installed");
        if done.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&done.stdout).into_owned())
        }
    }
}

fn lint(main: &Path, policy: &Path, more: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_repairctl");
    Command::new(program)
        .arg("lint")
        .arg(main)
        .arg("--policy")
        .arg(policy)
        .args(more)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn finds_nothing_in_the_shipped_configuration() {
    let site = Context::new();
    let good = site.lint(&[]);
    assert_eq!(text(&good), "no problems found in 1 service and 1 host with a repair\n");
    assert_eq!(good.status.code(), Some(0));
    site.nagios_accepts().unwrap();
}

#[test]
fn finds_nothing_in_the_default_configuration_of_debian() {
    let stock =
        lint(Path::new("/etc/nagios4/nagios.cfg"), Path::new("/nonexistent/policy.json"), &[]);
    assert_eq!(
        text(&stock),
        "no problems found in 0 services with a repair; no command calls handle_repair\n"
    );
    assert_eq!(stock.status.code(), Some(0));
}

#[test]
fn reports_each_defect_with_its_location_and_fix() {
    let mut wrong = Vec::new();
    for case in cases() {
        let site = Context::with(case);
        let output = site.lint(&["--json"]);
        let json: serde_json::Value = serde_json::from_str(&text(&output)).unwrap();
        let found: Vec<String> = json["findings"].as_array().unwrap().iter().map(line).collect();
        let (file, holds) = case.at;
        let text_of_file = site.read(file);
        let found_at = text_of_file
            .find(holds)
            .unwrap_or_else(|| panic!("{}: {file} does not hold {holds:?}", case.name));
        let number = if holds.is_empty() {
            0
        } else {
            1 + text_of_file[..found_at + holds.len()].matches('\n').count()
        };
        let wanted = format!("{} {} {}:{number}", case.level, case.code, site.at(file).display());
        let fix = json["findings"][0]["fix"].as_str().unwrap_or_default();
        if found != [wanted.clone()] || !fix.contains(case.fix) {
            wrong.push(format!(
                "{}:\n  wanted [{wanted}] {:?}\n  found  {found:#?} {fix:?}",
                case.name, case.fix
            ));
        }
        let code = if case.level == "note" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{}", case.name);
        let accepted = site.nagios_accepts();
        assert_eq!(accepted.is_ok(), case.nagios == ACCEPTED, "{}: {accepted:?}", case.name);
        assert!(case.nagios == ACCEPTED || case.nagios == REFUSED);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn line(one: &serde_json::Value) -> String {
    format!(
        "{} {} {}:{}",
        one["level"].as_str().unwrap(),
        one["code"].as_str().unwrap(),
        one["file"].as_str().unwrap(),
        one["line"]
    )
}

#[test]
fn prints_location_defect_objects_and_fix() {
    let site = Context::new();
    site.edit("templates.cfg", "event_handler_enabled   1", "event_handler_enabled   0");
    let output = site.lint(&[]);
    let place = site.at("templates.cfg");
    let templates = fs::read_to_string(&place).unwrap();
    let line = 1 + templates.lines().position(|line| line.ends_with("enabled   0")).unwrap();
    assert_eq!(
        text(&output),
        format!(
            "{}:{line}: error: event_handler_enabled is 0: handle_repair is never called \
             (web1/HTTP) [handler-disabled]: set \
             event_handler_enabled to 1\n1 error in 1 service and 1 host with a repair\n",
            place.display()
        )
    );
}

#[test]
fn exits_with_2_for_unreadable_files() {
    let site = Context::new();
    site.edit("nagios.cfg", "", "cfg_dir=missing.d\n");
    let output = site.lint(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("nagios.cfg:18: error: the file cannot be read: "),
        "{}",
        text(&output)
    );
    let nothing = lint(Path::new("/nonexistent/nagios.cfg"), Path::new("/nonexistent"), &[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(
        text(&nothing)
            .starts_with("/nonexistent/nagios.cfg: error: the file cannot be read: No such file")
    );
    for (name, what) in
        [("empty", ""), ("policy.json", "{}\n"), ("readme", "# cfg_file=here\nNagios\n")]
    {
        site.write(name, what);
        let output = lint(&site.at(name), Path::new("/nonexistent"), &[]);
        assert!(
            output.status.code() == Some(2)
                && text(&output).contains("is not a Nagios configuration"),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn never_prints_secrets_from_the_resource_file() {
    let site = Context::new();
    site.edit("commands.cfg", "'$SERVICESTATE$'", "'$USER2$'");
    let said = text(&site.lint(&[]));
    assert!(said.contains("$USER2$") && !said.contains("a-secret"), "{said}");
}

#[test]
fn reads_the_object_cache_of_nagios() {
    let site = Context::new();
    site.edit("services.cfg", "    _REPAIR             httpd", "    _REPAIR             htpd");
    testkit::set_mode(site.directory.path(), 0o777);
    let done =
        Command::new("/usr/sbin/nagios4").arg("-vp").arg(site.at("nagios.cfg")).output().unwrap();
    assert!(done.status.success());
    let cache = fs::read_to_string(site.at("objects.precache")).unwrap();
    let number = 1 + cache.lines().position(|line| line.contains("_REPAIR\thtpd")).unwrap();
    let output = lint(&site.at("objects.precache"), &site.at("policy.json"), &[]);
    let said = text(&output);
    assert!(said.contains(&format!("objects.precache:{number}: error: the policy")), "{said}");
    assert!(said.ends_with("\n1 error in 1 service and 1 host with a repair\n"), "{said}");
}

#[test]
fn accepts_an_event_handler_period_that_covers_the_whole_week() {
    let site = Context::new();
    let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let days: String = days.map(|day| format!(" {day} 00:00-24:00\n")).concat();
    let period = format!("define timeperiod {{\n timeperiod_name 24x7\n alias all\n{days}}}\n");
    site.edit("site.cfg", "", &period);
    let with_period = "_REPAIR             httpd\n    event_handler_period 24x7";
    site.edit("services.cfg", "_REPAIR             httpd", with_period);
    assert_eq!(text(&site.lint(&[])), "no problems found in 1 service and 1 host with a repair\n");
}
