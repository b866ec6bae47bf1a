//! A request's body, which tells its connection while it is waited for.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    web::Bytes,
};
use futures_util::Stream;

use crate::ticket::{Receiving, Ticket};

/// Tells whether a request's body was read to its end.
pub(crate) struct BodyEnd(Rc<Cell<bool>>);

impl BodyEnd {
    pub(crate) fn is_reached(&self) -> bool {
        self.0.get()
    }
}

/// Makes the body of `req`, if it has one, tell `ticket`.
pub(crate) fn watch(req: &mut ServiceRequest, ticket: &Arc<Ticket>) -> Option<BodyEnd> {
    let body = match req.take_payload() {
        Payload::None => return None,
        body => body,
    };
    let is_at_end = Rc::new(Cell::new(false));
    let payload = Box::pin(Watched {
        body,
        ticket: Arc::clone(ticket),
        receiving: None,
        is_at_end: Rc::clone(&is_at_end),
    });
    req.set_payload(Payload::Stream { payload });
    Some(BodyEnd(is_at_end))
}

struct Watched {
    body: Payload,
    ticket: Arc<Ticket>,
    /// From when it is first asked for.
    receiving: Option<Receiving>,
    is_at_end: Rc<Cell<bool>>,
}

impl Stream for Watched {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.receiving.is_none() && !this.is_at_end.get() {
            this.receiving = Some(this.ticket.receive());
        }
        let next = Pin::new(&mut this.body).poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            this.receiving = None;
            this.is_at_end.set(true);
        }
        next
    }
}
