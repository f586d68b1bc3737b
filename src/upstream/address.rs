//! Which addresses may be asked. Without this guard, whoever may create a mirror, or whoever runs the index it points at,
//! could make this server fetch from the machines behind its firewall (server-side request forgery).
//!
//! The check happens where it cannot be outrun: names are judged by the addresses they resolve to, at the moment of
//! connecting (`PublicOnly` is the resolver itself, so there is no second look-up that could answer differently), and IP
//! literals, which never reach a resolver, are judged in the URL. Every hop of a redirect is judged anew.
//!
//! With a proxy (`HTTPS_PROXY` and its kin) names are resolved by the proxy, and what it may reach is its own business: then
//! only literals, `localhost` and the proxy's own name are judged here.

use super::error::{UpstreamError, host};
use super::origin::Origin;
use crate::limits::UPSTREAM_CONNECT_WAIT;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// Where requests on behalf of one mirror may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To any address: a setting allows it.
    Anywhere,
    /// To the host of the mirror's own `mirror_url`, whatever its address, and to public addresses. For mirrors whose
    /// address was set by somebody who may name a private one.
    OwnHostOrPublic,
    /// To public addresses only. For all other mirrors: a name that was public when the mirror was made may resolve to a
    /// private address later.
    Public,
}

/// How a URL that may be asked is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Whatever its name resolves to.
    Open,
    /// Only at those of its addresses that are public.
    Guarded,
}

impl Reach {
    /// Judges `url`, a hop of a request on behalf of `origin`. `proxies` are the names of this process's own proxies: their
    /// addresses are exempt from the guarded resolver, so they must not be named as a target.
    pub(super) fn route(self, origin: &Origin, url: &Url, proxies: &[String]) -> Result<Route, UpstreamError> {
        let refused = || UpstreamError::Refused { host: host(url) };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused());
        }
        match self {
            Self::Anywhere => Ok(Route::Open),
            Self::OwnHostOrPublic if origin.has_host_of(url) => Ok(Route::Open),
            Self::OwnHostOrPublic | Self::Public => {
                let is_proxy = url.host_str().is_some_and(|name| proxies.iter().any(|proxy| proxy == name));
                if is_proxy || is_private_url(url) { Err(refused()) } else { Ok(Route::Guarded) }
            }
        }
    }
}

/// Whether nobody's inner network is at `ip`: it is not private, loopback, link-local, shared (CGNAT), multicast, unspecified
/// or otherwise reserved (the IANA special-purpose registries). IPv4 inside IPv6 (mapped, NAT64) is judged as IPv4.
///
/// The documentation networks count as public. They are set apart for examples, not for anybody's own machines, and gateways
/// that stand in for the internet answer there for every public name; refusing them would cut such networks off.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => embedded_v4(ip).map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        [0 | 10 | 127, ..] => true,  // this network, private, loopback
        [100, 64..=127, ..] => true, // shared address space of carriers
        [169, 254, ..] => true,      // link-local; cloud metadata services
        [172, 16..=31, ..] => true,  // private
        [192, 0, 0, _] => true,      // protocol assignments
        [192, 88, 99, _] => true,    // 6to4 relays
        [192, 168, ..] => true,      // private
        [198, 18..=19, ..] => true,  // benchmarks
        [224..=255, ..] => true,     // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, 0..=0x1ff, ..] => false,        // protocol assignments, Teredo
        [0x2002, ..] => false,                   // 6to4: reaches an embedded IPv4 address
        [first, ..] => first & 0xe000 == 0x2000, // 2000::/3 is all that is global unicast
    }
}

/// The IPv4 address that packets to `ip` really go to, if the form says so: `::ffff:a.b.c.d` or NAT64 (RFC 6052).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => ip.to_ipv4_mapped(),
    }
}

/// Whether `url` says by itself that it is private: an IP literal that is not public, a `localhost` name, or no host at all.
pub fn is_private_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(Host::Ipv6(ip)) => !is_public(ip.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    }
}

/// Whether `url` leads to a private address: as [`is_private_url`], or because one of the addresses of its name is not
/// public. For the rule that only root may point a mirror at a private address.
///
/// # Errors
/// `Unreachable` if the name does not resolve, `TimedOut` if that takes too long.
pub async fn leads_to_private(url: &Url) -> Result<bool, UpstreamError> {
    let Some(Host::Domain(name)) = url.host() else { return Ok(is_private_url(url)) };
    if is_private_url(url) {
        return Ok(true);
    }
    let found = tokio::time::timeout(UPSTREAM_CONNECT_WAIT, tokio::net::lookup_host((name, 0))).await;
    let mut found = found
        .map_err(|_| UpstreamError::TimedOut { host: host(url) })?
        .map_err(|_| UpstreamError::Unreachable { host: host(url) })?;
    Ok(found.any(|address| !is_public(address.ip())))
}

/// Why a connection was not tried: the name has no public address. Found again in the error chain of the HTTP library.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no public address")]
pub(super) struct NotPublic;

/// A resolver that knows public addresses only.
pub(super) struct PublicOnly {
    /// Names that resolve to any address: the proxies of this process, which tend to be private.
    pub(super) proxies: Arc<[String]>,
}

impl reqwest::dns::Resolve for PublicOnly {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy == name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let usable: Vec<SocketAddr> = found.into_iter().filter(|address| is_proxy || is_public(address.ip())).collect();
            if usable.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(usable.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::dns::Resolve;

    #[test]
    fn public_addresses_are_told_from_all_others() {
        let public = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.0.0.1 128.0.0.1 169.253.0.1 169.255.0.1 \
            172.15.0.1 172.32.0.1 192.0.1.1 192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 223.255.255.255 \
            192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 \
            2001:200::1 2606:4700::1111 2a00::1 ::ffff:1.1.1.1 64:ff9b::101:101";
        for text in public.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        let others = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 \
            172.16.0.1 172.31.255.255 192.0.0.8 192.88.99.1 192.168.0.1 198.18.0.1 198.19.0.1 224.0.0.1 240.0.0.1 \
            255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::10.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 \
            2002:a00:1::1 5f00::1 fc00::1 fd12::1 fe80::1 fec0::1 ff02::1";
        for text in others.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn private_urls_are_seen_through_their_spellings() {
        let private = "http://127.0.0.1/ http://127.1/ http://0x7f.1/ http://2130706433/ http://017700000001/ http://[::1]/ \
            http://[::ffff:10.0.0.1]/ http://localhost:3141/ http://LOCALHOST./ http://a.localhost/ http://0/";
        for text in private.split_whitespace() {
            assert!(is_private_url(&Url::parse(text).unwrap()), "{text}");
        }
        for text in ["http://1.1.1.1/", "http://index.example/", "http://localhost.example/", "http://notlocalhost/"] {
            assert!(!is_private_url(&Url::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn reach_decides_who_is_asked_and_how() {
        use Reach::{Anywhere, OwnHostOrPublic, Public};
        use Route::{Guarded, Open};
        let origin = Origin::parse("http://10.0.0.5:8080/simple").unwrap();
        let proxies = ["proxy.example".to_owned()];
        for (reach, url, wanted) in [
            (Anywhere, "http://127.0.0.1/", Some(Open)),
            (OwnHostOrPublic, "http://10.0.0.5:8080/a.whl", Some(Open)),
            (OwnHostOrPublic, "https://10.0.0.5/a.whl", Some(Open)),
            (OwnHostOrPublic, "http://10.0.0.6:8080/a.whl", None),
            (OwnHostOrPublic, "http://files.example/a.whl", Some(Guarded)),
            (OwnHostOrPublic, "http://proxy.example:3128/", None),
            (Public, "http://10.0.0.5:8080/a.whl", None),
            (Public, "https://files.example/a.whl", Some(Guarded)),
            (Anywhere, "ftp://files.example/a.whl", None),
            (Anywhere, "file:///etc/passwd", None),
        ] {
            assert_eq!(reach.route(&origin, &Url::parse(url).unwrap(), &proxies).ok(), wanted, "{reach:?} {url}");
        }
    }

    #[tokio::test]
    async fn the_guarded_resolver_hides_private_addresses_except_those_of_proxies() {
        let ask = async |proxies: &[&str]| {
            let proxies = proxies.iter().map(ToString::to_string).collect();
            PublicOnly { proxies }.resolve("localhost".parse().unwrap()).await.map(Iterator::count)
        };
        assert!(ask(&[]).await.unwrap_err().is::<NotPublic>());
        assert!(ask(&["localhost"]).await.unwrap() > 0);
    }

    #[tokio::test]
    async fn a_mirror_address_is_judged_by_its_literal_or_name() {
        for (text, private) in [("http://10.1.2.3/", true), ("http://localhost/", true), ("http://1.1.1.1/", false)] {
            assert_eq!(leads_to_private(&Url::parse(text).unwrap()).await, Ok(private), "{text}");
        }
    }
}
