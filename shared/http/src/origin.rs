//! Where a request came from: the client's address behind trusted proxies, and the request's ids.

use std::{
    future::{Ready, ready},
    net::IpAddr,
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{self, ServiceRequest},
    http::header::{self, HeaderValue},
};
use ud_kernel::{LimitKey, Source, UserId, models::Provenance};

use crate::{Problem, TrustedProxies};

/// Longest `User-Agent` that is kept, in characters.
const MAX_AGENT: usize = 256;

/// What the edge middleware found out about a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestFacts {
    pub(crate) request_id: Arc<str>,
    /// What the client called its request; for the log alone.
    pub(crate) client_request_id: Option<Arc<str>>,
    pub(crate) address: Option<IpAddr>,
    /// Whether the TCP peer is a trusted proxy.
    pub(crate) from_proxy: bool,
}

/// Reads the facts of a request. The request's id is a trusted proxy's `X-Request-Id`, otherwise a new one; what
/// anybody else sends there is the client's own, which a trusted proxy passes on as `X-Client-Request-Id`.
pub(crate) fn facts(
    req: &ServiceRequest,
    proxies: &TrustedProxies,
    new_id: impl FnOnce() -> Arc<str>,
) -> RequestFacts {
    let peer = req.peer_addr().map(|a| a.ip());
    let trusted = peer.is_some_and(|p| proxies.trusts(p));
    let id_in = |name| {
        let value = req.headers().get(name)?.to_str().ok()?;
        is_request_id(value).then(|| Arc::<str>::from(value))
    };
    let (request_id, client_request_id) = if trusted {
        (id_in("x-request-id"), id_in("x-client-request-id"))
    } else {
        (None, id_in("x-request-id"))
    };
    RequestFacts {
        request_id: request_id.unwrap_or_else(new_id),
        client_request_id,
        address: proxies.client_address(peer, req.headers()),
        from_proxy: trusted,
    }
}

/// `^[A-Za-z0-9-]{1,64}$`
pub(crate) fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Who asks, for limits. The address itself goes into events only, by [`RequestProvenance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(Source);

impl ClientAddress {
    /// Who asks, for everything that counts.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.0
    }

    /// The same as a key of a limit.
    #[must_use]
    pub const fn key(&self) -> LimitKey {
        LimitKey::Source(self.0)
    }

    /// What attempts are counted under: the address, or the /64 of an IPv6 address.
    #[must_use]
    pub fn bucket(&self) -> String {
        self.source().to_string()
    }
}

impl FromRequest for ClientAddress {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self(source_of(req))))
    }
}

/// Who asks. Without a TCP peer (a test's in-memory request) everybody is one client.
pub(crate) fn source_of(req: &HttpRequest) -> Source {
    let extensions = req.extensions();
    let found = extensions.get::<RequestFacts>().and_then(|f| f.address);
    Source::of(found.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)))
}

/// Whether the TCP peer is a trusted proxy.
pub(crate) fn is_from_proxy(req: &HttpRequest) -> bool {
    let extensions = req.extensions();
    extensions
        .get::<RequestFacts>()
        .is_some_and(|f| f.from_proxy)
}

/// The request's provenance, for events and internal calls, without an actor.
#[derive(Debug, Clone)]
pub struct RequestProvenance(pub Provenance);

impl RequestProvenance {
    /// The provenance with `actor` as the one who asks.
    #[must_use]
    pub fn by(self, actor: UserId) -> Provenance {
        Provenance {
            actor_id: Some(actor),
            ..self.0
        }
    }
}

impl FromRequest for RequestProvenance {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self(origin_of(req))))
    }
}

pub(crate) fn origin_of(req: &HttpRequest) -> Provenance {
    CallSource::of(req).provenance()
}

/// Where a call came from, not put together yet: hardly any operation asks.
#[derive(Debug, Default)]
pub(crate) struct CallSource {
    facts: Option<RequestFacts>,
    agent: Option<HeaderValue>,
}

impl CallSource {
    fn of(req: &HttpRequest) -> Self {
        Self {
            facts: req.extensions().get::<RequestFacts>().cloned(),
            agent: req.headers().get(header::USER_AGENT).cloned(),
        }
    }

    /// Puts it together. What came from no address has the id of the request that this task works for.
    pub(crate) fn provenance(&self) -> Provenance {
        let facts = self.facts.as_ref();
        let request_id = match facts {
            Some(facts) => facts.request_id.to_string(),
            None => ud_telemetry::current()
                .map_or_else(String::new, |context| context.request_id().to_owned()),
        };
        let agent = self.agent.as_ref().and_then(|value| value.to_str().ok());
        Provenance {
            request_id,
            ip: facts.and_then(|f| f.address).map(|a| a.to_string()),
            user_agent: agent.map(clean_agent),
            actor_id: None,
        }
    }
}

impl FromRequest for CallSource {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self::of(req)))
    }
}

fn clean_agent(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_AGENT)
        .collect()
}

/// Method and route pattern: names the operation without anybody's id in it.
pub(crate) fn operation_of(req: &HttpRequest) -> String {
    format!(
        "{} {}",
        req.method(),
        req.match_pattern().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_request_id_is_kept_apart() {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
        let facts = |peer: &str, own: &'static str, clients: &'static str| {
            let request = actix_web::test::TestRequest::default()
                .peer_addr(format!("{peer}:1").parse().unwrap())
                .insert_header(("x-request-id", own))
                .insert_header(("x-client-request-id", clients))
                .to_srv_request();
            let facts = facts(&request, &proxies, || "new".into());
            let client = facts.client_request_id.map(|id| id.to_string());
            (facts.request_id.to_string(), client)
        };
        let of = |id: &str, client: Option<&str>| (id.to_owned(), client.map(str::to_owned));
        assert_eq!(facts("10.0.0.1", "gw-1", "c-1"), of("gw-1", Some("c-1")));
        assert_eq!(facts("10.0.0.1", "gw-1", ""), of("gw-1", None));
        assert_eq!(facts("203.0.113.9", "c-1", "c-2"), of("new", Some("c-1")));
        assert_eq!(facts("203.0.113.9", "a b", "c-2"), of("new", None));
    }
}
