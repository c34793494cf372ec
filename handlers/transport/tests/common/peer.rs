//! An attacker on the network who answers in place of a host, or is in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Listens on a free port of loopback and sends these bytes to every client, after its version
/// line.
pub fn peer(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&socket).read_line(&mut line);
            let _ = socket.write_all(&bytes);
            let _ = socket.shutdown(Shutdown::Write);
            // Until the other side has read it all and hung up.
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    port
}

/// An unencrypted SSH_MSG_DISCONNECT, which both sides may send at any time (RFC 4253, 11.1).
pub fn disconnect(reason: &str) -> Vec<u8> {
    let mut payload = vec![1, 0, 0, 0, 2];
    payload.extend(u32::try_from(reason.len()).unwrap().to_be_bytes());
    payload.extend(reason.as_bytes());
    payload.extend([0; 4]);
    // RFC 4253, 6: at least four bytes of padding, and a multiple of eight in all.
    let padding = 4 + (8 - (4 + 1 + payload.len() + 4) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend(payload);
    packet.extend(vec![0; padding]);
    packet
}

/// Listens, carries one connection to this port, and cuts it after `bytes` bytes from there.
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
