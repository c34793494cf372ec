//! Tests that the index file saves reads, and that it never changes what is found.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use policy::ObjectState;
use proptest::prelude::*;
use tempfile::TempDir;

use super::index_header::Header;
use super::tests::status_file;
use super::*;

/// A status file and the path of its index, in a directory of their own.
struct Site {
    dir: TempDir,
    status: PathBuf,
    index: PathBuf,
}

impl Site {
    /// Creates a status file with `hosts` hosts, each with three services. Of the three,
    /// one is CRITICAL and two have opted in to repairs.
    fn new(hosts: usize) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let site = Site {
            status: dir.path().join("status.dat"),
            index: dir.path().join("ledger.sqlite.status"),
            dir,
        };
        site.write(hosts, "");
        site
    }

    /// Replaces the status file the way Nagios does.
    fn write(&self, hosts: usize, more: &str) {
        let mut blocks = "info created=1000\nprogramstatus program_start=900 \
                          enable_event_handlers=1\n"
            .to_owned();
        for host in 0..hosts {
            blocks += &format!("hoststatus host_name=web{host} current_state=0\n");
        }
        for host in 0..hosts {
            blocks += &format!(
                "servicestatus host_name=web{host} service_description=HTTP current_state=2 \
                 last_check=990 event_handler_enabled=1 _REPAIR=0;httpd\n\
                 servicestatus host_name=web{host} service_description=SSH current_state=0 \
                 scheduled_downtime_depth=2 _REPAIR=0;sshd\n\
                 servicestatus host_name=web{host} service_description=Disk current_state=1\n"
            );
        }
        let draft = self.status.with_extension("new");
        fs::write(&draft, status_file(&(blocks + more))).unwrap();
        fs::rename(draft, &self.status).unwrap();
    }

    fn find_with(&self, is_written: bool, host: &str, service: Option<&str>) -> ObjectReport {
        let index = IndexFile { path: &self.index, is_written };
        find(&self.status, index, host, service).unwrap()
    }

    fn find(&self, host: &str, service: Option<&str>) -> ObjectReport {
        self.find_with(true, host, service)
    }

    /// Checks that searches with and without an index return the same results for several objects,
    /// one of which does not exist.
    fn assert_same(&self) {
        for (host, service) in
            [("web1", Some("HTTP")), ("web0", Some("SSH")), ("web2", None), ("web9", Some("SSH"))]
        {
            let nowhere = IndexFile { path: Path::new("/nonexistent/index"), is_written: false };
            let wanted = find(&self.status, nowhere, host, service).unwrap();
            for is_written in [false, true] {
                assert_same(&self.find_with(is_written, host, service), &wanted);
            }
        }
    }
}

fn assert_same(found: &ObjectReport, wanted: &ObjectReport) {
    assert_eq!((&found.object, &found.host), (&wanted.object, &wanted.host));
    assert_eq!((found.share, found.program), (wanted.share, wanted.program));
}

/// Returns the number of bytes that this thread reads during `work`, see proc_pid_io(5).
fn bytes_read(work: impl FnOnce()) -> u64 {
    let count = || -> u64 {
        let text = fs::read_to_string("/proc/thread-self/io").unwrap();
        let (_, count) = text.lines().next().unwrap().split_once("rchar: ").unwrap();
        count.parse().unwrap()
    };
    // Reading the counter itself reads bytes, so measure how many and subtract them.
    let before = count();
    let own = count() - before;
    work();
    count() - before - 2 * own
}

#[test]
fn second_look_reads_as_little_of_a_large_file_as_of_a_small_one() {
    let counts = [100, 10_000].map(|hosts| {
        let site = Site::new(hosts);
        let size = fs::metadata(&site.status).unwrap().len();
        let first = bytes_read(|| assert!(site.find("web7", Some("HTTP")).object.is_some()));
        assert!(first >= size, "{first} of {size}");
        // Look up another object, as another worker would.
        let second = bytes_read(|| assert!(site.find("web5", Some("SSH")).object.is_some()));
        assert!(second < 10_000, "{second} bytes");
        second
    });
    // Apart from a few more steps to search the larger index, both searches read the same number of
    // bytes.
    assert!(counts[1] - counts[0] < 16 * 16, "{counts:?}");
}

#[test]
fn finds_the_same_with_and_without_an_index() {
    let site = Site::new(3);
    site.assert_same();
    let http = site.find("web1", Some("HTTP"));
    let object = http.object.unwrap();
    assert_eq!((object.state(), object.repair_name()), (ObjectState::Critical, "httpd".into()));
    assert_eq!(http.share, (3, 6));
    assert_eq!(http.program.written, SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
}

#[test]
fn looks_again_when_nagios_has_written_the_file() {
    let site = Site::new(3);
    assert_eq!(site.find("web1", None).share, (3, 6));
    site.write(4, "");
    assert_eq!(site.find("web1", None).share, (4, 8));
    // The new file has the same size, but a different inode and modification time.
    let swap = |text: &str| text.replace("current_state=2", "current_state=0");
    let text = swap(&fs::read_to_string(&site.status).unwrap());
    let draft = site.dir.path().join("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(&draft, &site.status).unwrap();
    assert_eq!(site.find("web1", None).share, (0, 8));
}

#[test]
fn prefers_the_last_of_two_blocks_of_one_object() {
    let site = Site::new(3);
    let again = "servicestatus host_name=web1 service_description=HTTP current_state=1\n";
    site.write(3, again);
    for _ in 0..2 {
        let found = site.find("web1", Some("HTTP")).object.unwrap();
        assert_eq!(found.state(), ObjectState::Warning);
    }
}

#[test]
fn writes_only_a_private_index_in_a_private_directory() {
    let site = Site::new(3);
    site.find_with(false, "web1", None);
    assert!(!site.index.exists());
    site.find("web1", None);
    assert_eq!(fs::metadata(&site.index).unwrap().permissions().mode() & 0o777, 0o600);
    // If other accounts can write to the index, it is replaced. If they can write to its directory,
    // no index is written.
    fs::set_permissions(&site.index, Permissions::from_mode(0o666)).unwrap();
    site.assert_same();
    assert_eq!(fs::metadata(&site.index).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&site.index).unwrap();
    fs::set_permissions(site.dir.path(), Permissions::from_mode(0o777)).unwrap();
    site.find("web1", None);
    assert!(!site.index.exists());
}

#[test]
fn reads_no_index_in_a_directory_that_other_accounts_can_change() {
    let site = Site::new(3);
    site.find("web1", None);
    // Change the content, but not the metadata, so that the index seems to belong to the file.
    let modified = fs::metadata(&site.status).unwrap().modified().unwrap();
    let text = fs::read_to_string(&site.status).unwrap();
    let text = text.replace("current_state=2", "current_state=0");
    fs::write(&site.status, text).unwrap();
    File::options().write(true).open(&site.status).unwrap().set_modified(modified).unwrap();
    assert_eq!(site.find("web1", None).share, (3, 6));
    fs::set_permissions(site.dir.path(), Permissions::from_mode(0o777)).unwrap();
    for is_written in [false, true] {
        assert_eq!(site.find_with(is_written, "web1", None).share, (0, 6));
    }
}

#[test]
fn replaces_link_and_pipe_in_the_place_of_the_index() {
    let site = Site::new(3);
    let secret = site.dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    for name in ["", ".new", ".lock"] {
        let path = PathBuf::from(format!("{}{name}", site.index.display()));
        let _ = fs::remove_file(&path);
        symlink(&secret, &path).unwrap();
        site.assert_same();
        let _ = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        site.assert_same();
        let _ = fs::remove_file(&path);
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
}

#[test]
fn refuses_damaged_headers_and_lengths() {
    let site = Site::new(3);
    site.find("web1", None);
    let whole = fs::read(&site.index).unwrap();
    for at in 0..Header::SIZE {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&site.index, damaged).unwrap();
        assert_eq!(site.find("web1", None).share, (3, 6), "{at}");
        assert_eq!(fs::read(&site.index).unwrap(), whole, "{at}");
    }
    for length in (0..whole.len()).step_by(7) {
        fs::write(&site.index, &whole[..length]).unwrap();
        site.assert_same();
    }
    fs::write(&site.index, [&whole[..], b"x"].concat()).unwrap();
    site.assert_same();
}

/// The output of a plugin looks like the start of a block, and is followed by fields that belong to
/// the real block.
#[test]
fn never_takes_text_of_a_plugin_for_a_block() {
    let site = Site::new(0);
    let text = "info {\n\tcreated=1\n\t}\nhoststatus {\n\thost_name=web1\n\t}\n\
                servicestatus {\n\tcurrent_state=2\n\tplugin_output=a servicestatus {\n\
                \thost_name=web1\n\tservice_description=HTTP\n\t}\n";
    fs::write(&site.status, text).unwrap();
    site.find("web1", None);
    let whole = fs::read(&site.index).unwrap();
    for offset in 0..text.len() as u64 {
        // Forge one entry at a time. If both entries were wrong, the status file would be scanned
        // in any case.
        for entry in [Header::SIZE, Header::SIZE + 16] {
            let mut forged = whole.clone();
            forged[entry + 8..entry + 16].copy_from_slice(&offset.to_le_bytes());
            fs::write(&site.index, forged).unwrap();
            let found = site.find("web1", Some("HTTP")).object.unwrap();
            assert_eq!(found.state(), ObjectState::Critical, "{offset}");
        }
    }
}

#[test]
fn builds_one_index_for_many_workers() {
    let site = Site::new(2000);
    let start = Barrier::new(8);
    let size = fs::metadata(&site.status).unwrap().len();
    let read: u64 = thread::scope(|scope| {
        let worker = || {
            start.wait();
            bytes_read(|| assert_eq!(site.find("web7", Some("HTTP")).share, (2000, 4000)))
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(read < 2 * size, "{read} of {size}");
    // If another process never releases the lock, the search scans the status file and writes no
    // index.
    fs::remove_file(&site.index).unwrap();
    let lock = File::open(site.dir.path().join("ledger.sqlite.status.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(site.find("web7", Some("HTTP")).share, (2000, 4000));
    assert!(!site.index.exists());
}

proptest! {
    /// Overwrites hashes and offsets in the index with random numbers, or with random offsets
    /// within the status file.
    #[test]
    fn hostile_entries_never_change_what_is_found(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 1..40),
        is_near in any::<bool>(),
    ) {
        let site = Site::new(3);
        site.find("web1", None);
        let file = File::options().write(true).open(&site.index).unwrap();
        let entries = fs::metadata(&site.index).unwrap().len() as usize - Header::SIZE;
        let size = fs::metadata(&site.status).unwrap().len();
        for (at, value) in damage {
            let value = if is_near { value % size } else { value };
            let at = Header::SIZE + at.index(entries) / 8 * 8;
            file.write_all_at(&value.to_le_bytes(), at as u64).unwrap();
        }
        site.assert_same();
    }
}
