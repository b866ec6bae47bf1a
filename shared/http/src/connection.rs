//! One connection: how much of what arrives is handed over, the deadline of a request's head, and a problem document in
//! place of the bare answers that the HTTP implementation gives by itself.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::http::StatusCode;
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use crate::{
    connections::Place,
    edge::Edge,
    sending::Sending,
    stream::Stream,
    ticket::{Close, Ticket},
};

/// A request's head has this long to arrive, from its first byte, or from the connection's beginning.
pub(crate) const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long after that it is looked once more whether the rest has arrived.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// A connection on which no request was under way for so long ends. The HTTP implementation ends one that is idle sooner
/// (`workers::KEEP_ALIVE`), but none on which half a head came together with the request before it.
const IDLE_DEADLINE: Duration = Duration::from_secs(80);

/// The HTTP implementation gets no more than so many bytes, and no more than so many heads, until it has looked at them;
/// and then none while a request is under way that does not read its body. It makes requests of all it has, and keeps
/// them, with some ten kilobytes each: a client that sends many and reads no answer would cost five hundred times what it
/// sends.
const AHEAD: usize = 8 * 1024;
const HEADS_AHEAD: usize = 16;

/// A connection that is in the registry.
pub(crate) struct Connection {
    stream: Stream,
    place: Place,
    edge: Arc<Edge>,
    head: Head,
    /// What is written in place of the implementation's own bare answer.
    instead: Option<Instead>,
    /// While the peer does not take what it is sent.
    sending: Option<Sending>,
    /// Bytes and heads handed over that it may not yet have looked at, since so many requests had begun.
    ahead: usize,
    heads_ahead: usize,
    ahead_since: u64,
    /// What was read beyond them.
    kept: BytesMut,
    /// Whether it was made to look at them.
    has_yielded: bool,
    is_over: bool,
}

/// Since when a head is awaited.
struct Head {
    /// When it began, and how many requests had begun by then; `None` between two requests.
    since: Option<(Instant, u64)>,
    /// Whether any byte of it is here.
    heard: bool,
    /// Wakes the connection; set again only when it has rung, so that a busy connection costs no timer.
    alarm: Pin<Box<Sleep>>,
    is_set: bool,
    /// Whether the alarm has rung for this head: it is looked once more, because a process that stood still may hear
    /// of the time before it hears of what has arrived.
    has_rung: bool,
}

struct Instead {
    answer: Vec<u8>,
    written: usize,
    /// Length of what it replaces.
    replaced: usize,
}

impl Connection {
    pub(crate) fn new(stream: Stream, place: Place, edge: Arc<Edge>) -> Self {
        let now = Instant::now();
        let head = Head {
            since: Some((now, 0)),
            heard: false,
            alarm: Box::pin(tokio::time::sleep_until(now + HEAD_DEADLINE)),
            is_set: true,
            has_rung: false,
        };
        Self {
            stream,
            place,
            edge,
            head,
            instead: None,
            sending: None,
            ahead: 0,
            heads_ahead: 0,
            ahead_since: 0,
            kept: BytesMut::new(),
            has_yielded: false,
            is_over: false,
        }
    }

    /// Returns what requests on it note themselves in.
    pub(crate) const fn ticket(&self) -> &Arc<Ticket> {
        self.place.ticket()
    }

    /// The end of what the peer sends, as far as the HTTP implementation learns.
    const fn end(&mut self) -> Poll<io::Result<()>> {
        self.is_over = true;
        Poll::Ready(Ok(()))
    }

    /// Nothing can be read for now: whether that has lasted too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ticket = self.place.ticket();
        let requests = ticket.requests();
        if self.head.since.is_some_and(|(_, seen)| seen != requests) {
            self.head.since = None;
        }
        // The rest of a body that nobody reads has as long as a head: nothing else follows.
        if ticket.is_unread() && self.head.since.is_none() {
            self.head.since = Some((Instant::now(), requests));
            self.head.heard = false;
            self.head.has_rung = false;
        }
        if self.head.is_set && self.head.alarm.as_mut().poll(cx).is_ready() {
            self.head.is_set = false;
        }
        if ticket.is_busy() {
            return Poll::Pending;
        }
        let Some((since, _)) = self.head.since else {
            if ticket.is_told(Close::Idle) || ticket.idle_for() >= IDLE_DEADLINE {
                return self.end();
            }
            self.ring_at(Instant::now() + HEAD_DEADLINE, cx);
            return Poll::Pending;
        };
        let is_late = since.elapsed() >= HEAD_DEADLINE;
        if is_late && self.head.has_rung && !self.head.is_set {
            // Who has said nothing at all is told nothing.
            if self.head.heard {
                let answer = self
                    .edge
                    .answer_before_a_request(StatusCode::REQUEST_TIMEOUT);
                // It fits the socket's buffer, which is empty, or nothing would have been read: what cannot be written
                // at once is not waited for.
                let _ = Pin::new(&mut self.stream).poll_write(cx, &answer);
                let _ = Pin::new(&mut self.stream).poll_flush(cx);
            }
            return self.end();
        }
        if !self.head.is_set {
            self.head.has_rung = is_late;
            let next = if is_late {
                Instant::now() + LAST_LOOK
            } else {
                since + HEAD_DEADLINE
            };
            self.ring_at(next, cx);
        }
        Poll::Pending
    }

    /// Wakes the connection at `at`, unless that is to happen earlier: at no time more than [`HEAD_DEADLINE`] ahead.
    fn ring_at(&mut self, at: Instant, cx: &mut Context<'_>) {
        if self.head.is_set {
            return;
        }
        self.head.alarm.as_mut().reset(at);
        self.head.is_set = true;
        if self.head.alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

impl Connection {
    /// Returns whether the HTTP implementation gets no more for now.
    fn is_held_back(&mut self, cx: &Context<'_>) -> bool {
        // Who does not take the answers is not asked for more. The end of sending wakes the connection.
        if self.sending.is_some() {
            return true;
        }
        let ticket = self.place.ticket();
        let (is_busy, requests) = (ticket.is_busy(), ticket.requests());
        if !is_busy && self.ahead_since != requests {
            (self.ahead, self.heads_ahead) = (0, 0);
            self.ahead_since = requests;
            self.has_yielded = false;
        }
        if self.ahead < AHEAD && self.heads_ahead < HEADS_AHEAD {
            return false;
        }
        if is_busy && !ticket.is_receiving() {
            ticket.withhold();
            return true;
        }
        self.has_yielded = !self.has_yielded;
        if self.has_yielded {
            // It looks at what it has before it asks again.
            cx.waker().wake_by_ref();
            return true;
        }
        (self.ahead, self.heads_ahead) = (0, 0);
        false
    }

    /// Reads what has arrived, at most as much as may be handed over.
    fn read_some(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        if !self.kept.is_empty() {
            let count = self.kept.len().min(buf.remaining());
            buf.put_slice(&self.kept.split_to(count));
        } else if buf.remaining() <= AHEAD {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(AHEAD));
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
            let count = part.filled().len();
            buf.advance(count);
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        let (heads, end) = heads(read, HEADS_AHEAD - self.heads_ahead.min(HEADS_AHEAD));
        let rest = read.get(end..).unwrap_or_default();
        if !rest.is_empty() {
            let mut kept = BytesMut::from(rest);
            kept.unsplit(std::mem::take(&mut self.kept));
            self.kept = kept;
            buf.set_filled(before + end);
        }
        self.heads_ahead += heads;
        self.ahead += end;
        Poll::Ready(Ok(end))
    }

    /// Waits for a peer that did not take all it was sent.
    fn taken<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_pending() {
            let sending = self.sending.get_or_insert_with(Sending::begin);
            return sending.wait(self.place.ticket(), cx);
        }
        outcome
    }

    fn write_some(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let (Poll::Ready(Ok(count)), Some(sending)) = (&outcome, &mut self.sending) {
            sending.take(*count);
        }
        self.taken(cx, outcome)
    }
}

impl AsyncRead for Connection {
    /// Reads what has arrived before it looks at the time: a process that stood still finds whole requests waiting.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(Ok(()));
        }
        let ticket = this.place.ticket();
        ticket.register(cx.waker());
        let (is_busy, is_unread) = (ticket.is_busy(), ticket.is_unread());
        if ticket.is_told(Close::Now) && ticket.can_close(Close::Now) {
            return this.end();
        }
        if this.is_held_back(cx) {
            return Poll::Pending;
        }
        let Poll::Ready(outcome) = this.read_some(cx, buf) else {
            return this.wait(cx);
        };
        if !is_busy && !is_unread && outcome.as_ref().is_ok_and(|count| *count > 0) {
            let requests = this.place.ticket().requests();
            this.head.heard = true;
            if this.head.since.is_none_or(|(_, seen)| seen != requests) {
                this.head.since = Some((Instant::now(), requests));
                this.head.has_rung = false;
            }
        }
        Poll::Ready(outcome.map(drop))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead.is_none() {
            let Some(status) = bare_status(buf) else {
                return this.write_some(cx, buf);
            };
            this.instead = Some(Instead {
                answer: this.edge.answer_before_a_request(status),
                written: 0,
                replaced: buf.len(),
            });
        }
        while let Some(mut instead) = this.instead.take() {
            let rest = instead.answer.get(instead.written..).unwrap_or_default();
            if rest.is_empty() {
                return Poll::Ready(Ok(instead.replaced));
            }
            let outcome = this.write_some(cx, rest);
            if let Poll::Ready(Ok(count)) = outcome {
                instead.written += count;
            }
            this.instead = Some(instead);
            if ready!(outcome)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        ready!(this.taken(cx, outcome))?;
        if this.sending.take().is_some() {
            // Nothing was read meanwhile, and nothing else looks again.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.taken(cx, outcome)
    }
}

/// Returns how many heads end in `bytes`, and where the last of at most `most` does; the end of `bytes` if there are fewer. The
/// HTTP implementation takes a line feed alone as the end of a line. What looks like the end of a head in a body counts as
/// well: the body is then handed over in smaller parts.
fn heads(bytes: &[u8], most: usize) -> (usize, usize) {
    let mut count = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let length = match rest {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => continue,
        };
        count += 1;
        if count >= most {
            return (count, at + 1 + length);
        }
    }
    (count, bytes.len())
}

/// The status of an answer that the HTTP implementation gives without a request: a head that is late, too long or no
/// HTTP. Every answer of ours that is an error has a body and a request id.
fn bare_status(buf: &[u8]) -> Option<StatusCode> {
    let text = buf
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| buf.strip_prefix(b"HTTP/1.0 "))?;
    if !matches!(text.first(), Some(b'4' | b'5')) {
        return None;
    }
    let head = std::str::from_utf8(text).ok()?.strip_suffix("\r\n\r\n")?;
    let is_bare = !head.contains("\r\n\r\n")
        && head.contains("\r\ncontent-length: 0")
        && !head.contains("\r\nx-request-id:");
    is_bare
        .then(|| StatusCode::from_bytes(head.get(..3)?.as_bytes()).ok())
        .flatten()
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
