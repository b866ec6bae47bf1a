//! Conditional requests (RFC 9110 section 13) and idempotency keys.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, dev,
    http::header::{self, EntityTag, Header as _},
};
use ud_kernel::{Code, FieldError};

use crate::Problem;

/// The entity tag of version `version` of a resource: `"7"`.
#[must_use]
pub fn etag(version: i64) -> header::ETag {
    header::ETag(EntityTag::new_strong(version.to_string()))
}

/// `If-Match`, if the client sent one.
#[derive(Debug, Clone)]
pub struct IfMatch(Option<header::IfMatch>);

impl IfMatch {
    /// Whether a change of version `version` is allowed: always without the header.
    ///
    /// # Errors
    /// 412 `request.precondition-failed`.
    pub fn permits(&self, version: i64) -> Result<(), Problem> {
        let matches = match &self.0 {
            None | Some(header::IfMatch::Any) => true,
            Some(header::IfMatch::Items(tags)) => {
                let current = EntityTag::new_strong(version.to_string());
                tags.iter().any(|tag| tag.strong_eq(&current))
            }
        };
        if matches {
            Ok(())
        } else {
            Err(Problem::new(Code::REQUEST_PRECONDITION_FAILED))
        }
    }

    /// Allows every version.
    #[must_use]
    pub const fn any() -> Self {
        Self(None)
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        if !req.headers().contains_key(header::IF_MATCH) {
            return ready(Ok(Self(None)));
        }
        ready(
            header::IfMatch::parse(req)
                .map(|h| Self(Some(h)))
                .map_err(|_| {
                    let error =
                        FieldError::new("If-Match", "header.invalid", "not a list of entity tags");
                    Problem::new(Code::REQUEST_INVALID_PARAMETER).field(error)
                }),
        )
    }
}

/// `Idempotency-Key`, if the client sent one: 16 to 64 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let mut values = req.headers().get_all("idempotency-key");
        let (first, second) = (values.next(), values.next());
        ready(match (first, second) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => value
                .to_str()
                .ok()
                .filter(|v| (16..=64).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_graphic()))
                .map(|v| Self(Some(v.to_owned())))
                .ok_or_else(|| Problem::new(Code::REQUEST_IDEMPOTENCY_KEY_INVALID)),
            (Some(_), Some(_)) => Err(Problem::new(Code::REQUEST_IDEMPOTENCY_KEY_INVALID)),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn if_match(value: &str) -> Result<IfMatch, Problem> {
        let req = TestRequest::default()
            .insert_header(("if-match", value))
            .to_http_request();
        IfMatch::from_request(&req, &mut dev::Payload::None).into_inner()
    }

    #[test]
    fn only_the_current_version_matches() {
        assert!(IfMatch::any().permits(1).is_ok());
        assert!(if_match("\"3\"").unwrap().permits(3).is_ok());
        assert!(if_match("\"2\", \"3\"").unwrap().permits(3).is_ok());
        assert!(if_match("*").unwrap().permits(3).is_ok());
        assert!(if_match("\"2\"").unwrap().permits(3).is_err());
        assert!(if_match("W/\"3\"").unwrap().permits(3).is_err());
    }

    #[test]
    fn idempotency_keys_have_a_form() {
        let key = |value: &str| {
            let req = TestRequest::default()
                .insert_header(("idempotency-key", value))
                .to_http_request();
            IdempotencyKey::from_request(&req, &mut dev::Payload::None).into_inner()
        };
        assert!(key(&"k".repeat(16)).is_ok());
        assert!(key(&"k".repeat(15)).is_err());
        assert!(key(&"k".repeat(65)).is_err());
        assert!(key("k k k k k k k k k k k").is_err());
    }
}
