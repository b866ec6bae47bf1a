//! A body that may be left out.

use std::{pin::Pin, time::Duration};

use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::de::DeserializeOwned;
use ud_http::{Json, MAX_BODY, Problem, Validate};
use ud_kernel::Code;

/// A body has this long to arrive whole.
const DEADLINE: Duration = Duration::from_secs(10);

/// A JSON body that may be left out. What is there is read as strictly as [`Json`] does.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Validate + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let req = req.clone();
        let payload = web::Payload::from_request(&req, payload);
        Box::pin(async move {
            let malformed = |e: actix_web::Error| Problem::new(Code::REQUEST_MALFORMED).cause(e);
            let payload = payload.await.map_err(malformed)?;
            let bytes = tokio::time::timeout(DEADLINE, payload.to_bytes_limited(MAX_BODY))
                .await
                .map_err(|_| Problem::new(Code::REQUEST_TIMEOUT))?
                .map_err(|_| Problem::new(Code::REQUEST_BODY_TOO_LARGE))?
                .map_err(malformed)?;
            if bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            let mut payload = dev::Payload::from(bytes);
            let Json(body) = Json::from_request(&req, &mut payload).await?;
            Ok(Self(body))
        })
    }
}
