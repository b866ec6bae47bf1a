//! Shares of what is scarce, by network: what keeps one subscriber, or one provider's network, from taking all.

use std::collections::HashMap;

use ud_kernel::{Network, Source};

/// How much one network may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// One source: /32 of IPv4, /64 of IPv6.
    pub exact: usize,
    /// A /56 of IPv6.
    pub middle: usize,
    /// A /24 of IPv4, a /48 of IPv6.
    pub wide: usize,
}

impl Caps {
    /// The caps where `all` is what there is for everybody: a quarter, three eighths, half; each at least 1 if there is
    /// anything.
    #[must_use]
    pub fn of(all: usize) -> Self {
        let at_least = all.min(1);
        Self {
            exact: (all / 4).max(at_least),
            middle: (all * 3 / 8).max(at_least),
            wide: (all / 2).max(at_least),
        }
    }

    fn bounds(self, source: Source) -> impl Iterator<Item = (Network, usize)> {
        let (exact, wide) = (source.exact(), source.wide());
        source.networks().map(move |network| {
            let cap = if network == exact {
                self.exact
            } else if network == wide {
                self.wide
            } else {
                self.middle
            };
            (network, cap)
        })
    }
}

/// Counts what each network holds.
#[derive(Debug)]
pub struct Shares {
    caps: Caps,
    held: HashMap<Network, usize>,
}

impl Shares {
    /// Nobody holds anything.
    #[must_use]
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            held: HashMap::new(),
        }
    }

    /// Takes one for `source`. False, and nothing is changed, if one of its networks holds its share.
    pub fn take(&mut self, source: Source) -> bool {
        let is_room = self
            .caps
            .bounds(source)
            .all(|(network, cap)| self.held(network) < cap);
        if is_room {
            for network in source.networks() {
                *self.held.entry(network).or_default() += 1;
            }
        }
        is_room
    }

    /// Gives one of `source` back.
    pub fn give_back(&mut self, source: Source) {
        for network in source.networks() {
            if let Some(held) = self.held.get_mut(&network) {
                *held = held.saturating_sub(1);
                if *held == 0 {
                    self.held.remove(&network);
                }
            }
        }
    }

    /// Returns how much `network` holds.
    #[must_use]
    pub fn held(&self, network: Network) -> usize {
        self.held.get(&network).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn each_network_has_its_share_and_gives_it_back() {
        let mut shares = Shares::new(Caps::of(16));
        let mut taken = Vec::new();
        // One /64 after another: of one /56, then of another /56 of the same /48.
        for (address, share) in [
            ("2001:db8:1:100::1", 4),
            ("2001:db8:1:101::1", 2),
            ("2001:db8:1:200::1", 2),
        ] {
            let mut here = 0;
            while shares.take(source(address)) {
                here += 1;
                taken.push(source(address));
            }
            assert_eq!(here, share, "{address}");
        }
        assert!(shares.take(source("2001:db8:2::1")), "another /48");
        for source in taken {
            shares.give_back(source);
        }
        shares.give_back(source("2001:db8:2::1"));
        assert!(shares.held.is_empty());
    }

    #[test]
    fn ipv4_has_two_levels() {
        let mut shares = Shares::new(Caps::of(16));
        for _ in 0..4 {
            assert!(shares.take(source("192.0.2.1")));
        }
        assert!(!shares.take(source("192.0.2.1")));
        for host in 2..6 {
            assert!(shares.take(source(&format!("192.0.2.{host}"))));
        }
        assert!(!shares.take(source("192.0.2.9")));
        assert!(shares.take(source("192.0.3.9")));
    }

    #[test]
    fn nothing_is_shared_as_nothing_and_little_as_one_each() {
        assert!(!Shares::new(Caps::of(0)).take(source("192.0.2.1")));
        let mut shares = Shares::new(Caps::of(1));
        assert!(shares.take(source("192.0.2.1")));
        assert!(!shares.take(source("192.0.2.1")));
    }
}
