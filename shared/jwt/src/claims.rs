use serde::{Deserialize, Serialize};
use ud_kernel::{SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::{encoding, error::Refusal};

/// Header `typ` of access tokens (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// By how many seconds clocks may differ: a token is good from 5 s before `nbf` and `iat`. Service tokens are
/// good until 5 s after `exp`; access tokens are not, because `exp` may be the end of a role's assignment, which
/// gives nothing from its second on (SECURITY rule 4).
pub const LEEWAY_SECS: i64 = 5;

/// Claims of an access token (RFC 9068). All are present in every token of ours; no personal data. Times
/// are whole seconds since the Unix epoch (NumericDate).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued it: `ISSUER_URL`.
    pub iss: String,
    /// The user.
    pub sub: UserId,
    /// The session it belongs to.
    pub sid: SessionId,
    /// For whom: exactly one value, as a string; the array form is refused.
    pub aud: String,
    /// Which client logged the user in; our own logins: `user-domain`.
    pub client_id: String,
    /// When it was issued.
    pub iat: i64,
    /// From when on it is good.
    pub nbf: i64,
    /// Until when it is good; never later than the first end of an assignment it reflects.
    pub exp: i64,
    /// Its own id: [`new_jti`].
    pub jti: String,
    /// When the user last proved who they are.
    pub auth_time: i64,
    /// Assurance level of that proof.
    pub acr: String,
    /// How they proved it (RFC 8176): `["pwd"]`.
    pub amr: Vec<String>,
    /// Names of the user's roles; always contains `user`.
    pub roles: Vec<String>,
    /// Their permissions; `["*"]` for an administrator.
    pub permissions: Vec<String>,
    /// Policy version the roles were read at; below a not-before, the token is stale.
    pub pv: i64,
    /// Incarnation of the session store.
    pub inc: String,
}

/// `client_id` of logins with a password here; other clients come with the OpenID provider.
pub const OWN_CLIENT: &str = "user-domain";
/// `acr` of a login with a password alone.
pub const ONE_FACTOR: &str = "1";
/// Member of `amr` of a login with a password (RFC 8176).
pub const PASSWORD: &str = "pwd";

/// Last second of the year 9999: the largest time of a token.
const LAST_SECOND: i64 = 253_402_300_799;

impl AccessClaims {
    /// Returns claims of this issuer and audience that are as long as any token's, without a name of a role or
    /// permission: what is not known before the session is made or rotated has its largest value.
    #[must_use]
    pub fn largest(issuer: &str, audience: &str) -> Self {
        let id = Uuid::max();
        Self {
            iss: issuer.to_owned(),
            sub: UserId::from_uuid(id),
            sid: SessionId::from_uuid(id),
            aud: audience.to_owned(),
            client_id: OWN_CLIENT.to_owned(),
            iat: LAST_SECOND,
            nbf: LAST_SECOND,
            exp: LAST_SECOND,
            jti: encoding::encode(&[0; JTI_BYTES]),
            auth_time: LAST_SECOND,
            acr: ONE_FACTOR.to_owned(),
            amr: vec![PASSWORD.to_owned()],
            roles: Vec::new(),
            permissions: Vec::new(),
            pv: i64::MAX,
            // The session store names its incarnations by UUIDs.
            inc: id.to_string(),
        }
    }
}

const JTI_BYTES: usize = 16;

/// A new token id: 128 random bits in base64url.
///
/// # Errors
/// [`crate::SignError::Failed`] if the system gives no randomness.
pub fn new_jti() -> Result<String, crate::SignError> {
    let mut bytes = [0; JTI_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| crate::SignError::Failed)?;
    Ok(encoding::encode(&bytes))
}

/// Whether a token that begins at `iat` and `nbf` and ends at `end` is good at `now`.
pub(crate) fn check_times(iat: i64, nbf: i64, end: i64, now: Timestamp) -> Result<(), Refusal> {
    if now >= Timestamp::from_secs(end) {
        return Err(Refusal::Expired);
    }
    let latest = now.as_secs().saturating_add(LEEWAY_SECS);
    if nbf > latest || iat > latest {
        return Err(Refusal::NotYet);
    }
    Ok(())
}

/// An access token whose signature and claims have been checked. Only [`crate::Verifier`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    claims: AccessClaims,
    kid: String,
    state_key: [u8; 32],
}

impl VerifiedToken {
    pub(crate) fn new(claims: AccessClaims, kid: String) -> Self {
        let mut state_key = encoding::sha256(&[
            claims.sid.as_uuid().as_bytes(),
            claims.sub.as_uuid().as_bytes(),
            &claims.pv.to_be_bytes(),
        ]);
        // Each length-delimited by the hash before it, so that no two lists of texts run together.
        for text in [&kid, &claims.inc].into_iter().chain(&claims.roles) {
            state_key = encoding::sha256(&[&state_key, text.as_bytes()]);
        }
        Self {
            claims,
            kid,
            state_key,
        }
    }

    /// What the token says.
    #[must_use]
    pub const fn claims(&self) -> &AccessClaims {
        &self.claims
    }

    /// Header parameter `kid`: the key that signed it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The instant `exp` names.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_secs(self.claims.exp)
    }

    /// Everything the answer about its session depends on, hashed.
    pub(crate) const fn state_key(&self) -> &[u8; 32] {
        &self.state_key
    }
}
