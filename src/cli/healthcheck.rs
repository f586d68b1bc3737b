//! `cheeseshop healthcheck`: asks the server on this machine, for containers that have no other HTTP client.

use crate::config::parse_listen;
use crate::limits;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

/// Ask the server on this machine whether it is well: status 0 if so.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the server listens, as it was told.
    #[arg(long, env = "CHEESESHOP_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3141", value_parser = parse_listen)]
    listen: SocketAddr,
}

impl Healthcheck {
    /// Fails unless `/health` answers 200 in time.
    pub fn run(&self) -> Result<()> {
        let address = reachable(self.listen);
        let status = ask(address).with_context(|| format!("the server at {address} does not answer"))?;
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

/// The status of `GET /health`. One request to this machine needs no HTTP library, and no certificates either.
fn ask(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, limits::HEALTHCHECK_WAIT)?;
    stream.set_read_timeout(Some(limits::HEALTHCHECK_WAIT))?;
    stream.set_write_timeout(Some(limits::HEALTHCHECK_WAIT))?;
    // In one piece: a server that answers before it has read everything would reset the connection.
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
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
        let result = Healthcheck { listen: everywhere }.run();
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
