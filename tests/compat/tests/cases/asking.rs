//! The command line: what is asked of whom, and what is no command line.

use super::{Case, PAGE, quirk, with};

pub fn requests() -> Vec<Case> {
    let mut cases = with(
        PAGE.as_bytes(),
        &[
            "",
            "-H h.example",
            "-H h.example:PORT",
            "-H h.example:81",
            "-H h.example -u foo_bar",
            "-H [::1]",
            "-k X-A:_1 -k nocolon",
            "-H h -k Host:_z -k A:_b",
            "-H h -k Host:_z -k Host:_y",
            "-k Host:_z",
            "-H h -k host:_z",
            "-A ua",
            "-A ''",
            "-P a=b",
            "-P a=b -T t/x",
            "-P ''",
            "-P 1 -P 2",
            "-j HEAD",
            "-j PUT -P x",
            "-j POST",
            "-T x/y",
            "-a u:p",
            "-b x:y",
            "-a u:p -b x:y -k Q:_1 -H h -P z",
            "-u ''",
            "-j ''",
            "-j foo",
            "-H h -u http://other/x",
            "-H h extra -k A:_b",
            "extra words here",
            "--url=/a --url=/b",
            "-u/x -Hh",
            "-vvV",
            "--hostname=h --onred ok",
            "-n -L",
            "-H h -k User-Agent:_x",
            "-H h -k Connection:_keep-alive",
            "-H h -a ''",
            "-H UPPER.example",
        ],
    );
    cases.extend(quirk("ipv6-host-header", with(PAGE.as_bytes(), &["-H ::1", "-H [::1]:99"])));
    cases.extend(quirk("port-that-is-none", with(PAGE.as_bytes(), &["-H h:abc"])));
    cases.extend(quirk("details-below-the-result", with(PAGE.as_bytes(), &["-v", "-v -v -H h"])));
    cases
}

pub fn places() -> Vec<Case> {
    with(
        PAGE.as_bytes(),
        &[
            "alone -I localhost -p 9",
            "alone -H localhost -p 9 -v",
            "alone -H localhost:9",
            "alone localhost -p 9",
            "alone -I 127.0.0.1 -p 0",
            "alone -I /no/such/socket",
            "alone -H no-such-host.invalid",
            "alone -4 -I ::1 -p 9",
            "alone -6 -I 127.0.0.1 -p 9",
            "alone -I [127.0.0.1] -p PORT",
            "alone -H localhost -p PORT",
            "alone -H localhost:PORT",
            "alone localhost -p PORT",
            "alone -4 -H localhost -p PORT",
            "alone -6 -4 -I 127.0.0.1 -p PORT",
            "alone -H ''",
            "alone -I ''",
            "alone -H localhost -C 30 -p 9",
            "alone -H localhost:9 -S -p 9",
        ],
    )
}

pub fn usage() -> Vec<Case> {
    let mut cases = with(
        PAGE.as_bytes(),
        &[
            "-p abc",
            "-p -1",
            "-t 5.5",
            "-t -1",
            "-C abc",
            "-C 30d",
            "-C -5",
            "-C 30,abc",
            "-C 1,2,3",
            "-f FOLLOW",
            "-f foo",
            "--max-redirs x",
            "--max-redirs -1",
            "-J /nope",
            "-K /nope",
            "--zz",
            "-Z",
            "--s x",
            "--no",
            "--sni=1",
            "-J /etc/passwd",
            "-H",
            "--hostname",
            "-s",
            "-m",
            "alone",
            "-h",
            "--help",
            "-V",
            "--version",
        ],
    );
    cases.extend(quirk(
        "port-that-is-none",
        with(PAGE.as_bytes(), &["-p ''", "alone -I 127.0.0.1 -p 99999", "alone -I 127.0.0.1 -p 8_0"]),
    ));
    cases.extend(quirk(
        "complaints-name-their-program",
        with(PAGE.as_bytes(), &["--extra-opts=@/no/such/file", "--extra-opts=x"]),
    ));
    cases.extend(quirk("tls-versions-are-exact", with(PAGE.as_bytes(), &["-S5", "--ssl=x"])));
    cases.extend(quirk("old-ssl-is-unknown", with(PAGE.as_bytes(), &["-S2 -t 1", "-S3 -t 1"])));
    cases
}
