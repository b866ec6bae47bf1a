//! The route that takes batches: `POST /internal/v1/events`.

use std::{future::Future, time::Duration};

use actix_web::{HttpMessage as _, HttpRequest, Resource, web};
use ud_http::{FromService, Problem};
use ud_kernel::Code;
use ud_service::callers;
use ud_telemetry::Metrics;

use crate::{
    BATCH_CONTENT_TYPE, Batch, BatchError, EVENTS_PATH, MAX_BATCH_BYTES, Receipt, parse_batch,
};

/// A batch has this long to arrive whole.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Returns the resource for a service's internal routes. `receive` takes the service's state and what is in the batch, stores
/// the effects, and says which events it has; [`crate::Inbox::receive`] does that for an SQL database.
/// Answers 200 [`Receipt`]; 401 and 403 without the right service token; 400, 413, 415 or 422 for what is no
/// batch; what `receive` says if it fails.
pub fn events_resource<S, F, Fut>(metrics: &Metrics, state: S, receive: F) -> Resource
where
    S: Clone + 'static,
    F: Fn(S, Batch) -> Fut + Clone + 'static,
    Fut: Future<Output = Result<Receipt, Problem>> + 'static,
{
    let received = metrics.counter_vec(
        "event_inbox_received_total",
        "Events received, by sender and outcome: accepted, parked.",
        &["source", "outcome"],
    );
    let handler = move |caller: FromService<callers::Any>,
                        req: HttpRequest,
                        payload: web::Payload| {
        let (state, receive, received) = (state.clone(), receive.clone(), received.clone());
        async move {
            let source = caller.service;
            let batch = parse_batch(source, &collect(&req, payload).await?)?;
            let receipt = receive(state, batch).await?;
            for (outcome, ids) in [("accepted", &receipt.accepted), ("parked", &receipt.parked)] {
                let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
                received
                    .with_label_values(&[source.as_str(), outcome])
                    .inc_by(count);
            }
            Ok::<_, Problem>(web::Json(receipt))
        }
    };
    web::resource(EVENTS_PATH).route(web::post().to(handler))
}

async fn collect(req: &HttpRequest, payload: web::Payload) -> Result<web::Bytes, Problem> {
    if req.content_type() != BATCH_CONTENT_TYPE {
        return Err(Problem::new(Code::RequestUnsupportedMediaType));
    }
    match tokio::time::timeout(BODY_DEADLINE, payload.to_bytes_limited(MAX_BATCH_BYTES)).await {
        Err(_) => Err(Problem::new(Code::RequestTimeout)),
        Ok(Err(_)) => Err(BatchError::TooLarge.into()),
        Ok(Ok(Err(e))) => Err(Problem::new(Code::RequestMalformed).cause(e)),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        let code = match error {
            BatchError::TooLarge => Code::RequestBodyTooLarge,
            BatchError::Malformed => Code::RequestMalformed,
            BatchError::TooMany => Code::RequestValidationFailed,
        };
        Self::new(code).detail(error.to_string())
    }
}
