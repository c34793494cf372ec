//! A scripted HTTP server, and functions that run a program against it.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A step in the script that a server follows on a connection.
#[derive(Clone)]
pub enum Step {
    /// Read a request, including its body.
    Receive,
    /// Send these bytes.
    Send(Vec<u8>),
    /// Send these bytes repeatedly until the client closes the connection.
    Repeat(Vec<u8>),
    /// Wait for this time before the next step.
    Wait(Duration),
}

/// Placeholder for the server's port in responses and arguments.
const PORT: &str = "PORT";

pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    /// Starts a server that sends the first of `answers` on the first connection, the second on the
    /// next, and so on. All further connections get the last answer. The server closes each
    /// connection after its answer.
    pub fn answering<A: AsRef<[u8]>>(answers: &[A]) -> Server {
        Server::on("127.0.0.1", answers)
    }

    /// Starts a server like [`Server::answering`], but on `address`.
    pub fn on<A: AsRef<[u8]>>(address: &str, answers: &[A]) -> Server {
        let steps =
            answers.iter().map(|answer| vec![Step::Receive, Step::Send(answer.as_ref().to_vec())]);
        Server::listening(address, steps.collect())
    }

    /// Starts a server that runs a list of steps on each connection: the first list on the first
    /// connection, and so on. When there is no further list, it repeats the last one.
    pub fn doing(lists: Vec<Vec<Step>>) -> Server {
        Server::listening("127.0.0.1", lists)
    }

    fn listening(address: &str, lists: Vec<Vec<Step>>) -> Server {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (count, connection) in listener.incoming().enumerate() {
                let Ok(connection) = connection else { return };
                let steps = lists[count.min(lists.len() - 1)].clone();
                let requests = Arc::clone(&received);
                std::thread::spawn(move || serve(connection, &steps, &requests, port));
            }
        });
        Server { port, requests }
    }

    /// Returns the requests received so far as text, with `PORT` in place of the server's port.
    pub fn requests(&self) -> Vec<String> {
        let port = self.port.to_string();
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| String::from_utf8_lossy(request).replace(&port, PORT))
            .collect()
    }

    /// Runs `program` against this server. Replaces `PORT` in arguments with the server's port, and
    /// the port in the output with `PORT`.
    pub fn run<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: &[S]) -> Run {
        let port = self.port.to_string();
        let args: Vec<_> = args.iter().map(|arg| with_port(arg.as_ref(), &port)).collect();
        let mut run = run(program, &args);
        run.text = run.text.replace(&port, PORT);
        run
    }
}

fn with_port(text: &OsStr, port: &str) -> std::ffi::OsString {
    text.to_str().map_or_else(|| text.to_owned(), |text| text.replace(PORT, port).into())
}

fn serve(mut connection: TcpStream, steps: &[Step], requests: &Mutex<Vec<Vec<u8>>>, port: u16) {
    connection.set_nodelay(true).unwrap();
    for step in steps {
        let done = match step {
            Step::Receive => {
                receive(&mut connection).map(|request| requests.lock().unwrap().push(request))
            }
            Step::Send(bytes) => {
                let short = bytes.len() < 65536;
                let text = if short {
                    replaced(bytes, PORT.as_bytes(), port.to_string().as_bytes())
                } else {
                    bytes.clone()
                };
                connection.write_all(&text).ok()
            }
            Step::Repeat(bytes) => {
                while connection.write_all(bytes).is_ok() {}
                None
            }
            Step::Wait(time) => {
                std::thread::sleep(*time);
                Some(())
            }
        };
        if done.is_none() {
            return;
        }
    }
    // Read the remaining input. Otherwise closing the connection would reset it, and the client
    // could lose the answer.
    let _ = connection.shutdown(std::net::Shutdown::Write);
    let _ = connection.set_read_timeout(Some(Duration::from_millis(200)));
    let _ = connection.read_to_end(&mut Vec::new());
}

fn receive(connection: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut piece = [0; 65536];
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(request);
            }
        }
        match connection.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// How a program ended and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Exit code, or `None` if a signal killed the program.
    pub code: Option<i32>,
    /// Standard output, with each measured time replaced by `T`.
    pub text: String,
    /// What the program wrote to standard error.
    pub stderr: String,
    /// How long the program ran.
    pub time: Duration,
}

/// Runs a program with an almost empty environment, as Nagios does.
pub fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Run {
    run_reading(Stdio::null(), program, args)
}

/// Runs a program like [`run`], with `stdin` as its standard input.
pub fn run_reading<S: AsRef<OsStr>>(
    stdin: impl Into<Stdio>,
    program: impl AsRef<OsStr>,
    args: &[S],
) -> Run {
    let start = Instant::now();
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(stdin)
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        text: masked(&String::from_utf8_lossy(&output.stdout)),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        time: start.elapsed(),
    }
}

/// Replaces every measured time in `text` with `T`.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        out.push_str(before);
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let is_time = (decimals == 3 && after.starts_with(" second"))
            || (decimals == 6 && after.starts_with('s'));
        out.push_str(if is_time { "T" } else { number });
        rest = after;
    }
    out.push_str(rest);
    out
}
