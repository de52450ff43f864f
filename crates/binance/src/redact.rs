//! Secrets out of any text that may be logged.
//!
//! Errors quote the text they are about, and some of what the venue sends and gets is worth
//! stealing: the listen key opens the user stream, key and signature authorise requests.

/// Names whose values are masked, in JSON (`"listenKey":"…"`) and in queries (`listenKey=…`).
const NAMES: [&[u8]; 7] =
    [b"listenkey", b"apikey", b"signature", b"x-mbx-apikey", b"secret", b"api_key", b"api_secret"];

/// The text with the values of secret fields overwritten by `*`, byte for byte, so that offsets
/// stay valid. A listen key inside a stream path (`/ws/…`) is masked too.
pub fn redact(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let lower = text.to_ascii_lowercase();
    for name in NAMES {
        let mut from = 0;
        while let Some(found) = find(&lower.as_bytes()[from..], name) {
            from += found + name.len();
            mask_value(&mut bytes, from);
        }
    }
    mask_long_runs(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// [`redact`] for bytes off the wire.
pub(crate) fn redact_bytes(text: &[u8]) -> String {
    redact(&String::from_utf8_lossy(text))
}

fn find(text: &[u8], name: &[u8]) -> Option<usize> {
    text.windows(name.len()).position(|window| window == name)
}

/// Masks the value that begins after a name: past closing quote, separator and opening quote.
fn mask_value(bytes: &mut [u8], from: usize) {
    let mut at = from;
    while at < bytes.len() && matches!(bytes[at], b'"' | b'\'' | b':' | b'=' | b' ' | b'\\') {
        at += 1;
    }
    if at == from {
        return;
    }
    while at < bytes.len() && is_key_byte(bytes[at]) {
        bytes[at] = b'*';
        at += 1;
    }
}

/// A run of 60 and more letters and digits is a key wherever it stands: listen keys, API keys,
/// secrets and hex signatures all have 64 (some listen keys 60).
fn mask_long_runs(bytes: &mut [u8]) {
    let mut start = 0;
    for at in 0..=bytes.len() {
        if at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
            continue;
        }
        if at - start >= 60 {
            bytes[start..at].fill(b'*');
        }
        start = at + 1;
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'%' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_names_vanish_and_the_rest_stays() {
        for (text, shown) in [
            (r#"{"listenKey":"abc123","E":5}"#, r#"{"listenKey":"******","E":5}"#),
            ("/x?symbol=A&signature=ff00&y=1", "/x?symbol=A&signature=****&y=1"),
            (r#"{"apiKey": "k-1", "price":"12.5"}"#, r#"{"apiKey": "***", "price":"12.5"}"#),
            ("no secrets, apiKey only named", "no secrets, apiKey **** named"),
            ("X-MBX-APIKEY: zz", "X-MBX-APIKEY: **"),
            (r#"{"orderId":4611686018427387905}"#, r#"{"orderId":4611686018427387905}"#),
        ] {
            assert_eq!(redact(text), shown);
        }
        let key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";
        assert!(!redact(&format!("wss://host/private/ws/{key}")).contains("pqia"));
    }
}
