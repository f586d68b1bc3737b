//! TLS of our own: the certificate and its key, taken anew when their files change, and the handshake.
//!
//! A pair that cannot be used never takes the place of one that can. The key is written nowhere and shown to nobody.

use crate::limits;
use crate::pypi::Sha256;
use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where certificate and key are: PEM, the server's own certificate first, then those that lead to the authority.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificates.
    pub cert: PathBuf,
    /// The key of the first one: PKCS#8, PKCS#1 (RSA) or SEC1 (EC), not encrypted.
    pub key: PathBuf,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file cannot be read.
    #[error("the file {0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    /// There is no certificate.
    #[error("the file {0} holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    /// There is no key, or only one that a password protects.
    #[error("the file {0} holds no private key in PEM form that needs no password")]
    NoKey(PathBuf),
    /// One is not the other's.
    #[error("the key in {key} is not the one of the first certificate in {cert}")]
    Apart {
        /// The certificates.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The certificate or the key is of no use in itself.
    #[error("the certificate in {0} cannot be used with its key: {1}")]
    Broken(PathBuf, rustls::Error),
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(rustls::Error),
}

/// What speaks TLS. Clones share it.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: Files,
    provider: Arc<CryptoProvider>,
    identity: Arc<Identity>,
    acceptor: TlsAcceptor,
    /// The digest of what was last read from the files, whether it could be used or not.
    read: Mutex<Sha256>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Certificate and key as handshakes take them.
#[derive(Debug)]
struct Identity(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads certificate and key. Blocks, for use at start.
    pub fn load(files: Files) -> Result<Self, Unusable> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (cert, key) = read(&files)?;
        let identity = Arc::new(Identity(ArcSwap::from_pointee(pair(&files, &provider, &cert, &key)?)));
        let acceptor = TlsAcceptor::from(Arc::new(config(&provider, identity.clone()).map_err(Unusable::Library)?));
        let read = Mutex::new(digest(&cert, &key));
        Ok(Self(Arc::new(Inner { files, provider, identity, acceptor, read })))
    }

    /// Looks at the files, and takes what is new in them: whether there was something. What cannot be used is refused once, and not
    /// again until the files have changed. Blocks.
    pub fn renew(&self) -> Result<bool, Unusable> {
        let inner = &self.0;
        let (cert, key) = read(&inner.files)?;
        let now = digest(&cert, &key);
        let mut read = inner.read.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *read, now) == now {
            return Ok(false);
        }
        inner.identity.0.store(Arc::new(pair(&inner.files, &inner.provider, &cert, &key)?));
        Ok(true)
    }

    /// Looks at the files from time to time, for ever. Connections that stand keep the certificate that they were greeted with.
    pub async fn keep_renewed(self) {
        let mut unreadable = false;
        loop {
            tokio::time::sleep(limits::TLS_LOOK_EVERY).await;
            let tls = self.clone();
            let Ok(renewed) = tokio::task::spawn_blocking(move || tls.renew()).await else { continue };
            let was_unreadable = std::mem::replace(&mut unreadable, matches!(renewed, Err(Unusable::Unreadable(..))));
            match renewed {
                Ok(true) => tracing::info!(cert = %self.0.files.cert.display(), "the new certificate is used from now on"),
                Ok(false) => {}
                Err(Unusable::Unreadable(..)) if was_unreadable => {}
                Err(error) => tracing::error!(%error, "the new certificate cannot be used; the one before stays"),
            }
        }
    }

    /// Greets a client: the handshake, and the choice between HTTP/1.1 and HTTP/2. The caller bounds its time.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            tell_plain(stream).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
        }
        self.0.acceptor.accept(stream).await
    }
}

/// Whether the client has chosen HTTP/2.
pub fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

const HTTP2: &[u8] = b"h2";

/// Tells somebody who wrote `http://` what is wrong. What was sent is read first: unread bytes would break the connection before
/// the answer is seen.
async fn tell_plain(mut stream: TcpStream) -> io::Result<()> {
    let _ = stream.read(&mut [0; 4096]).await?;
    let text = "this port speaks TLS: write https:// where you wrote http://\n";
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes()).await?;
    stream.shutdown().await
}

fn config(provider: &Arc<CryptoProvider>, identity: Arc<Identity>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(identity);
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    // Sessions are resumed from what clients keep: nothing grows here with their number.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

fn read(files: &Files) -> Result<(Vec<u8>, Vec<u8>), Unusable> {
    let one = |path: &Path| std::fs::read(path).map_err(|error| Unusable::Unreadable(path.to_owned(), error));
    Ok((one(&files.cert)?, one(&files.key)?))
}

fn digest(cert: &[u8], key: &[u8]) -> Sha256 {
    let length = (cert.len() as u64).to_le_bytes();
    Sha256::of(&[&length, cert, key].concat())
}

fn pair(files: &Files, provider: &CryptoProvider, cert: &[u8], key: &[u8]) -> Result<CertifiedKey, Unusable> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    let no_certificate = || Unusable::NoCertificate(files.cert.clone());
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(no_certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::NoKey(files.key.clone()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            Unusable::Apart { cert: files.cert.clone(), key: files.key.clone() }
        }
        other => Unusable::Broken(files.cert.clone(), other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    /// A certificate of its own authority for `localhost`, and its key.
    fn made() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    fn files(folder: &Path, cert: &str, key: &str) -> Files {
        let files = Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.cert, cert).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }

    fn shown(tls: &Tls) -> Vec<u8> {
        tls.0.identity.0.load().cert[0].to_vec()
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let ((cert, key), (_, other)) = (made(), made());
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (cert, key, reason) in [
            ("", key.as_str(), "cert.pem holds no certificate"),
            (key.as_str(), key.as_str(), "cert.pem holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\n!!\n", key.as_str(), "cert.pem holds no certificate"),
            (nonsense, key.as_str(), "cert.pem cannot be used"),
            (cert.as_str(), "", "key.pem holds no private key"),
            (cert.as_str(), cert.as_str(), "key.pem holds no private key"),
            (cert.as_str(), locked, "needs no password"),
            (cert.as_str(), other.as_str(), "is not the one of the first certificate"),
        ] {
            let error = Tls::load(files(folder.path(), cert, key)).err().unwrap().to_string();
            assert!(error.contains(reason) && !error.contains("PRIVATE KEY"), "{error}");
        }
        let missing = Files { cert: folder.path().join("nowhere"), key: folder.path().join("key.pem") };
        assert!(Tls::load(missing).err().unwrap().to_string().contains("nowhere cannot be read"));
        let both = format!("{key}{cert}");
        Tls::load(files(folder.path(), &both, &both)).unwrap();
    }

    #[test]
    fn a_new_pair_is_taken_and_a_bad_one_refused_once() {
        let folder = tempfile::tempdir().unwrap();
        let ((cert, key), (new_cert, new_key)) = (made(), made());
        let tls = Tls::load(files(folder.path(), &cert, &key)).unwrap();
        let first = shown(&tls);
        assert!(!tls.renew().unwrap());
        files(folder.path(), &new_cert, &key);
        assert!(matches!(tls.renew(), Err(Unusable::Apart { .. })), "one file was replaced and the other not yet");
        assert!(!tls.renew().unwrap(), "it was said already");
        assert_eq!(shown(&tls), first);
        files(folder.path(), &new_cert, &new_key);
        assert!(tls.renew().unwrap());
        assert_ne!(shown(&tls), first);
        std::fs::remove_file(folder.path().join("key.pem")).unwrap();
        let renewed = shown(&tls);
        assert!(matches!(tls.renew(), Err(Unusable::Unreadable(..))));
        assert_eq!(shown(&tls), renewed);
        files(folder.path(), &cert, &key);
        assert!(tls.renew().unwrap() && shown(&tls) == first);
    }
}
