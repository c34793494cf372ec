//! Tests --cookie-jar. The server sets a cookie and redirects, as after a login. Cookies are kept
//! within a single run and across several runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use support::{Server, run};
use tempfile::tempdir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn redirect(to: &str, cookie: &str) -> String {
    format!("HTTP/1.1 302 F\r\nLocation: {to}\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
}

fn cookie_lines(server: &Server) -> Vec<Option<String>> {
    let line = |request: &String| {
        request.lines().find_map(|line| line.strip_prefix("Cookie: ")).map(str::to_owned)
    };
    server.requests().iter().map(line).collect()
}

#[test]
fn sends_cookie_to_redirect_target() {
    let server = Server::answering(&[&redirect("/in", "session=1; Path=/; HttpOnly"), PAGE]);
    let run =
        server.run(PROGRAM, &["-H", "localhost", "-p", "PORT", "-f", "follow", "--cookie-jar", ""]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    assert_eq!(cookie_lines(&server), [None, Some("session=1".into())]);
    let without = Server::answering(&[&redirect("/in", "session=1"), PAGE]);
    without.run(PROGRAM, &["-H", "localhost", "-p", "PORT", "-f", "follow"]);
    assert_eq!(cookie_lines(&without), [None, None]);
}

#[test]
fn withholds_cookie_from_other_hosts_and_paths() {
    for (location, cookie, expected) in [
        ("http://127.0.0.1:PORT/in", "session=1; Path=/", None),
        ("http://127.0.0.1:PORT/in", "session=1; Domain=127.0.0.1", None),
        ("/out", "session=1; Path=/in", None),
        ("/in", "session=1; Secure", None),
        ("/in", "session=1", Some("session=1".to_owned())),
    ] {
        let server = Server::answering(&[&redirect(location, cookie), PAGE]);
        let run = server
            .run(PROGRAM, &["-H", "localhost", "-p", "PORT", "-f", "follow", "--cookie-jar", ""]);
        assert_eq!(
            (run.code, cookie_lines(&server)),
            (Some(0), vec![None, expected]),
            "{location} {cookie}"
        );
    }
}

#[test]
fn keeps_cookies_between_runs_in_private_file() {
    let folder = tempdir().unwrap();
    let jar = folder.path().join("jar");
    let jar_name = jar.to_str().unwrap();
    let server = Server::answering(&[
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Max-Age=900\r\nSet-Cookie: b=2\r\n\r\n",
        PAGE,
    ]);
    let options = ["-H", "localhost", "-p", "PORT", "--cookie-jar", jar_name];
    for _ in 0..2 {
        assert_eq!(server.run(PROGRAM, &options).code, Some(0));
    }
    assert_eq!(cookie_lines(&server), [None, Some("a=1; b=2".into())]);
    let text = fs::read_to_string(&jar).unwrap();
    assert!(
        text.starts_with("# Netscape HTTP Cookie File\n")
            && text.contains("localhost\tFALSE\t/\tFALSE\t0\tb\t2\n"),
        "{text}"
    );
    assert_eq!(fs::metadata(&jar).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file is left in the folder"
    );
}

#[test]
fn follows_redirect_to_same_url_after_new_cookie() {
    let server = Server::answering(&[&redirect("/", "seen=1"), PAGE]);
    let options = ["-H", "127.0.0.1", "-p", "PORT", "-f", "follow"];
    let with = server.run(PROGRAM, &[&options[..], &["--cookie-jar", ""]].concat());
    assert_eq!(with.code, Some(0), "{}", with.text);
    let endless = Server::answering(&[&redirect("/", "seen=1")]);
    let with = endless.run(PROGRAM, &[&options[..], &["--cookie-jar", ""]].concat());
    assert!(with.code == Some(2) && with.text.contains("infinite loop"), "{}", with.text);
}

#[test]
fn rejects_unusable_cookie_jars() {
    let server = Server::answering(&[PAGE]);
    let run = server.run(PROGRAM, &["-H", "localhost", "-p", "PORT", "--cookie-jar", "/"]);
    assert!(
        run.code == Some(3) && run.text.contains("the cookie jar / cannot be read"),
        "{}",
        run.text
    );
    let nowhere = server
        .run(PROGRAM, &["-H", "localhost", "-p", "PORT", "--cookie-jar", "/no/such/folder/jar"]);
    assert_eq!(nowhere.code, Some(0), "there was no cookie to save: {}", nowhere.text);
    let setting = Server::answering(&["HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n\r\n"]);
    let run = setting
        .run(PROGRAM, &["-H", "localhost", "-p", "PORT", "--cookie-jar", "/no/such/folder/jar"]);
    assert!(
        run.code == Some(3) && run.text.contains("the cookie jar cannot be written"),
        "{}",
        run.text
    );
}

#[test]
fn verbose_output_hides_sent_cookies() {
    let folder = tempdir().unwrap();
    let jar = folder.path().join("jar");
    fs::write(&jar, "localhost\tFALSE\t/\tFALSE\t0\tsession\tsecret\n").unwrap();
    let server = Server::answering(&[PAGE]);
    let run = server.run(
        PROGRAM,
        &["-v", "-H", "localhost", "-p", "PORT", "--cookie-jar", jar.to_str().unwrap()],
    );
    assert_eq!(cookie_lines(&server), [Some("session=secret".into())]);
    assert!(run.text.contains("Cookie: hidden") && !run.text.contains("secret"), "{}", run.text);
}

#[test]
fn keeps_cookies_in_memory_if_jar_is_not_a_file() {
    let folder = tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    let server = Server::answering(&["HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n\r\n"]);
    for jar in
        [fifo.to_str().unwrap(), "/dev/zero", "/dev/null", "/dev/stdin", "/dev/stdout", "/dev/fd/2"]
    {
        let openssl = option_env!("CARGO_BIN_EXE_check_http_openssl");
        for program in [Some(PROGRAM), openssl].into_iter().flatten() {
            let options =
                ["-s", "KILL", "20", program, "-I", "127.0.0.1", "-p", "PORT", "--cookie-jar", jar];
            let run = server.run("timeout", &options);
            assert!(run.code == Some(0) && run.time < Duration::from_secs(5), "{jar}: {run:?}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// While check_http runs, another account replaces the jar with a link to one of our files.
#[test]
fn does_not_follow_jar_replaced_by_link() {
    let folder = tempdir().unwrap();
    let (jar, secret) = (folder.path().join("jar"), folder.path().join("secret"));
    fs::write(&secret, "secret").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let options =
        ["20", PROGRAM, "-I", "127.0.0.1", "-p", &port, "--cookie-jar", jar.to_str().unwrap()];
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut connection, _) = listener.accept().unwrap();
            symlink(&secret, &jar).unwrap();
            connection
                .write_all(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        });
        run("timeout", &options)
    });
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(
        fs::symlink_metadata(&jar).unwrap().is_file()
            && fs::read_to_string(&jar).unwrap().contains("\ta\t1\n")
    );
}

#[test]
fn follows_own_link_to_jar() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("elsewhere")).unwrap();
    fs::write(path("elsewhere/jar"), "").unwrap();
    symlink("elsewhere/jar", path("jar")).unwrap();
    let server = Server::answering(&["HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n\r\n"]);
    let jar = path("jar");
    let options = ["-I", "127.0.0.1", "-p", "PORT", "--cookie-jar", jar.to_str().unwrap()];
    assert_eq!(server.run(PROGRAM, &options).code, Some(0));
    assert!(fs::symlink_metadata(path("jar")).unwrap().is_symlink());
    assert!(fs::read_to_string(path("elsewhere/jar")).unwrap().contains("\ta\t1\n"));
}
