//! Text inside XML documents: escaped, and without the characters that XML 1.0 cannot carry.
//!
//! Only the bytes that need it are copied one by one: nearly all text of catalogs passes as it is.

/// Where the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Between tags.
    Content,
    /// In a double-quoted attribute, where a reader would turn tabs and line ends to spaces.
    Attribute,
}

/// Appends text, escaped for its context; control characters and non-characters are left out
/// (XML 1.0 §2.2).
pub fn push_text(out: &mut Vec<u8>, text: &str, context: Context) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let replacement: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'\r' => b"&#13;",
            b'"' if context == Context::Attribute => b"&quot;",
            b'\n' if context == Context::Attribute => b"&#10;",
            b'\t' if context == Context::Attribute => b"&#9;",
            b'\n' | b'\t' => continue,
            0x00..0x20 => b"",
            0xEF if is_non_character(&bytes[at..]) => {
                out.extend_from_slice(&bytes[copied..at]);
                copied = at + 3;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(replacement);
        copied = at + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// U+FFFE and U+FFFF, the only characters above U+001F of a Rust string that XML forbids.
fn is_non_character(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xEF, 0xBF, 0xBE]) || bytes.starts_with(&[0xEF, 0xBF, 0xBF])
}

/// Appends ` name="value"`.
pub fn push_attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    push_text(out, value, Context::Attribute);
    out.push(b'"');
}

/// Text escaped for element content.
pub fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_text(&mut out, text, Context::Attribute);
    String::from_utf8_lossy(&out).into_owned()
}
