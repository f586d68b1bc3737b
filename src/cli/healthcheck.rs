//! `cheeseshop healthcheck`: whether a server on this machine answers. It needs neither the data nor any other program, so a
//! container's health check can be the binary itself.

use anyhow::Context;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the server listens.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Address and port that the server listens on
    #[arg(long, env = "CHEESESHOP_LISTEN", default_value = "127.0.0.1:3141", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks `/health`; an error if the answer is not 200.
pub async fn run(args: &HealthcheckArgs) -> anyhow::Result<()> {
    let address = reachable(args.listen);
    let answer = tokio::time::timeout(PATIENCE, ask(address)).await.context("no answer in time")??;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "the server at {address} is not well");
    Ok(())
}

/// A server that listens everywhere is asked on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("no server at {address}"))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
