//! Whether a signature is right.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a key signs with. Fixed when the key is made.
#[derive(Clone)]
pub enum Secret {
    /// HMAC-SHA256, hex.
    Hmac(Hmac<Sha256>),
    /// Ed25519, base64.
    Ed25519(VerifyingKey),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Hmac",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

impl Secret {
    /// A shared secret.
    pub fn hmac(secret: &str) -> Self {
        // HMAC takes keys of every length.
        match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
            Ok(mac) => Self::Hmac(mac),
            Err(error) => unreachable!("{error}"),
        }
    }

    /// A public key: PEM, or the base64 of its DER form or of its 32 bytes. `None` if it is none.
    pub fn ed25519(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        let der = base64(&lines.collect::<String>())?;
        let raw: [u8; 32] = der.get(der.len().checked_sub(32)?..)?.try_into().ok()?;
        VerifyingKey::from_bytes(&raw).ok().map(Self::Ed25519)
    }

    /// Whether `signature` (decoded from percent escapes) belongs to `text`.
    pub fn verify(&self, text: &[&[u8]], signature: &str) -> bool {
        match self {
            Self::Hmac(mac) => {
                let mut mac = mac.clone();
                text.iter().for_each(|part| mac.update(part));
                let given = HEXLOWER_PERMISSIVE.decode(signature.as_bytes());
                given.is_ok_and(|given| mac.verify_slice(&given).is_ok())
            }
            Self::Ed25519(key) => {
                let given = base64(signature).and_then(|bytes| Signature::from_slice(&bytes).ok());
                given.is_some_and(|given| key.verify_strict(&text.concat(), &given).is_ok())
            }
        }
    }
}

/// Standard base64; blanks do not matter.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    BASE64.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";

    #[test]
    fn query_and_body_are_signed_as_one_text() {
        let secret = Secret::hmac(SECRET);
        let query = b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
        let body = b"quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943";
        let right = "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4";
        assert!(secret.verify(&[query, body], right));
        assert!(secret.verify(&[query, body], &right.to_uppercase()));
        assert!(!secret.verify(&[body, query], right));
        assert!(!secret.verify(&[query, body], ""));
        assert!(!secret.verify(&[query, body], "30ba"));
    }

    #[test]
    fn ed25519_as_the_ws_api_wants_it() {
        let key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let text = b"apiKey=TESTKEY&recvWindow=5000&timestamp=1791000000000";
        let right = "clP+Y9vCWR74NCfNWkzwogPwNR8UdV9qrBLlqz463wbMdyTRAV/vNDsOu0i4mGStuHcpOXY1d\
                     +g/RVZHNCeRDQ==";
        let secret = Secret::ed25519(key).unwrap();
        assert!(secret.verify(&[text], right));
        assert!(!secret.verify(&[b"apiKey=OTHER"], right));
        assert!(Secret::ed25519("nonsense").is_none());
    }
}
