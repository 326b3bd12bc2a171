//! Base64 of bytes that come piece by piece, for the STREAM of a VOTable.
//!
//! Base64 goes by three bytes: what is left over of one piece is carried into the next. Lines end
//! after a fixed number of bytes, so that the text is the same however the bytes were cut.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes in a line, which is 64 KiB of text: short enough to be looked at, long enough not to count.
const LINE_BYTES: usize = 48 * 1024;

/// What one piece hands to the next.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    /// At most two bytes between calls.
    carried: Vec<u8>,
    /// Bytes that are in the present line.
    line: usize,
}

impl Base64 {
    /// Appends bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len() / 3 * 4 + bytes.len() / LINE_BYTES + 16);
        let mut rest = bytes;
        if !self.carried.is_empty() {
            let missing = rest.len().min(3 - self.carried.len());
            self.carried.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            if self.carried.len() < 3 {
                return;
            }
            let carried = std::mem::take(&mut self.carried);
            self.push_whole(&carried, out);
        }
        let whole = rest.len() - rest.len() % 3;
        self.push_whole(&rest[..whole], out);
        self.carried.extend_from_slice(&rest[whole..]);
    }

    /// Appends what is left over, padded.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        push_text(&self.carried, out);
        self.carried.clear();
    }

    /// Appends a multiple of three bytes.
    fn push_whole(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(LINE_BYTES - self.line));
            push_text(now, out);
            bytes = later;
            self.line += now.len();
            if self.line == LINE_BYTES {
                out.push(b'\n');
                self.line = 0;
            }
        }
    }
}

fn push_text(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    out.truncate(start + written.expect("base64 takes four bytes for each three"));
}
