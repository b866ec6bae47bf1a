//! Batches that other services send: `POST /internal/v1/events`, or a call in the process.

use std::{future::Future, sync::Arc, time::Duration};

use actix_web::{HttpMessage as _, HttpRequest, Resource, web};
use prometheus::IntCounterVec;
use ud_http::{FromService, Internal, Problem, remote};
use ud_kernel::{Code, Service};
use ud_service::callers;
use ud_telemetry::Metrics;

use crate::{
    BATCH_CONTENT_TYPE, Batch, BatchError, DeliverEvents, EVENTS_PATH, MAX_BATCH_BYTES, Receipt,
    parse_batch,
};

/// A batch has this long to arrive whole.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Has a service take events: `receive` gets its state and what is in a batch, stores the effects, and says which events it
/// has; [`crate::Inbox::receive`] does that for an SQL database. Over HTTP it answers 200 [`Receipt`]; 401 and 403 without the
/// right service token; 400, 413, 415 or 422 for what is no batch; what `receive` says if it fails.
pub fn offer_events<S, F, Fut>(
    internal: Internal,
    metrics: &Metrics,
    state: &S,
    receive: F,
) -> Internal
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, Batch) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Receipt, Problem>> + Send + 'static,
{
    let receiver = Receiver {
        state: state.clone(),
        receive,
        received: metrics.counter_vec(
            "event_inbox_received_total",
            "Events received, by sender and outcome: accepted, parked.",
            &["source", "outcome"],
        ),
    };
    let local = receiver.clone();
    internal
        .over_http(move |cfg| {
            cfg.service(receiver.resource());
        })
        .locally(move |service, operations| {
            let receiver = local.clone();
            operations.offer::<DeliverEvents>(
                service,
                Arc::new(move |caller, (), bytes| {
                    let taken = receiver.take(caller.service, &bytes);
                    Box::pin(async move { taken.await.map_err(|problem| remote(&problem)) })
                }),
            );
        })
}

#[derive(Clone)]
struct Receiver<S, F> {
    state: S,
    receive: F,
    received: IntCounterVec,
}

impl<S, F, Fut> Receiver<S, F>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, Batch) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Receipt, Problem>> + Send + 'static,
{
    fn resource(&self) -> Resource {
        let receiver = self.clone();
        let handler =
            move |caller: FromService<callers::Any>, req: HttpRequest, payload: web::Payload| {
                let receiver = receiver.clone();
                async move {
                    let bytes = collect(&req, payload).await?;
                    let receipt = receiver.take(caller.service, &bytes).await?;
                    Ok::<_, Problem>(web::Json(receipt))
                }
            };
        web::resource(EVENTS_PATH).route(web::post().to(handler))
    }

    fn take(
        &self,
        source: Service,
        bytes: &[u8],
    ) -> impl Future<Output = Result<Receipt, Problem>> + Send + use<S, F, Fut> {
        let batch = parse_batch(source, bytes);
        let receipt = batch.map(|batch| (self.receive)(self.state.clone(), batch));
        let received = self.received.clone();
        async move {
            let receipt = receipt?.await?;
            for (outcome, ids) in [("accepted", &receipt.accepted), ("parked", &receipt.parked)] {
                let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
                received
                    .with_label_values(&[source.as_str(), outcome])
                    .inc_by(count);
            }
            Ok(receipt)
        }
    }
}

async fn collect(req: &HttpRequest, payload: web::Payload) -> Result<web::Bytes, Problem> {
    if req.content_type() != BATCH_CONTENT_TYPE {
        return Err(Problem::new(Code::REQUEST_UNSUPPORTED_MEDIA_TYPE));
    }
    match tokio::time::timeout(BODY_DEADLINE, payload.to_bytes_limited(MAX_BATCH_BYTES)).await {
        Err(_) => Err(Problem::new(Code::REQUEST_TIMEOUT)),
        Ok(Err(_)) => Err(BatchError::TooLarge.into()),
        Ok(Ok(Err(e))) => Err(Problem::new(Code::REQUEST_MALFORMED).cause(e)),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        let code = match error {
            BatchError::TooLarge => Code::REQUEST_BODY_TOO_LARGE,
            BatchError::Malformed => Code::REQUEST_MALFORMED,
            BatchError::TooMany => Code::REQUEST_VALIDATION_FAILED,
        };
        Self::new(code).detail(error.to_string())
    }
}
