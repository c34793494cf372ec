//! Simulates an attacker on the network who answers in place of a host or cuts connections to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Starts a server on loopback and returns its port. The server waits for each client's version
/// line and then sends `bytes`.
pub fn peer(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&socket).read_line(&mut line);
            let _ = socket.write_all(&bytes);
            let _ = socket.shutdown(Shutdown::Write);
            // Keep the socket open until the client has closed its end.
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    port
}

/// Returns an unencrypted SSH_MSG_DISCONNECT packet, which either side may send at any time (RFC
/// 4253, 11.1).
pub fn disconnect(reason: &str) -> Vec<u8> {
    let mut payload = vec![1, 0, 0, 0, 2];
    payload.extend(u32::try_from(reason.len()).unwrap().to_be_bytes());
    payload.extend(reason.as_bytes());
    payload.extend([0; 4]);
    // A packet has at least four bytes of padding, and its length is a multiple of eight (RFC 4253,
    // 6).
    let padding = 4 + (8 - (4 + 1 + payload.len() + 4) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend(payload);
    packet.extend(vec![0; padding]);
    packet
}

/// Starts a proxy for one connection to `port` on loopback and returns the port of the proxy. The
/// proxy closes the connection after it has relayed `bytes` bytes from the server.
pub fn cut_after(bytes: usize, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (near, far) =
            (listener.accept().unwrap().0, TcpStream::connect(("127.0.0.1", port)).unwrap());
        let (mut up, mut down) =
            ((near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near));
        thread::spawn(move || std::io::copy(&mut up.0, &mut up.1));
        let _ = std::io::copy(&mut (&mut down.0).take(bytes as u64), &mut down.1);
        let _ = (down.0.shutdown(Shutdown::Both), down.1.shutdown(Shutdown::Both));
    });
    near
}
