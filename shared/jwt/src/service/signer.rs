use std::sync::{Mutex, PoisonError};

use ud_kernel::{Clock, Service, Timestamp, UserId};

use super::{IdentityKey, SERVICE_TOKEN_SECS, SERVICE_TOKEN_TYPE, ServiceClaims};
use crate::{Algorithm, SignError, compact, new_jti};

/// For how long a token is used again: half its life, so that the receiver's clock may differ.
const REUSE_SECS: i64 = 30;

/// Signs the tokens with which one service calls the others.
#[derive(Debug)]
pub struct ServiceSigner {
    identity: IdentityKey,
    header: String,
    clock: Clock,
    /// The last token per called service, acting for nobody.
    last: Mutex<Vec<LastToken>>,
}

#[derive(Debug)]
struct LastToken {
    audience: Service,
    issued_at: Timestamp,
    token: String,
}

impl ServiceSigner {
    /// Signs as `identity.service()`.
    ///
    /// # Errors
    /// [`SignError::Failed`] if the header cannot be written.
    pub fn new(identity: IdentityKey, clock: Clock) -> Result<Self, SignError> {
        let kid = identity.service().as_str();
        Ok(Self {
            header: compact::encode_header(Algorithm::EdDsa, SERVICE_TOKEN_TYPE, kid)?,
            identity,
            clock,
            last: Mutex::default(),
        })
    }

    /// The caller these tokens name.
    #[must_use]
    pub const fn service(&self) -> Service {
        self.identity.service()
    }

    /// A token for one call of `audience`, acting for `obo` if a user asked for it. Good for at least 30 s:
    /// tokens that act for nobody are used again so long.
    ///
    /// # Errors
    /// [`SignError::Failed`].
    pub fn token(&self, audience: Service, obo: Option<UserId>) -> Result<String, SignError> {
        let now = self.clock.now();
        if obo.is_some() {
            return self.sign(audience, obo, now);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Timestamp::from_secs(now.as_secs().saturating_sub(REUSE_SECS));
        // A clock set back makes tokens of the future; those are not used again either.
        let good =
            |l: &&LastToken| l.audience == audience && l.issued_at > fresh && l.issued_at <= now;
        if let Some(known) = last.iter().find(good) {
            return Ok(known.token.clone());
        }
        let token = self.sign(audience, None, now)?;
        last.retain(|l| l.audience != audience);
        last.push(LastToken {
            audience,
            issued_at: now,
            token: token.clone(),
        });
        Ok(token)
    }

    fn sign(
        &self,
        audience: Service,
        obo: Option<UserId>,
        now: Timestamp,
    ) -> Result<String, SignError> {
        let now = now.as_secs();
        let claims = ServiceClaims {
            iss: self.service().as_str().to_owned(),
            sub: self.service().as_str().to_owned(),
            aud: audience.as_str().to_owned(),
            obo,
            iat: now,
            nbf: now,
            exp: now.saturating_add(SERVICE_TOKEN_SECS),
            jti: new_jti()?,
        };
        compact::sign(&self.header, &claims, |message| self.identity.sign(message))
    }
}
