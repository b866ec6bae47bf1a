//! The HTTP client of calls that leave the process (SECURITY rule 29).

use reqwest::{Client, ClientBuilder, Url, redirect::Policy};

/// A client for calls to `addresses`: no redirect is followed, no proxy is taken from the environment. Who builds it
/// sets the deadline. Certificates are checked against the system's authorities (`SSL_CERT_FILE` where it is set); a
/// machine without any will do as long as no address is https.
pub fn outbound_client<'a>(addresses: impl IntoIterator<Item = &'a Url>) -> ClientBuilder {
    let builder = Client::builder().redirect(Policy::none()).no_proxy();
    if addresses.into_iter().any(|url| url.scheme() == "https") {
        builder
    } else {
        builder.tls_certs_only([])
    }
}
