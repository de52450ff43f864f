//! Signatures: HMAC-SHA256 with a prepared key, and Ed25519.
//!
//! What is signed is the exact text that is sent: parameters are percent-encoded first, then
//! signed, and the signature is appended last (general-info, "SIGNED Endpoint Security"). Text is
//! prepared by [`rest`](crate::rest) and [`ws_api`](crate::ws_api); this module only holds keys.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// An API key and what signs for it. Printing it shows no secret; dropping it overwrites them.
#[derive(Clone)]
pub struct Credentials {
    api_key: Zeroizing<String>,
    key: Key,
}

/// How requests are signed. The venue fixes it when the key is made; kinds cannot be mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// HMAC-SHA256, written as hex.
    Hmac,
    /// Ed25519, written as base64. The only kind that can log a WS-API session on.
    Ed25519,
}

/// Why a key cannot be used. Never quotes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No API key.
    #[error("the API key is empty")]
    NoApiKey,
    /// The API key is not something that can stand in a header.
    #[error("the API key has characters other than printable ASCII (a stray line break or blank?)")]
    BadApiKey,
    /// No secret.
    #[error("the API secret is empty")]
    NoSecret,
    /// An RSA key.
    #[error("RSA keys are not supported; create an Ed25519 or an HMAC key")]
    Rsa,
    /// An encrypted key file.
    #[error("the private key is encrypted; store it unencrypted and protect the file instead")]
    Encrypted,
    /// Looked like a private key, but is none.
    #[error("not an Ed25519 private key in PKCS#8 form (PEM, or its base64 alone)")]
    BadPrivateKey,
}

#[derive(Clone)]
enum Key {
    /// Both pads are hashed already; a signature costs two more blocks plus the text.
    Hmac(Hmac<Sha256>),
    Ed25519(Box<SigningKey>),
}

/// Both kinds of key overwrite themselves (HMAC holds two states of SHA-256); fails to compile should a feature flag get lost.
const fn wipes_itself<T: ZeroizeOnDrop>() {}
const _: () = wipes_itself::<Sha256>();
const _: () = wipes_itself::<SigningKey>();

impl Credentials {
    /// From what stands in a configuration: an Ed25519 private key (PEM or its base64) is
    /// recognised by its form, anything else is an HMAC secret.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn new(api_key: &str, secret: &str) -> Result<Self, CredentialsError> {
        let secret = secret.trim();
        // PKCS#8 of Ed25519 is always 48 or 83 bytes and begins like this; RSA begins with MII.
        if secret.contains("-----BEGIN") || secret.starts_with("MC4CAQAwBQYDK2Vw") {
            Self::ed25519(api_key, secret)
        } else if secret.len() > 500 && secret.starts_with("MII") {
            Err(CredentialsError::Rsa)
        } else {
            Self::hmac(api_key, secret)
        }
    }

    /// An HMAC key.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn hmac(api_key: &str, secret: &str) -> Result<Self, CredentialsError> {
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(CredentialsError::NoSecret);
        }
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes());
        // HMAC takes keys of any length.
        let Ok(mac) = mac else { return Err(CredentialsError::NoSecret) };
        Self::with(api_key, Key::Hmac(mac))
    }

    /// An Ed25519 private key: PKCS#8 as PEM, or the base64 between its lines.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn ed25519(api_key: &str, private_key: &str) -> Result<Self, CredentialsError> {
        if private_key.contains("BEGIN RSA") {
            return Err(CredentialsError::Rsa);
        }
        if private_key.contains("ENCRYPTED") {
            return Err(CredentialsError::Encrypted);
        }
        let lines = private_key.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        let base64 = Zeroizing::new(lines.collect::<String>());
        if base64.is_empty() {
            return Err(CredentialsError::NoSecret);
        }
        let der = BASE64.decode(base64.as_bytes()).map_err(|_| CredentialsError::BadPrivateKey)?;
        let der = Zeroizing::new(der);
        let key = SigningKey::from_pkcs8_der(&der).map_err(|_| {
            if der.len() > 300 { CredentialsError::Rsa } else { CredentialsError::BadPrivateKey }
        })?;
        Self::with(api_key, Key::Ed25519(Box::new(key)))
    }

    fn with(api_key: &str, key: Key) -> Result<Self, CredentialsError> {
        let api_key = api_key.trim();
        if api_key.is_empty() {
            return Err(CredentialsError::NoApiKey);
        }
        if !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::BadApiKey);
        }
        Ok(Self { api_key: Zeroizing::new(api_key.to_owned()), key })
    }

    /// The public part, sent with every request that is not public.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// How it signs.
    pub fn kind(&self) -> KeyKind {
        match self.key {
            Key::Hmac(_) => KeyKind::Hmac,
            Key::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// Appends the signature of `text`, in the spelling of its kind, not percent-encoded.
    pub fn sign_into(&self, text: &[u8], out: &mut String) {
        self.signature(text).append_to(out);
    }

    /// The signature of `text`, not spelled out yet.
    pub(crate) fn signature(&self, text: &[u8]) -> Signature {
        match &self.key {
            Key::Hmac(mac) => {
                Signature::Hmac(mac.clone().chain_update(text).finalize().into_bytes().into())
            }
            Key::Ed25519(key) => Signature::Ed25519(key.sign(text).to_bytes()),
        }
    }

    /// The signature of `text`.
    pub fn sign(&self, text: &[u8]) -> String {
        let mut out = String::with_capacity(88);
        self.sign_into(text, &mut out);
        out
    }
}

/// The bytes of a signature.
pub(crate) enum Signature {
    Hmac([u8; 32]),
    Ed25519([u8; 64]),
}

impl Signature {
    /// Appends it in the spelling of its kind.
    pub(crate) fn append_to(&self, out: &mut String) {
        match self {
            Self::Hmac(tag) => HEXLOWER.encode_append(tag, out),
            Self::Ed25519(bytes) => BASE64.encode_append(bytes, out),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials {{ {:?}, api_key: ***, secret: *** }}", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
    const ED: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

    #[test]
    fn hmac_vectors_of_the_venue() {
        let key = Credentials::hmac("k", SECRET).unwrap();
        for (query, body, signature) in [
            (
                "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC\
                 &recvWindow=5000&timestamp=1591702613943",
                "",
                "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
            ),
            (
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC",
                "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
                "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
            ),
            (
                "batchOrders=%5B%7B%22symbol%22%3A%22ETHUSDC%22%2C%22side%22%3A%22BUY%22%2C%22type\
                 %22%3A%22LIMIT%22%2C%22timeInForce%22%3A%22GTX%22%2C%22quantity%22%3A%220.010%22\
                 %2C%22price%22%3A%222610.50%22%7D%5D&recvWindow=5000&timestamp=1791000000000",
                "",
                "2070c30e6f0bf40bb60b3905babaab539eff70ffc3d205f46ae73148f7af9fcc",
            ),
            (
                "apiKey=dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83\
                 &newClientOrderId=mm-1&price=2610.50&quantity=0.010&recvWindow=5000&side=BUY\
                 &symbol=ETHUSDC&timeInForce=GTX&timestamp=1791000000000&type=LIMIT",
                "",
                "0bce59764eab20ed6212d0b3d18fe3672f8c14114bf4387a2aa9d43593cc2217",
            ),
        ] {
            assert_eq!(key.sign(format!("{query}{body}").as_bytes()), signature);
        }
    }

    #[test]
    fn ed25519_vector_in_every_spelling_of_the_key() {
        let text = b"apiKey=TESTKEY&recvWindow=5000&timestamp=1791000000000";
        let expected = "clP+Y9vCWR74NCfNWkzwogPwNR8UdV9qrBLlqz463wbMdyTRAV/vNDsOu0i4mGStuHcpOXY1d+\
                        g/RVZHNCeRDQ==";
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{ED}\n-----END PRIVATE KEY-----\n");
        for secret in [ED, &pem, &pem.replace('\n', "\r\n")] {
            let key = Credentials::new("TESTKEY", secret).unwrap();
            assert_eq!(key.kind(), KeyKind::Ed25519);
            assert_eq!(key.sign(text), expected);
        }
    }

    #[test]
    fn unusable_keys_are_named_and_never_quoted() {
        use CredentialsError as E;
        let rsa = format!("MIIEvQ{}", "A".repeat(1_600));
        let pem = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")
        };
        for (api_key, secret, error) in [
            ("", "s", E::NoApiKey),
            ("k y", "s", E::BadApiKey),
            ("k\u{e4}", "s", E::BadApiKey),
            ("k", " ", E::NoSecret),
            ("k", &rsa, E::Rsa),
            ("k", &pem("RSA PRIVATE KEY", "AAAA"), E::Rsa),
            ("k", &pem("PRIVATE KEY", &rsa[..1_600]), E::Rsa),
            ("k", &pem("ENCRYPTED PRIVATE KEY", "AAAA"), E::Encrypted),
            ("k", &pem("PRIVATE KEY", "SECRETSECRET"), E::BadPrivateKey),
        ] {
            let found = Credentials::new(api_key, secret).unwrap_err();
            assert_eq!(found, error);
            assert!(!found.to_string().contains("SECRET"));
        }
    }

    #[test]
    fn printing_shows_no_secret() {
        let key = Credentials::new("my-api-key", "my-secret").unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains("my-"), "{shown}");
        assert!(shown.contains("***"));
    }
}
