//! Whom we believe to be the venue.

use std::fs;
use std::path::{Path, PathBuf};

use binance::Method;
use binance::client::NoAnswer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use runtime::live::net::{NetConfig, NetError};

use crate::rig::{Rig, config, request};
use crate::venue::{Served, open_user_stream};

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("net-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An authority, and a certificate of it for a name: files of authority, certificate and key.
fn certificate(folder: &Folder, name: &str) -> (PathBuf, (PathBuf, PathBuf)) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    (
        folder.write("ca.pem", &authority.pem()),
        (folder.write("cert.pem", &leaf.pem()), folder.write("key.pem", &key.serialize_pem())),
    )
}

fn trusting(address: impl std::fmt::Display, ca_file: Option<&Path>) -> NetConfig {
    NetConfig { ca_file: ca_file.map(Path::to_owned), ..config("https", address) }
}

#[test]
fn a_private_authority_is_trusted_for_requests_and_sockets() {
    let folder = Folder::new("private");
    let (ca_file, files) = certificate(&folder, "127.0.0.1");
    let served = Served::new(Some(files));
    let mut rig = Rig::new(trusting(served.address, Some(&ca_file)));
    for id in 0..2 {
        rig.http(id, request(Method::Get, "/fapi/v1/time"));
        assert_eq!(rig.reply().status, 200);
    }
    let base = format!("wss://{}", served.address);
    open_user_stream(&mut rig, 1, &base);
    rig.opened(2, &format!("{base}/public/stream?streams=ethusdc@bookTicker"));
    assert!(rig.frame().1.contains("bookTicker"));
}

#[test]
fn nobody_else_is_taken_for_the_venue() {
    let folder = Folder::new("stranger");
    let (_, files) = certificate(&folder, "127.0.0.1");
    let served = Served::new(Some(files));
    let elsewhere = Folder::new("elsewhere");
    let (other_ca, _) = certificate(&elsewhere, "127.0.0.1");
    let misnamed_folder = Folder::new("misnamed");
    let (misnamed_ca, misnamed) = certificate(&misnamed_folder, "fapi.binance.com");
    let misnamed = Served::new(Some(misnamed));
    for (address, ca_file) in [
        (served.address, None),
        (served.address, Some(other_ca.as_path())),
        (misnamed.address, Some(misnamed_ca.as_path())),
    ] {
        let mut rig = Rig::new(trusting(address, ca_file));
        rig.http(1, request(Method::Get, "/fapi/v1/time"));
        let (_, answer) = rig.answer();
        let Err(NoAnswer::NotSent(reason)) = answer else { panic!("{answer:?}") };
        assert!(reason.contains("certificate"), "{reason}");
        rig.open(2, &format!("wss://{address}/public/stream?streams=ethusdc@bookTicker"));
        assert!(rig.end(2).contains("certificate"));
    }
}

#[test]
fn a_file_of_authorities_that_is_none_is_refused() {
    let folder = Folder::new("files");
    let (ca_file, (_, key)) = certificate(&folder, "127.0.0.1");
    let torn = fs::read_to_string(&ca_file).unwrap();
    let torn = torn.replacen("MII", "???", 1);
    for path in [
        folder.0.join("missing.pem"),
        folder.write("empty.pem", ""),
        folder.write("torn.pem", &torn),
        key,
    ] {
        let refused = Rig::build(trusting("127.0.0.1:1", Some(&path)));
        let Err(error @ NetError::CaFile { .. }) = refused.map(|_| ()) else {
            panic!("{} is taken", path.display())
        };
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
}
