//! Tokens with which the services call each other (SECURITY rule 24). Each service signs with its own
//! Ed25519 key, whose `kid` is the service's name; whoever it calls knows its public key from a JWK set
//! file. No secret is shared.

mod identity;
mod signer;
mod verifier;

use serde::{Deserialize, Serialize};
use ud_kernel::UserId;

pub use identity::IdentityKey;
pub use signer::ServiceSigner;
pub use verifier::{Peers, ServiceCaller, ServiceVerifier};

/// Header `typ` of service tokens.
pub const SERVICE_TOKEN_TYPE: &str = "service+jwt";
/// How long a service token lives.
pub const SERVICE_TOKEN_SECS: i64 = 60;

/// Claims of a service token.
#[derive(Debug, Serialize, Deserialize)]
struct ServiceClaims {
    /// The caller.
    iss: String,
    /// The caller, too.
    sub: String,
    /// The called service.
    aud: String,
    /// The user acted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    obo: Option<UserId>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}
