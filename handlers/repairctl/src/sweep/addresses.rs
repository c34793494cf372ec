//! Where hosts are reached, from Nagios' object cache: the status file does not tell.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The addresses of all hosts, by their names in Nagios. Nagios has resolved all templates in this
/// file.
pub fn read(path: &Path) -> io::Result<HashMap<Vec<u8>, Vec<u8>>> {
    scan(BufReader::new(safe_file::open(path)?))
}

fn scan(mut file: impl BufRead) -> io::Result<HashMap<Vec<u8>, Vec<u8>>> {
    let mut all = HashMap::new();
    let (mut is_host, mut name, mut address) = (false, Vec::new(), Vec::new());
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        let text = line.trim_ascii();
        if let Some(kind) = text.strip_prefix(b"define ") {
            (is_host, name, address) = (kind == b"host {", Vec::new(), Vec::new());
        } else if text == b"}" && is_host {
            all.insert(std::mem::take(&mut name), std::mem::take(&mut address));
            is_host = false;
        } else if is_host {
            match text.iter().position(|byte| *byte == b'\t').map(|at| text.split_at(at)) {
                Some((b"host_name", value)) => name = value.trim_ascii().to_vec(),
                Some((b"address", value)) => address = value.trim_ascii().to_vec(),
                _ => {}
            }
        }
        line.clear();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_have_addresses() {
        let text = "define contact {\n\tcontact_name\tpager\n\taddress\t9\n\t}\n\ndefine host \
        {\n\thost_name\tweb 1\n\talias\tx\n\
                    \taddress\t192.0.2.1\n\t}\n\ndefine service {\n\thost_name\tweb \
                    1\n\tservice_description\tHTTP\n\t}\n";
        let all = scan(text.as_bytes()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all.get(&b"web 1"[..]).map(Vec::as_slice), Some(&b"192.0.2.1"[..]));
    }
}
