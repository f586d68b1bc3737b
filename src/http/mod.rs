//! Requests and answers: the outermost layer. It parses, asks `index`, and writes what comes back; it holds no rule and no SQL.
//!
//! Every request goes through [`answer`], in tests as in life.

pub mod accept;
pub mod etag;
pub mod head_timer;
pub mod range;
pub mod request_body;
pub mod serve;
pub mod shutdown;
pub mod socket;

use crate::index::Core;
use axum::body::Body;
use axum::http::{Request, Response};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;

/// What answers requests: the rules' parts and what only HTTP needs to know.
#[derive(Debug)]
pub struct Site {
    /// The rules' parts.
    pub core: Arc<Core>,
    /// Where people reach this server, if it cannot be told from their requests (`--outside-url`).
    pub outside_url: Option<Url>,
    /// Proxies whose forwarding headers are believed (`--trusted-proxy`).
    pub trusted_proxies: Vec<IpNet>,
    /// A random id of this installation (`X-DEVPI-UUID`).
    pub uuid: String,
}

/// Answers one request from `peer`.
pub async fn answer(_site: Arc<Site>, _request: Request<Body>, _peer: SocketAddr) -> Response<Body> {
    Response::new(Body::empty())
}
