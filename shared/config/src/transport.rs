//! Which addresses may be reached without verified encryption.

use std::net::IpAddr;

use url::{Host, Url};

/// An `http` or `https` address of which only scheme, host, port and path are set.
pub(crate) fn parse_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    (matches!(url.scheme(), "http" | "https") && is_plain && has_host).then_some(url)
}

/// Whether a connection to `host` may go unencrypted: it stays on this machine, or `allowed` (hosts and
/// `host:port`, separated by commas) names it.
pub(crate) fn may_be_plain(host: &str, port: Option<u16>, allowed: &str) -> bool {
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    is_loopback(&host)
        || allowed.split(',').map(str::trim).any(|entry| {
            let entry = entry.to_ascii_lowercase();
            if entry.is_empty() {
                return false;
            }
            let with_port = port.map(|port| format!("{host}:{port}"));
            let bracketed = port.map(|port| format!("[{host}]:{port}"));
            entry == host
                || entry.trim_start_matches('[').trim_end_matches(']') == host
                || Some(&entry) == with_port.as_ref()
                || Some(&entry) == bracketed.as_ref()
        })
}

/// Whether `host` is this machine: `localhost` (RFC 6761), a loopback address, or the path of a socket.
pub(crate) fn is_loopback(host: &str) -> bool {
    if host.starts_with('/') {
        return true;
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Err(_) => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_listed_hosts_may_be_plain() {
        for host in [
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "[::1]",
            "localhost",
            "a.localhost",
            "LOCALHOST",
            "/run/s",
        ] {
            assert!(may_be_plain(host, Some(80), ""), "{host}");
        }
        for host in [
            "10.0.0.1",
            "localhost.example.com",
            "::2",
            "0.0.0.0",
            "example.com",
            "",
        ] {
            assert!(!may_be_plain(host, Some(80), ", ,other"), "{host}");
        }
        assert!(may_be_plain("DB.internal", Some(5432), "x, db.internal"));
        assert!(may_be_plain("db.internal", Some(5432), "db.internal:5432"));
        assert!(!may_be_plain("db.internal", Some(5433), "db.internal:5432"));
        assert!(may_be_plain("[fd00::1]", Some(80), "[fd00::1]:80"));
        assert!(may_be_plain("[fd00::1]", Some(80), "fd00::1"));
    }

    #[test]
    fn an_address_has_no_user_query_or_fragment() {
        assert!(parse_address("http://127.0.0.1:8080/auth").is_some());
        for text in [
            "",
            "ftp://a",
            "http://u@a",
            "http://:p@a",
            "http://a?b",
            "http://a#b",
            "a:8080",
            "http://",
        ] {
            assert!(parse_address(text).is_none(), "{text}");
        }
    }
}
