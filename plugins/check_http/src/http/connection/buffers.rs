//! The buffers that ureq works on. Bytes from the peer are read directly into the input buffer,
//! which avoids a copy.

use ureq::unversioned::transport::Buffers;

/// Size of the output buffer, in bytes. ureq writes its own request to this buffer: a request line
/// and three headers. That request is never sent.
const OUTPUT: usize = 1 << 10;

/// The input buffer for ureq, and an output buffer whose content is discarded.
#[derive(Debug)]
pub(super) struct ConnectionBuffers {
    bytes: Vec<u8>,
    consumed: usize,
    filled: usize,
    output: Vec<u8>,
    progress: bool,
    /// How many bytes have arrived since the connection was opened.
    pub(super) total_input: usize,
}

impl ConnectionBuffers {
    /// Creates empty buffers without allocating memory.
    pub(super) fn new() -> ConnectionBuffers {
        ConnectionBuffers {
            bytes: Vec::new(),
            consumed: 0,
            filled: 0,
            output: Vec::new(),
            progress: false,
            total_input: 0,
        }
    }

    /// Returns space for at least `size` more bytes of input.
    pub(super) fn room(&mut self, size: usize) -> &mut [u8] {
        if self.consumed == self.filled {
            (self.consumed, self.filled) = (0, 0);
        }
        if self.bytes.len() < self.filled + size {
            self.bytes.resize(self.filled + size, 0);
        }
        self.input_append_buf()
    }

    /// Appends a copy of `bytes` to the input.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.input_appended(bytes.len());
    }
}

impl Buffers for ConnectionBuffers {
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
        self.total_input += amount;
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
