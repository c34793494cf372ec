//! Tests of `repairctl report` with a real browser. The page must open without errors and show the
//! right figures. The tests keep the pages in target/report.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the numbers come from a generated month"
)]

mod month;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Place, run, system_program};
use ledger::RepairOutcome;
use month::{HOSTILE_HOST, HOSTILE_SERVICE, MONTH, Month, Written, hour};
use policy::Reason;

/// A directory with a policy and a ledger for the report.
struct Site {
    place: Place,
    policy: PathBuf,
    ledger: PathBuf,
}

impl Site {
    fn new() -> Site {
        let place = Place::new();
        // Keep the ledger in memory. On a disk, each of the thousands of repairs would wait for a
        // disk write.
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() {
            memory.join(place.path().file_name().unwrap())
        } else {
            place.at("ledger")
        };
        fs::create_dir(&directory).unwrap();
        let ledger = directory.join("ledger.sqlite");
        let policy = serde_json::json!({"ledger": ledger, "repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["check_http"]}}});
        let policy = place.file("policy.json", &policy.to_string(), 0o644, None);
        Site { place, policy, ledger }
    }

    fn repairctl(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.place.program("repairctl"));
        command.arg("--policy").arg(&self.policy).args(words).env("TZ", "Etc/UTC");
        command
    }

    fn report(&self, name: &str) -> Page {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/report");
        fs::create_dir_all(&kept).unwrap();
        let file = kept.canonicalize().unwrap().join(format!("{name}.html"));
        run(self.repairctl(&["report", "--month", MONTH, "--html"]).arg(&file));
        Page { file, profile: self.place.directory("profile", None) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.ledger.parent().unwrap());
    }
}

/// A report page, and the profile directory for the browser that opens it.
struct Page {
    file: PathBuf,
    profile: PathBuf,
}

impl Page {
    /// Opens the page in a browser, and returns the resulting DOM. Panics if the browser's console
    /// shows a message.
    fn opened(&self) -> String {
        let (dom, console) = self.browse(&["--dump-dom".into()]);
        assert!(!console.contains("CONSOLE"), "{console}");
        dom
    }

    /// Writes a screenshot next to the page, for manual inspection.
    fn picture(&self, kind: &str, size: &str, more: &[&str]) {
        let picture = self.file.with_extension(format!("{kind}.png"));
        let mut words = vec![
            format!("--screenshot={}", picture.display()),
            format!("--window-size={size}"),
            "--hide-scrollbars".into(),
        ];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        self.browse(&words);
        assert!(fs::metadata(&picture).unwrap().len() > 5000, "{}", picture.display());
    }

    fn browse(&self, words: &[String]) -> (String, String) {
        let quiet = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ];
        let mut browser = Command::new(system_program(&["chromium", "chromium-browser"]));
        browser.args(quiet).arg(format!("--user-data-dir={}", self.profile.display())).args(words);
        let done = browser.arg(format!("file://{}", self.file.display())).output().unwrap();
        let console = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{console}");
        (String::from_utf8_lossy(&done.stdout).into_owned(), console)
    }
}

fn tile(name: &str, value: &str) -> String {
    format!("<dt>{name}</dt><dd class=\"value\">{value}</dd>")
}

fn thousands(n: u32) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
}

#[test]
fn renders_5000_repairs_on_300_hosts() {
    let site = Site::new();
    let mut month = Month::new(&site.ledger);
    month.fill(600, 300, 1);
    let Written { repairs, healed, escalated, refused } = month.fill(5000, 300, 0);
    let begun = Instant::now();
    let page = site.report("5000");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(60), "the page took {took:?}");
    let html = fs::read_to_string(&page.file).unwrap();
    assert!(html.len() < 1_000_000, "the page has {} bytes", html.len());

    let dom = page.opened();
    for (name, n) in [
        ("Repairs started", repairs),
        ("Healed", healed),
        ("Escalated", escalated),
        ("Refused", refused),
    ] {
        assert!(dom.contains(&tile(name, &thousands(n))), "{name} {n} is not on the page");
    }
    assert!(dom.contains("before: 600 (+733 %)"));
    for hostile in [HOSTILE_HOST, HOSTILE_SERVICE, "onerror=alert(2)>\u{1b}"] {
        assert!(!html.contains(hostile), "{hostile}");
    }
    assert!(dom.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // In the chart, each of the hosts with the most repairs has a row. A table lists 100 hosts.
    assert!(dom.contains("The other ") && (150..300).contains(&dom.matches("<tr>").count()));
    for (kind, size, more) in [
        ("light", "1100,3600", &[][..]),
        ("dark", "1100,3600", &["--blink-settings=preferredColorScheme=0"][..]),
        ("narrow", "500,5200", &[][..]),
    ] {
        page.picture(kind, size, more);
    }
    page.browse(&[
        format!("--print-to-pdf={}", page.file.with_extension("pdf").display()),
        "--no-pdf-header-footer".into(),
    ]);
}

#[test]
fn renders_month_with_few_repairs() {
    let site = Site::new();
    let page = site.report("0");
    assert!(page.opened().contains("Nothing was repaired or refused."));
    page.picture("light", "1100,600", &[]);

    let mut month = Month::new(&site.ledger);
    month.repair("web1", "HTTP", hour(30), RepairOutcome::Healed);
    month.repair("web1", "HTTP", hour(200), RepairOutcome::Healed);
    month.repair("web2", "HTTP", hour(500), RepairOutcome::NotHealed);
    month.refuse("web2", "HTTP", hour(501), Reason::Flapping);
    let page = site.report("3");
    let dom = page.opened();
    assert!(
        dom.contains("3 repairs on 2 hosts. 67 % of the completed repairs healed the fault")
            && dom.contains(" 1 was escalated.")
    );
    assert!(dom.contains("No breaker refused a repair.") && dom.contains(&tile("Refused", "1")));
    page.picture("light", "1100,2200", &[]);
}

#[test]
fn text_report_fits_78_columns_and_has_the_same_figures() {
    let site = Site::new();
    let written = Month::new(&site.ledger).fill(200, 40, 0);
    let text = run(&mut site.repairctl(&["report", "--month", MONTH, "--text"]));
    for line in text.lines() {
        assert!(line.chars().count() <= 78 && !line.contains(char::is_control), "{line}");
    }
    let row = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        line.get(32..42).unwrap().trim().to_owned()
    };
    assert_eq!(row("repairs"), written.repairs.to_string());
    assert_eq!(row("escalated"), written.escalated.to_string());
    assert_eq!(row("refused"), written.refused.to_string());
}

#[test]
fn replaces_only_a_previous_page() {
    let site = Site::new();
    let file = site.place.at("page.html");
    for _ in 0..2 {
        run(site.repairctl(&["report", "--html"]).arg(&file));
    }
    let beside = fs::read_dir(site.place.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("new-"));
    assert_eq!(beside.count(), 0);
    for (words, wanted) in [
        (["report", "--html", "/dev/null"], "not a regular file"),
        (["report", "--html", "/nonexistent/page.html"], "No such file"),
        (["report", "--month", "2024-13"], "--html"),
        (["report", "--text", "--month=2024-13"], "'2024-13' is not a month"),
    ] {
        let done = site.repairctl(&words).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            done.status.code() == Some(3) && said.contains(wanted) && done.stdout.is_empty(),
            "{words:?}: {said}"
        );
    }
}
