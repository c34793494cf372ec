//! The jar of --cookie-jar: cookies in the file that Netscape began, and curl and wget still read
//! and write.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use safe_file::{Error, Input, Kind};

use super::cookie::Cookie;
use crate::http::target::Place;
use crate::text;

/// Cookies on the way, and the file they come from and go to, if any.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    file: Option<PathBuf>,
    changed: bool,
}

/// Why a jar cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the cookie jar {} cannot be read: {why}; name another file, or '' to keep cookies for \
         this run alone", file.display())]
pub struct BadJar {
    file: PathBuf,
    why: String,
}

/// No jar is larger, nor has more cookies.
const MAX_FILE: u64 = 4 << 20;
const MAX_COOKIES: usize = 500;
/// Servers refuse more in one header.
const MAX_HEADER: usize = 8 << 10;
const HTTP_ONLY: &str = "#HttpOnly_";

impl Jar {
    /// Opens the jar at `file`. One that is not there is empty, and made when there is a cookie to
    /// keep. Without a name (`''`), or with that of something else than a file (/dev/null), cookies
    /// are kept for this run alone.
    pub fn open(file: &Path, deadline: Option<Instant>) -> Result<Jar, BadJar> {
        let bad = |why: Error| BadJar { file: file.to_owned(), why: text::reason(why) };
        if file.as_os_str().is_empty() {
            return Ok(Jar::default());
        }
        let input = match Input::open(file, MAX_FILE, deadline) {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                return Ok(Jar { file: Some(file.to_owned()), ..Jar::default() });
            }
            Err(Error::Kind { found, .. }) if found != Kind::Directory => return Ok(Jar::default()),
            input => input.map_err(bad)?,
        };
        if !input.is_regular().map_err(bad)? {
            return Ok(Jar::default());
        }
        // A link stays one: what it leads to now is replaced later, whatever the link is then.
        let file = safe_file::resolve(file).map_err(bad)?;
        let content = input.read_all().map_err(bad)?;
        Ok(Jar { cookies: read(&text::of(&content)), file: Some(file), changed: false })
    }

    /// Takes what the Set-Cookie headers of an answer from `place` set, and tells whether that is
    /// anything new.
    pub fn take(&mut self, headers: &[Vec<u8>], place: &Place, now: i64) -> bool {
        let mut news = false;
        for cookie in headers.iter().filter_map(|header| Cookie::read(header, place, now)) {
            let at = self.cookies.iter().position(|old| cookie.replaces(old));
            match at {
                // Plain HTTP cannot replace what is for TLS alone.
                Some(at) if self.cookies.get(at).is_some_and(|old| old.secure && !place.tls) => {}
                Some(at) => {
                    news |= self.cookies.get(at) != Some(&cookie);
                    if let Some(old) = self.cookies.get_mut(at) {
                        *old = cookie;
                    }
                }
                None if cookie.is_over(now) => {}
                None if self.cookies.len() < MAX_COOKIES => {
                    self.cookies.push(cookie);
                    news = true;
                }
                None => {}
            }
        }
        self.changed |= news;
        news
    }

    /// The value of the Cookie header for a request to `place`; empty when no cookie is for it.
    pub fn header(&self, place: &Place, now: i64) -> String {
        let mut fitting: Vec<&Cookie> =
            self.cookies.iter().filter(|cookie| cookie.is_for(place, now)).collect();
        // The longest path first (RFC 6265, section 5.4).
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut header = String::new();
        for cookie in fitting {
            let pair = format!("{}={}", cookie.name, cookie.value);
            if header.len() + pair.len() + 2 <= MAX_HEADER {
                header.push_str(if header.is_empty() { "" } else { "; " });
                header.push_str(&pair);
            }
        }
        header
    }

    /// Writes the jar back, if it has changed. Another run sees the old file or the new one, whole,
    /// and no other user sees either.
    pub fn save(&self, now: i64) -> Result<(), std::io::Error> {
        let Some(file) = self.file.as_ref().filter(|_| self.changed) else { return Ok(()) };
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = file.with_file_name(name);
        let mut options = fs::OpenOptions::new();
        let written =
            options.write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut new| {
                new.write_all(self.render(now).as_bytes())?;
                fs::rename(&beside, file)
            });
        written.inspect_err(|why| {
            // What was there before us is not ours to take away.
            if why.kind() != ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&beside);
            }
        })
    }

    fn render(&self, now: i64) -> String {
        let mut text = String::from(
            "# Netscape HTTP Cookie File\n# Written by check_http; curl and wget read it as \
            well.\n\n",
        );
        for cookie in self.cookies.iter().filter(|cookie| !cookie.is_over(now)) {
            let truth = |is: bool| if is { "TRUE" } else { "FALSE" };
            let columns = [
                if cookie.http_only { HTTP_ONLY } else { "" },
                if cookie.subdomains { "." } else { "" },
                &cookie.domain,
                "\t",
                truth(cookie.subdomains),
                "\t",
                &cookie.path,
                "\t",
                truth(cookie.secure),
                "\t",
                &cookie.expires.unwrap_or(0).to_string(),
                "\t",
                &cookie.name,
                "\t",
                &cookie.value,
                "\n",
            ];
            text.extend(columns);
        }
        text
    }
}

/// The cookies of a file. What is no line of one is passed over, as everybody does.
fn read(text: &str) -> Vec<Cookie> {
    text.lines().filter_map(line).take(MAX_COOKIES).collect()
}

/// `domain subdomains path secure expires name value`, by tabs; an expiry of 0 is the end of the
/// session.
fn line(line: &str) -> Option<Cookie> {
    let (line, http_only) = line.strip_prefix(HTTP_ONLY).map_or((line, false), |rest| (rest, true));
    let mut columns = line.trim_end_matches('\r').split('\t');
    let mut column = || columns.next();
    let domain = column()?;
    let truth = |word: &str| word.eq_ignore_ascii_case("TRUE");
    let (subdomains, path, secure, expires, name) =
        (truth(column()?), column()?, truth(column()?), column()?, column()?);
    let value = column().unwrap_or_default();
    let sound = !domain.starts_with('#')
        && path.starts_with('/')
        && !name.is_empty()
        && !line.contains(|c: char| c.is_control() && c != '\t');
    let expires: i64 = expires.parse().ok()?;
    sound.then(|| Cookie {
        domain: domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase(),
        subdomains,
        path: path.to_owned(),
        secure,
        http_only,
        expires: Some(expires).filter(|end| *end != 0),
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 784_111_777;

    fn place(host: &str, url: &str, tls: bool) -> Place {
        let (port, host) = (443, Some(host.to_owned()));
        Place {
            tls,
            host,
            address: "h".into(),
            port,
            virtual_port: port,
            url: url.into(),
            tunnel: false,
        }
    }

    fn headers(lines: &[&str]) -> Vec<Vec<u8>> {
        lines.iter().map(|line| line.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jar");
        let mut jar = Jar::open(&file, None).unwrap();
        let from = place("www.x.org", "/a/b", true);
        jar.take(
            &headers(&[
                "s=1",
                "d=2; Domain=x.org; Path=/; Secure; HttpOnly",
                "e=; Max-Age=60",
                "o=1; Max-Age=0",
            ]),
            &from,
            NOW,
        );
        jar.save(NOW).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let expected = "www.x.org\tFALSE\t/a\tFALSE\t0\ts\t1\n#HttpOnly_.x.org\tTRUE\t/\tTRUE\t0\td\t2\n\
                        www.x.org\tFALSE\t/a\tFALSE\t784111837\te\t\n";
        assert!(text.ends_with(expected), "{text}");
        let again = Jar::open(&file, None).unwrap();
        assert_eq!(again.cookies, jar.cookies);
        assert_eq!(again.header(&from, NOW), "s=1; e=; d=2");
        assert_eq!(again.header(&from, NOW + 60), "s=1; d=2");
        assert_eq!(again.header(&place("www.x.org", "/a", false), NOW), "s=1; e=");
        assert_eq!(again.header(&place("y.org", "/a", true), NOW), "");
    }

    #[test]
    fn a_later_cookie_replaces_or_removes_the_same() {
        let (mut jar, at) = (Jar::default(), place("h", "/", true));
        jar.take(&headers(&["a=1", "a=2", "b=1; Secure", "c=1"]), &at, NOW);
        jar.take(&headers(&["c=; Max-Age=0"]), &at, NOW);
        assert_eq!(jar.header(&at, NOW), "a=2; b=1");
        jar.take(&headers(&["b=forged"]), &place("h", "/", false), NOW);
        assert_eq!(jar.header(&at, NOW), "a=2; b=1");
    }

    #[test]
    fn a_file_of_anybody_is_read() {
        let text = "# Netscape HTTP Cookie \
                    File\r\nh\tFALSE\t/\tFALSE\t0\ta\tb\r\nrubbish\n.x.org\tTRUE\t/\tTRUE\t2000000000\tc\td\n\
                    h\tFALSE\t/\tFALSE\tsoon\tx\ty\n#HttpOnly_h\tFALSE\t/\tFALSE\t0\te\tf\nh\tFALSE\t/\tFALSE\t0\tempty\n";
        let names: Vec<_> = read(text).into_iter().map(|cookie| cookie.name).collect();
        assert_eq!(names, ["a", "c", "e", "empty"]);
    }

    #[test]
    fn only_files_are_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Jar::open(folder.path(), None).unwrap_err().to_string().contains("is a directory"));
        let mut jar = Jar::open(Path::new("/dev/null"), None).unwrap();
        jar.take(&headers(&["a=1"]), &place("h", "/", true), NOW);
        assert!(jar.save(NOW).is_ok() && !Path::new("/dev/null").is_file());
    }

    #[test]
    fn a_jar_is_bounded() {
        let mut jar = Jar::default();
        let many: Vec<Vec<u8>> =
            (0..2000).map(|count| format!("c{count}={}", "x".repeat(100)).into_bytes()).collect();
        jar.take(&many, &place("h", "/", true), NOW);
        assert_eq!(jar.cookies.len(), MAX_COOKIES);
        assert!(jar.header(&place("h", "/", true), NOW).len() <= MAX_HEADER);
    }
}
