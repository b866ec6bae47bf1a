//! The HTTP client of calls that leave the process (SECURITY rule 29).

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url, redirect::Policy};

/// A client for calls to `addresses`: each ends after `deadline`, no redirect is followed, no proxy is taken from
/// the environment. Certificates are checked against the system's authorities (`SSL_CERT_FILE` where it is set); a
/// machine without any will do as long as no address is https.
pub fn outbound_client<'a>(
    addresses: impl IntoIterator<Item = &'a Url>,
    deadline: Duration,
) -> ClientBuilder {
    let builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(deadline);
    if addresses.into_iter().any(|url| url.scheme() == "https") {
        builder
    } else {
        builder.tls_certs_only([])
    }
}
