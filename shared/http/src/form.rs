//! Form bodies, for the endpoints that OAuth 2.0 defines with them.

use std::{collections::HashSet, future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::de::DeserializeOwned;
use ud_kernel::{Code, FieldError};

use crate::{
    FieldErrors, Problem, Validate,
    body::{collect, has_content_type},
};

/// A body of `application/x-www-form-urlencoded`, at most 64 KiB. Each parameter is there once at most, and unknown
/// ones are ignored (RFC 6749 section 3.1).
///
/// Problems: 415, 413, 408, 400 `request.malformed`, 422 `request.validation-failed`.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Form<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let typed = has_content_type(req, &["application/x-www-form-urlencoded"]);
        let bytes = web::Payload::from_request(req, payload);
        Box::pin(async move {
            let bytes = collect(typed, bytes.await).await?;
            read(&bytes).map(Self)
        })
    }
}

fn read<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, Problem> {
    let malformed = || Problem::new(Code::REQUEST_MALFORMED);
    // What is no UTF-8 would be read with replacement characters.
    std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_bytes(bytes).map_err(|_| malformed())?;
    let mut names = HashSet::new();
    for (name, _) in &pairs {
        if !names.insert(name) {
            return Err(malformed().detail("a parameter is there twice"));
        }
    }
    let value: T = serde_urlencoded::from_bytes(bytes).map_err(|_| {
        let error = FieldError::new(
            "",
            "field.invalid",
            "a parameter is missing or not acceptable",
        );
        Problem::validation(vec![error])
    })?;
    let mut errors = FieldErrors::default();
    value.validate(&mut errors);
    errors.into_result()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Body {
        token: String,
        token_type_hint: Option<String>,
    }

    impl Validate for Body {}

    #[test]
    fn parameters_are_read_once_and_unknown_ones_ignored() {
        let body: Body = read(b"token=a%2Bb+c&unknown=1").unwrap();
        assert_eq!((body.token.as_str(), body.token_type_hint), ("a+b c", None));
        for (bad, code) in [
            (&b"token=a&token=b"[..], Code::REQUEST_MALFORMED),
            (b"token=a&%74oken=b", Code::REQUEST_MALFORMED),
            (b"token=\xff", Code::REQUEST_MALFORMED),
            (b"", Code::REQUEST_VALIDATION_FAILED),
            (b"{\"token\":\"a\"}", Code::REQUEST_VALIDATION_FAILED),
        ] {
            let problem = read::<Body>(bad).unwrap_err();
            assert_eq!(problem.code(), code, "{bad:?}");
        }
    }
}
