//! The buffers ureq works on. What is read from a peer lies in them once, and is not copied to get
//! there.

use ureq::unversioned::transport::Buffers;

/// Bytes for ureq, and where it writes a request of its own, which is not sent.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    consumed: usize,
    filled: usize,
    output: Vec<u8>,
    progress: bool,
    /// So many bytes were put in, ever.
    pub put_in: usize,
}

impl Inbox {
    /// Takes no memory yet.
    pub fn new() -> Inbox {
        Inbox {
            bytes: Vec::new(),
            consumed: 0,
            filled: 0,
            output: Vec::new(),
            progress: false,
            put_in: 0,
        }
    }

    /// Room for at least `size` more bytes.
    pub fn room(&mut self, size: usize) -> &mut [u8] {
        if self.consumed == self.filled {
            (self.consumed, self.filled) = (0, 0);
        }
        if self.bytes.len() < self.filled + size {
            self.bytes.resize(self.filled + size, 0);
        }
        self.input_append_buf()
    }

    /// Puts bytes in that lie elsewhere.
    pub fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.input_appended(bytes.len());
    }
}

impl Buffers for Inbox {
    fn output(&mut self) -> &mut [u8] {
        self.output.resize(OUTPUT, 0);
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        self.bytes.get(self.consumed..self.filled).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled = (self.filled + amount).min(self.bytes.len());
        self.put_in += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed = (self.consumed + amount).min(self.filled);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.room(OUTPUT);
        self.output.resize(OUTPUT, 0);
        (self.bytes.get_mut(self.filled..).unwrap_or_default(), &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && self.consumed < self.filled
    }
}

/// ureq's own request is a line and three headers.
const OUTPUT: usize = 1 << 10;
