//! Starts a PostgreSQL server for tests.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::{free_port, set_mode, wait_until};

/// The account that runs the server if root runs the test, because PostgreSQL refuses to run as
/// root. The name of the database's superuser is always `postgres`.
const NOBODY: u32 = 65534;

/// A PostgreSQL server with a directory of its own. Dropping this value stops the server and
/// removes the directory. The server trusts every local user. It does not flush to disk, because
/// its data need not survive a power failure.
pub struct Postgres {
    directory: PathBuf,
    /// Port, which is part of the name of the socket.
    pub port: u16,
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
    /// Database that [`Postgres::database_with`] copies.
    template: OnceLock<String>,
    /// Settings that only this server has, in addition to those that all test servers share.
    settings: Vec<String>,
}

impl Postgres {
    /// Starts a server that only this test uses.
    #[track_caller]
    pub fn start() -> Postgres {
        Postgres::start_with(&[])
    }

    /// Starts a server that only this test uses, with additional settings such as
    /// `log_statement=all`.
    #[track_caller]
    pub fn start_with(settings: &[&str]) -> Postgres {
        let mut postgres = Postgres::init(&[
            "initdb",
            "--no-sync",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--username=postgres",
        ]);
        postgres.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        postgres.restart();
        postgres
    }

    /// Starts a server that all tests of this program share. It stops when no test uses it.
    #[track_caller]
    pub fn shared() -> Arc<Postgres> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let postgres = Arc::new(Postgres::start());
            *shared = Arc::downgrade(&postgres);
            postgres
        })
    }

    /// Starts a standby server, which replicates all databases of `primary`.
    #[track_caller]
    pub fn standby_of(primary: &Postgres) -> Postgres {
        Postgres::standby_at(primary, &primary.socket_dir().display().to_string())
    }

    /// Starts a standby that has the settings of `primary` and connects to it at `host`.
    #[track_caller]
    pub fn standby_at(primary: &Postgres, host: &str) -> Postgres {
        let source = format!("host={host} port={} user=postgres", primary.port);
        let mut standby = Postgres::init(&[
            "pg_basebackup",
            "--write-recovery-conf",
            "--no-sync",
            "--checkpoint=fast",
            "--dbname",
            &source,
        ]);
        standby.settings.clone_from(&primary.settings);
        standby.restart();
        standby
    }

    /// Creates the directory of a server and fills it with the command `words`, to which it adds
    /// the option `--pgdata`.
    fn init(words: &[&str]) -> Postgres {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("selfheal-postgres-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        // A killed test with the same process ID may have left its directory behind.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        set_mode(&directory, 0o755);
        if is_root() {
            chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut command = program(words[0]);
        command.args(&words[1..]).arg("--pgdata").arg(directory.join("data"));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (server, databases) = (Mutex::new(None), AtomicU32::new(0));
        let template = OnceLock::new();
        let (port, settings) = (free_port(), Vec::new());
        Postgres { directory, port, server, databases, template, settings }
    }

    /// Starts the server again after [`Postgres::stop`].
    #[track_caller]
    pub fn restart(&self) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let socket = self.socket_dir().display().to_string();
        let mut command = program("postgres");
        command.arg("-D").arg(self.directory.join("data")).args(["-p", &self.port.to_string()]);
        for setting in [
            &format!("unix_socket_directories={socket}"),
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "autovacuum=off",
            "max_connections=200",
            "shared_buffers=16MB",
        ] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        *self.server.lock().unwrap() = Some(command.spawn().unwrap());
        wait_until("PostgreSQL answers", || {
            let mut ping = program("psql");
            ping.args(self.address("postgres")).args(["-c", "SELECT 1"]);
            ping.output().unwrap().status.success()
        });
    }

    /// Stops the server immediately. The server closes all connections, and aborts running
    /// transactions.
    pub fn stop(&self) {
        self.end("-QUIT");
    }

    /// Kills the server's main process. Its other processes then exit without a message to their
    /// clients.
    pub fn kill(&self) {
        self.end("-KILL");
    }

    fn end(&self, signal: &str) {
        if let Some(mut server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // Use kill(1), because std cannot send SIGQUIT.
            let _ = Command::new("/bin/kill").args([signal, &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    /// Changes a setting of the running server.
    #[track_caller]
    pub fn set(&self, name: &str, value: &str) {
        self.sql("postgres", &format!("ALTER SYSTEM SET {name} = {value}"));
        self.sql("postgres", "SELECT pg_reload_conf()");
        let shown = format!("SELECT current_setting('{name}')");
        let wanted = value.trim_matches('\'');
        wait_until("the new setting", || self.sql("postgres", &shown).trim() == wanted);
    }

    /// Makes the server accept TLS, with a certificate for `names`, such as `IP:127.0.0.1`. Returns
    /// the path of the CA certificate with which clients verify the server.
    #[track_caller]
    pub fn use_tls(&self, names: &str) -> PathBuf {
        certificates(&self.directory, names);
        let owner = fs::metadata(self.directory.join("data")).unwrap();
        for (file, setting) in [("server.key", "ssl_key_file"), ("server.pem", "ssl_cert_file")] {
            let file = self.directory.join(file);
            chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
            self.set(setting, &format!("'{}'", file.display()));
        }
        self.set("ssl", "on");
        self.directory.join("ca.pem")
    }

    /// Adds a line to pg_hba.conf, which lists who may log in.
    #[track_caller]
    pub fn allow(&self, line: &str) {
        let rules = File::options().append(true).open(self.directory.join("data/pg_hba.conf"));
        writeln!(rules.unwrap(), "{line}").unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Makes a standby accept writes, as a failover does.
    #[track_caller]
    pub fn promote(&self) {
        self.sql("postgres", "SELECT pg_promote()");
    }

    /// Returns the directory of the server's socket.
    pub fn socket_dir(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of the server's log.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Creates an empty database.
    #[track_caller]
    pub fn create_database(&self, name: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {name} STRATEGY file_copy"));
    }

    /// Creates a database with the tables that `schema` creates, and returns its name. The first
    /// call runs `schema`, and later calls copy the result.
    #[track_caller]
    pub fn database_with(&self, schema: &str) -> String {
        let template = self.template.get_or_init(|| {
            let name = self.next_name();
            self.create_database(&name);
            self.sql(&name, schema);
            name
        });
        let name = self.next_name();
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        self.sql("postgres", &sql);
        name
    }

    fn next_name(&self) -> String {
        format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs SQL as the superuser, and returns what psql prints, without headers.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = program("psql");
        command.args(self.address(database)).args(["-v", "ON_ERROR_STOP=1", "-qAtX", "-f", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = command.spawn().unwrap();
        psql.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let done = psql.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn address(&self, database: &str) -> [String; 8] {
        let socket = self.socket_dir().display().to_string();
        let port = self.port.to_string();
        [
            "-h".into(),
            socket,
            "-p".into(),
            port,
            "-U".into(),
            "postgres".into(),
            "-d".into(),
            database.to_owned(),
        ]
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Creates the files ca.pem, server.pem and server.key. PostgreSQL requires that only its user can
/// read the key.
pub fn certificates(directory: &Path, names: &str) {
    let openssl = |words: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(directory).args(words.split_whitespace());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 2"));
    openssl(&format!(
        "req -x509 {key} -keyout server.key -out server.pem -subj /CN=db -days 2 -CA ca.pem \
         -CAkey ca.key -addext subjectAltName={names} \
         -addext basicConstraints=critical,CA:FALSE"
    ));
    for (file, mode) in [("server.key", 0o600), ("server.pem", 0o644), ("ca.pem", 0o644)] {
        set_mode(directory.join(file), mode);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// Returns a command for one of PostgreSQL's programs, which Debian keeps outside PATH.
fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed");
    let paths = versions.map(|entry| entry.unwrap().path().join("bin").join(name));
    let path = paths.filter(|path| path.exists()).max().expect("PostgreSQL is not installed");
    let mut command = match is_root() {
        false => Command::new(path),
        true => {
            let mut command = Command::new("setpriv");
            let nobody = NOBODY.to_string();
            command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--"]);
            command.arg(path);
            command
        }
    };
    command.current_dir("/").env("LC_ALL", "C");
    command
}
