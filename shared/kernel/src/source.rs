//! Who asks, as far as an address tells (SECURITY rule 11): what throttles, limits and the security log count by.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use uuid::Uuid;

use crate::{SessionId, UserId};

/// The network a request comes from: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber
/// is given. It is made once, at the edge, from the client's address; nothing else is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

/// A network that contains a [`Source`]; the text is `192.0.2.1`, `192.0.2.0/24` or `2001:db8::/48`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Source {
    /// The source of a request whose client has this address. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(masked(v6, 64)),
        })
    }

    /// The source itself: /32 of IPv4, /64 of IPv6.
    #[must_use]
    pub const fn exact(self) -> Network {
        let bits = match self.0 {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 64,
        };
        Network {
            address: self.0,
            bits,
        }
    }

    /// The neighbourhood: /24 of IPv4, /48 of IPv6.
    #[must_use]
    pub fn wide(self) -> Network {
        match self.0 {
            IpAddr::V4(v4) => Network {
                address: IpAddr::V4((u32::from(v4) & 0xffff_ff00).into()),
                bits: 24,
            },
            IpAddr::V6(v6) => Network {
                address: IpAddr::V6(masked(v6, 48)),
                bits: 48,
            },
        }
    }

    /// The networks among which shares are fair, from the narrowest: /32 and /24 of IPv4; /64, /56 and /48 of IPv6.
    pub fn networks(self) -> impl Iterator<Item = Network> {
        let middle = match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(Network {
                address: IpAddr::V6(masked(v6, 56)),
                bits: 56,
            }),
        };
        [Some(self.exact()), middle, Some(self.wide())]
            .into_iter()
            .flatten()
    }
}

/// What something is counted under. A full address or a text is never one: two spellings of one caller would be two
/// counts, and a /64 would be as many counts as it has addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitKey {
    /// Who asks without a name.
    Source(Source),
    /// An authenticated user.
    User(UserId),
    /// A session, known by a token of its own.
    Session(SessionId),
    /// A device, known by a token of its own.
    Device(Uuid),
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source) => source.fmt(f),
            Self::User(user) => user.fmt(f),
            Self::Session(session) => session.fmt(f),
            Self::Device(device) => device.fmt(f),
        }
    }
}

fn masked(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    (u128::from(address) & mask).into()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exact().fmt(f)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == 32 && self.address.is_ipv4() {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_source() {
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), source("2001:db8:1:2::9"));
        assert_ne!(source("2001:db8:1:2::9"), source("2001:db8:1:3::9"));
        assert_ne!(source("198.51.100.1"), source("198.51.100.2"));
        assert_eq!(source("::ffff:198.51.100.1"), source("198.51.100.1"));
        assert_eq!(source("2001:db8:1:2::9").to_string(), "2001:db8:1:2::/64");
        assert_eq!(source("198.51.100.1").to_string(), "198.51.100.1");
    }

    #[test]
    fn networks_go_from_the_narrowest_to_the_widest() {
        let texts = |source: Source| -> Vec<_> {
            source
                .networks()
                .map(|network| network.to_string())
                .collect()
        };
        assert_eq!(
            texts(source("198.51.100.77")),
            ["198.51.100.77", "198.51.100.0/24"]
        );
        assert_eq!(
            texts(source("2001:db8:1:abcd::9")),
            [
                "2001:db8:1:abcd::/64",
                "2001:db8:1:ab00::/56",
                "2001:db8:1::/48"
            ]
        );
        assert_eq!(
            source("2001:db8:1:abcd::9").wide().to_string(),
            "2001:db8:1::/48"
        );
    }
}
