//! The cookie jar for --cookie-jar. Its file has the Netscape format, which curl and wget also read
//! and write.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use safe_file::{Error, FileKind, Input};

use super::cookie::Cookie;
use crate::http::target::HttpTarget;
use crate::text;

/// The cookies of a run, and the file to which they are saved, if there is one.
#[derive(Debug, Clone, Default)]
pub struct CookieJar {
    cookies: Vec<Cookie>,
    file: Option<PathBuf>,
    changed: bool,
}

/// The cookie jar cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the cookie jar {} cannot be read: {}; name another file, or '' to keep cookies only during \
     this run",
    file.display(),
    text::file_error(why)
)]
pub struct CookieJarError {
    file: PathBuf,
    why: Error,
}

/// Maximum size of a cookie file, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// Maximum number of cookies in a jar.
const MAX_COOKIES: usize = 500;
/// Maximum size of the Cookie header, in bytes. Servers reject requests with larger headers.
const MAX_HEADER: usize = 8 << 10;
/// Prefix of a line with a cookie that is hidden from scripts.
const HTTP_ONLY: &str = "#HttpOnly_";

impl CookieJar {
    /// Opens the jar in `file`. If the file does not exist, the jar is empty, and the file is
    /// created when there is a cookie to save. If the path is empty or names a special file such as
    /// /dev/null, cookies are kept for this run only.
    pub fn open(file: &Path, deadline: Option<Instant>) -> Result<CookieJar, CookieJarError> {
        let bad = |why: Error| CookieJarError { file: file.to_owned(), why };
        if file.as_os_str().is_empty() {
            return Ok(CookieJar::default());
        }
        let input = match Input::open(file, MAX_FILE, deadline) {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                return Ok(CookieJar { file: Some(file.to_owned()), ..CookieJar::default() });
            }
            Err(Error::Kind { found, .. }) if found != FileKind::Directory => {
                return Ok(CookieJar::default());
            }
            input => input.map_err(bad)?,
        };
        if !input.is_regular().map_err(bad)? {
            return Ok(CookieJar::default());
        }
        // Resolve symbolic links before reading. Saving then replaces the file that was read, even
        // if a link has changed in between.
        let file = safe_file::resolve(file).map_err(bad)?;
        let content = input.read_all().map_err(bad)?;
        Ok(CookieJar { cookies: parse(&text::decode(&content)), file: Some(file), changed: false })
    }

    /// Stores the cookies from `headers`, the Set-Cookie headers that `target` sent. Returns
    /// whether a cookie is new or has changed.
    pub fn store(&mut self, headers: &[Vec<u8>], target: &HttpTarget, now: i64) -> bool {
        let mut changed = false;
        for cookie in headers.iter().filter_map(|header| Cookie::parse(header, target, now)) {
            let full = self.cookies.len() >= MAX_COOKIES;
            match self.cookies.iter_mut().find(|old| cookie.replaces(old)) {
                // A response over plain HTTP must not replace a secure cookie.
                Some(old) if old.secure && !target.tls => {}
                Some(old) => {
                    changed |= *old != cookie;
                    *old = cookie;
                }
                None if full || cookie.is_expired(now) => {}
                None => {
                    self.cookies.push(cookie);
                    changed = true;
                }
            }
        }
        self.changed |= changed;
        changed
    }

    /// Returns the value of the Cookie header for a request to `target`. The value is empty if
    /// there are no cookies for this request.
    pub fn header(&self, target: &HttpTarget, now: i64) -> String {
        let mut fitting: Vec<&Cookie> =
            self.cookies.iter().filter(|cookie| cookie.is_for(target, now)).collect();
        // Cookies with longer paths come first (RFC 6265, section 5.4).
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

    /// Saves the jar if it has changed. Atomically replaces the file with one that no other user
    /// can read.
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
            // If the temporary file already existed, we did not create it and must not remove it.
            if why.kind() != ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&beside);
            }
        })
    }

    fn render(&self, now: i64) -> String {
        let mut text = String::from(
            "# Netscape HTTP Cookie File\n# check_http has written this file; curl and wget can \
             read it too.\n\n",
        );
        for cookie in self.cookies.iter().filter(|cookie| !cookie.is_expired(now)) {
            let truth = |is: bool| if is { "TRUE" } else { "FALSE" };
            let prefix = if cookie.http_only { HTTP_ONLY } else { "" };
            let dot = if cookie.subdomains { "." } else { "" };
            let Cookie { domain, path, name, value, .. } = cookie;
            let (subdomains, secure) = (truth(cookie.subdomains), truth(cookie.secure));
            let expires = cookie.expires.unwrap_or(0);
            text += &format!("{prefix}{dot}{domain}\t{subdomains}\t{path}\t{secure}\t");
            text += &format!("{expires}\t{name}\t{value}\n");
        }
        text
    }
}

/// Parses a cookie file. Ignores invalid lines, as curl and wget do.
fn parse(text: &str) -> Vec<Cookie> {
    text.lines().filter_map(parse_line).take(MAX_COOKIES).collect()
}

/// Parses the columns `domain subdomains path secure expires name value`, separated by tabs. If
/// `expires` is 0, the cookie expires when the session ends.
fn parse_line(line: &str) -> Option<Cookie> {
    let (line, http_only) = line.strip_prefix(HTTP_ONLY).map_or((line, false), |rest| (rest, true));
    let mut columns = line.trim_end_matches('\r').split('\t');
    let mut column = || columns.next();
    let domain = column()?;
    let truth = |word: &str| word.eq_ignore_ascii_case("TRUE");
    let (subdomains, path, secure, expires, name) =
        (truth(column()?), column()?, truth(column()?), column()?, column()?);
    let value = column().unwrap_or_default();
    let valid = !domain.starts_with('#')
        && path.starts_with('/')
        && !name.is_empty()
        && !line.contains(|c: char| c.is_control() && c != '\t');
    let expires: i64 = expires.parse().ok()?;
    valid.then(|| Cookie {
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

    fn target(host: &str, url: &str, tls: bool) -> HttpTarget {
        HttpTarget { tls, host: Some(host.into()), url: url.into(), ..HttpTarget::default() }
    }

    fn headers(lines: &[&str]) -> Vec<Vec<u8>> {
        lines.iter().map(|line| line.as_bytes().to_vec()).collect()
    }

    #[test]
    fn saves_and_reads_cookies() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jar");
        let mut jar = CookieJar::open(&file, None).unwrap();
        let from = target("www.x.org", "/a/b", true);
        jar.store(
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
        let expected = "www.x.org\tFALSE\t/a\tFALSE\t0\ts\t1\n\
                        #HttpOnly_.x.org\tTRUE\t/\tTRUE\t0\td\t2\n\
                        www.x.org\tFALSE\t/a\tFALSE\t784111837\te\t\n";
        assert!(text.ends_with(expected), "{text}");
        let again = CookieJar::open(&file, None).unwrap();
        assert_eq!(again.cookies, jar.cookies);
        assert_eq!(again.header(&from, NOW), "s=1; e=; d=2");
        assert_eq!(again.header(&from, NOW + 60), "s=1; d=2");
        assert_eq!(again.header(&target("www.x.org", "/a", false), NOW), "s=1; e=");
        assert_eq!(again.header(&target("y.org", "/a", true), NOW), "");
    }

    #[test]
    fn replaces_and_removes_earlier_cookies() {
        let (mut jar, at) = (CookieJar::default(), target("h", "/", true));
        jar.store(&headers(&["a=1", "a=2", "b=1; Secure", "c=1"]), &at, NOW);
        jar.store(&headers(&["c=; Max-Age=0"]), &at, NOW);
        assert_eq!(jar.header(&at, NOW), "a=2; b=1");
        jar.store(&headers(&["b=forged"]), &target("h", "/", false), NOW);
        assert_eq!(jar.header(&at, NOW), "a=2; b=1");
    }

    #[test]
    fn reads_cookie_files_from_other_programs() {
        let text = "# Netscape HTTP Cookie File\r\n\
                    h\tFALSE\t/\tFALSE\t0\ta\tb\r\n\
                    rubbish\n\
                    .x.org\tTRUE\t/\tTRUE\t2000000000\tc\td\n\
                    h\tFALSE\t/\tFALSE\tsoon\tx\ty\n\
                    #HttpOnly_h\tFALSE\t/\tFALSE\t0\te\tf\n\
                    h\tFALSE\t/\tFALSE\t0\tempty\n";
        let names: Vec<_> = parse(text).into_iter().map(|cookie| cookie.name).collect();
        assert_eq!(names, ["a", "c", "e", "empty"]);
    }

    #[test]
    fn saves_cookies_to_regular_files_only() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            CookieJar::open(folder.path(), None)
                .unwrap_err()
                .to_string()
                .contains("is a directory")
        );
        let mut jar = CookieJar::open(Path::new("/dev/null"), None).unwrap();
        jar.store(&headers(&["a=1"]), &target("h", "/", true), NOW);
        assert!(jar.save(NOW).is_ok() && !Path::new("/dev/null").is_file());
    }

    #[test]
    fn limits_number_of_cookies_and_header_size() {
        let mut jar = CookieJar::default();
        let many: Vec<Vec<u8>> =
            (0..2000).map(|count| format!("c{count}={}", "x".repeat(100)).into_bytes()).collect();
        jar.store(&many, &target("h", "/", true), NOW);
        assert_eq!(jar.cookies.len(), MAX_COOKIES);
        assert!(jar.header(&target("h", "/", true), NOW).len() <= MAX_HEADER);
    }
}
