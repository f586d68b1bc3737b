//! `cheeseshop healthcheck`: asks the server on this machine, for containers that have no other HTTP client.

use crate::config::parse_listen;
use crate::limits;
use anyhow::{Context, Result, bail};
use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

/// Ask the server on this machine whether it is well: status 0 if so.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the server listens, as it was told.
    #[arg(long, env = "CHEESESHOP_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3141", value_parser = parse_listen)]
    listen: SocketAddr,
    /// The server's certificates, as it was told: then it is asked by TLS. Whether the certificate is a good one for this machine's
    /// clients is not looked at.
    #[arg(long, env = "CHEESESHOP_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
}

impl Healthcheck {
    /// Fails unless `/health` answers 200 in time.
    pub fn run(&self) -> Result<()> {
        let address = reachable(self.listen);
        let asked = connect(address).and_then(|stream| match &self.tls_cert {
            Some(_) => ask(address, encrypted(address, stream)?),
            None => ask(address, stream),
        });
        let status = asked.with_context(|| format!("the server at {address} does not answer"))?;
        match status.as_str() {
            "200" => Ok(()),
            other => bail!("the server at {address} is not well: it answers {other}"),
        }
    }
}

/// Who listens everywhere is asked at the loopback address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, limits::HEALTHCHECK_WAIT)?;
    stream.set_read_timeout(Some(limits::HEALTHCHECK_WAIT))?;
    stream.set_write_timeout(Some(limits::HEALTHCHECK_WAIT))?;
    Ok(stream)
}

/// The stream through TLS.
fn encrypted(address: SocketAddr, stream: TcpStream) -> Result<impl Read + Write> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::from(address.ip()))?;
    Ok(rustls::StreamOwned::new(connection, stream))
}

/// Takes any certificate: the question is whether a process of this machine is well, it holds no secret, and neither does the answer.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The status of `GET /health`. One request to this machine needs no HTTP library.
fn ask(address: SocketAddr, mut stream: impl Read + Write) -> Result<String> {
    // In one piece: a server that answers before it has read everything would reset the connection.
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut start = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut start)?;
    let line = String::from_utf8_lossy(&start);
    line.strip_prefix("HTTP/1.1 ").map(str::to_owned).context("what it answers is not HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answered(answer: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 1024];
                let length = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..length]);
            }
            assert!(request.starts_with(b"GET /health HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listen.port());
        let result = Healthcheck { listen: everywhere, tls_cert: None }.run();
        server.join().unwrap();
        result
    }

    #[test]
    fn only_200_is_well() {
        answered("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert!(answered("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err().to_string().contains("503"));
        assert!(answered("SSH-2.0-something-else\r\n").is_err());
        assert!(answered("").is_err());
    }
}
