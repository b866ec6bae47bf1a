//! `X-Forwarded-For` as proxies write it, and whom to believe it (SECURITY rule 25).

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::http::header::{self, HeaderMap};
use ipnet::IpNet;

/// Whether the process has warned about a proxy that is not trusted.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Networks whose `X-Forwarded-For` and `X-Request-Id` are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Trusts `networks`.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// Whether `address` is one of them. IPv4-mapped IPv6 addresses count as IPv4.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the TCP peer, or behind trusted proxies the right-most untrusted entry of
    /// `X-Forwarded-For`, with or without port and brackets. `Forwarded` is ignored. An entry that cannot be read ends
    /// the search: what stands left of it was not written by a proxy we trust. Empty entries are skipped.
    #[must_use]
    pub fn client_address(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if !self.trusts(peer) {
            warn_once(headers);
            return Some(peer);
        }
        let mut client = peer;
        let lines: Vec<_> = headers.get_all(header::X_FORWARDED_FOR).collect();
        let entries = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|entry| !entry.is_empty());
        for entry in entries {
            let Some(address) = address_in(entry) else {
                break;
            };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }
}

/// The address in one entry: `192.0.2.1`, `192.0.2.1:51324`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:51324`.
/// `None` for everything else: `unknown`, a name, an obfuscated identifier, what is not ASCII.
fn address_in(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(bare) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    // A zone (`[fe80::1%2]:80`) is an interface of the proxy's machine, and no client's address.
    let with_port = text.parse::<SocketAddr>().ok()?;
    (!text.contains('%')).then(|| with_port.ip())
}

/// Whoever is behind a proxy that is not trusted is one client to all that counts: said once for a process.
fn warn_once(headers: &HeaderMap) {
    let is_new = !WARNED.load(Ordering::Relaxed)
        && headers.contains_key(header::X_FORWARDED_FOR)
        && !WARNED.swap(true, Ordering::Relaxed);
    if is_new {
        log::warn!(
            "X-Forwarded-For arrived from a peer that is not in TRUSTED_PROXIES and was not believed: if the peer is a \
             proxy of this site, add its address to TRUSTED_PROXIES, otherwise everybody behind it shares one \
             address in limits, sessions and the audit log; if it is not, a client sent the header and nothing need \
             be done (reported once)"
        );
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(&["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()])
    }

    fn behind(peer: &str, lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line).unwrap();
            headers.append(header::X_FORWARDED_FOR, value);
        }
        let address = proxies().client_address(Some(peer.parse().unwrap()), &headers);
        address.unwrap().to_string()
    }

    /// The client behind `10.0.0.1` by one line.
    fn client(line: &str) -> String {
        behind("10.0.0.1", &[line.as_bytes()])
    }

    #[test]
    fn a_stranger_cannot_choose_their_address() {
        assert_eq!(behind("203.0.113.9", &[b"198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("198.51.100.1"), "198.51.100.1");
        assert_eq!(client("1.1.1.1, 198.51.100.1"), "198.51.100.1");
        let lines: [&[u8]; 2] = [b"1.1.1.1", b"198.51.100.1, 10.0.0.2"];
        assert_eq!(behind("10.0.0.1", &lines), "198.51.100.1");
        assert_eq!(client("1.1.1.1, rubbish"), "10.0.0.1");
        assert_eq!(client("1.1.1.1, rubbish, 10.0.0.7"), "10.0.0.7");
        assert_eq!(behind("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            behind("::ffff:10.0.0.1", &[b"::ffff:198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(behind("::1", &[b"2001:db8::1"]), "2001:db8::1");
        assert_eq!(client("10.0.0.3, 10.0.0.2"), "10.0.0.3");
    }

    #[test]
    fn ports_and_brackets_are_cut_off() {
        for (entry, address) in [
            ("203.0.113.7:51324", "203.0.113.7"),
            ("203.0.113.7:0", "203.0.113.7"),
            ("203.0.113.7:65535", "203.0.113.7"),
            ("[2001:db8::7]:51324", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:cb00:7107", "203.0.113.7"),
            ("[::ffff:203.0.113.7]", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
            ("\t203.0.113.7 ", "203.0.113.7"),
        ] {
            assert_eq!(client(entry), address, "{entry}");
            assert_eq!(client(&format!("1.1.1.1, {entry}")), address, "{entry}");
            let by_proxy = format!("{entry},[::1]:9 , 10.9.9.9:80");
            assert_eq!(client(&by_proxy), address, "{by_proxy}");
        }
    }

    #[test]
    fn empty_entries_are_skipped() {
        for line in [
            "203.0.113.9, ",
            "203.0.113.9,",
            "203.0.113.9,,\t,",
            ", ,203.0.113.9",
            "1.1.1.1,,203.0.113.9",
        ] {
            assert_eq!(client(line), "203.0.113.9", "{line}");
        }
        assert_eq!(client(""), "10.0.0.1");
        assert_eq!(client(" , ,"), "10.0.0.1");
        let lines: [&[u8]; 4] = [b"1.1.1.1", b"203.0.113.9", b"", b", "];
        assert_eq!(behind("10.0.0.1", &lines), "203.0.113.9");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        for entry in [
            "unknown",
            "_hidden",
            "localhost",
            "203.0.113.7:",
            "203.0.113.7:99999",
            "203.0.113.7:+80",
            "203.0.113.7:8x",
            "203.0.113.7:80:80",
            "203.0.113",
            "203.0.113.7.1",
            "0203.0.113.7",
            "0xcb.0.113.7",
            "203.0.113.7/32",
            "203.0.113.7 203.0.113.8",
            "203.0.113.7;203.0.113.8",
            "[203.0.113.7]",
            "[203.0.113.7]:80",
            "[2001:db8::7",
            "2001:db8::7]",
            "[[2001:db8::7]]",
            "[2001:db8::7]80",
            "[2001:db8::7]:",
            "[fe80::1%2]",
            "[fe80::1%2]:80",
            "fe80::1%eth0",
            "[]",
            ":80",
            "\"203.0.113.7\"",
            "for=203.0.113.7",
            "２０３.0.113.7",
        ] {
            let line = format!("1.1.1.1, {entry}");
            assert_eq!(client(&line), "10.0.0.1", "{line}");
            let line = format!("1.1.1.1, {entry}, 198.51.100.4");
            assert_eq!(client(&line), "198.51.100.4", "{line}");
        }
    }

    #[test]
    fn what_is_not_ascii_spoils_its_own_entry_only() {
        assert_eq!(client("é, 203.0.113.9"), "203.0.113.9");
        let lines: [&[u8]; 1] = [b"1.1.1.1, \xff\xfe, 203.0.113.9, 10.0.0.2"];
        assert_eq!(behind("10.0.0.1", &lines), "203.0.113.9");
        let lines: [&[u8]; 1] = [b"1.1.1.1, \xff203.0.113.9"];
        assert_eq!(behind("10.0.0.1", &lines), "10.0.0.1");
        let lines: [&[u8]; 2] = [b"\xff, 203.0.113.9", b"10.0.0.2"];
        assert_eq!(behind("10.0.0.1", &lines), "203.0.113.9");
        // A no-break space is no white space of a field.
        assert_eq!(client("1.1.1.1, \u{a0}203.0.113.9"), "10.0.0.1");
    }

    #[derive(Debug, Clone)]
    enum Entry {
        Client(IpAddr),
        Proxy(IpAddr),
        Empty,
        Unreadable(String),
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let client = any::<u16>().prop_map(|n| {
            let [a, b] = n.to_be_bytes();
            if a % 2 == 0 {
                IpAddr::from([198, 18, a, b])
            } else {
                IpAddr::from([0x2001, 0xdb8, n, 0, 0, 0, 0, u16::from(b)])
            }
        });
        let proxy = any::<u8>().prop_map(|n| IpAddr::from([10, 0, 0, n]));
        let unreadable = prop_oneof![
            Just("unknown".to_owned()),
            "[a-z0-9.:\\[\\]é_-]{1,20}".prop_filter("an address", |text| {
                address_in(text.as_bytes()).is_none()
            }),
        ];
        prop_oneof![
            3 => client.prop_map(Entry::Client),
            3 => proxy.prop_map(Entry::Proxy),
            1 => Just(Entry::Empty),
            1 => unreadable.prop_map(Entry::Unreadable),
        ]
    }

    /// One of the ways in which proxies write `address`.
    fn spelt(address: IpAddr, way: u8) -> String {
        match (address, way % 4) {
            (IpAddr::V4(v4), 0) => format!("{v4}:{}", u16::from(way) * 250),
            (IpAddr::V4(v4), 1) => format!("::ffff:{v4}"),
            (IpAddr::V4(v4), 2) => format!("[{}]:7", v4.to_ipv6_mapped()),
            (IpAddr::V6(v6), 0) => format!("[{v6}]:{}", u16::from(way) * 250),
            (IpAddr::V6(v6), 1) => format!("[{v6}]"),
            (IpAddr::V6(v6), 2) => v6.to_string().to_uppercase(),
            (address, _) => address.to_string(),
        }
    }

    proptest! {
        #[test]
        fn the_right_most_untrusted_readable_entry_is_the_client(
            entries in prop::collection::vec((entry(), any::<u8>(), any::<bool>()), 0..8),
            prefix in prop::collection::vec(any::<u8>().prop_filter("a field's byte", |b| *b >= 32 && *b != 127), 0..40),
        ) {
            // The rule in other words: what is right of the last unreadable entry, less empty ones.
            let mut expected = IpAddr::from([10, 0, 0, 1]);
            let mut is_decided = false;
            for (entry, ..) in entries.iter().rev() {
                match entry {
                    Entry::Empty => {}
                    Entry::Unreadable(_) => { is_decided = true; break; }
                    Entry::Proxy(address) => expected = *address,
                    Entry::Client(address) => { expected = *address; is_decided = true; break; }
                }
            }
            let mut lines = vec![Vec::new()];
            for (entry, way, starts_line) in &entries {
                let text = match entry {
                    Entry::Client(address) | Entry::Proxy(address) => spelt(*address, *way),
                    Entry::Empty => String::new(),
                    Entry::Unreadable(text) => text.clone(),
                };
                if *starts_line {
                    lines.push(Vec::new());
                }
                let line = lines.last_mut().unwrap();
                let space: &[u8] = if way % 2 == 0 { b", " } else { b" ,\t" };
                line.extend_from_slice(text.as_bytes());
                line.extend_from_slice(space);
            }
            let of = |lines: &[Vec<u8>]| {
                let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                behind("10.0.0.1", &lines)
            };
            prop_assert_eq!(of(&lines), expected.to_string());
            if is_decided {
                // Whatever a stranger sent before: proxies append to it, in the same line or in another.
                let mut longer = lines.clone();
                longer.insert(0, prefix.clone());
                prop_assert_eq!(of(&longer), expected.to_string());
                let mut joined = prefix;
                joined.push(b',');
                joined.extend_from_slice(&lines[0]);
                lines[0] = joined;
                prop_assert_eq!(of(&lines), expected.to_string());
            }
        }
    }
}
