//! One connection: its stream with or without TLS, the deadline of a request's head, and a problem document in place of
//! the bare answers that the HTTP implementation gives by itself.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tokio_rustls::server::TlsStream;

use crate::{
    connections::{Close, Place, Ticket},
    edge::Edge,
};

/// A request's head has this long to arrive, from its first byte, or from the connection's beginning.
pub(crate) const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long after that it is looked once more whether the rest has arrived.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// The bytes that arrive and leave.
pub(crate) enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// Through TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that is in the registry.
pub(crate) struct Connection {
    stream: Stream,
    place: Place,
    edge: Arc<Edge>,
    head: Head,
    /// What is written in place of the implementation's own bare answer.
    instead: Option<Instead>,
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
        if self.head.is_set && self.head.alarm.as_mut().poll(cx).is_ready() {
            self.head.is_set = false;
        }
        if ticket.is_busy() {
            return Poll::Pending;
        }
        let Some((since, _)) = self.head.since else {
            if ticket.is_told(Close::Idle) {
                return self.end();
            }
            return Poll::Pending;
        };
        let is_late = since.elapsed() >= HEAD_DEADLINE;
        if is_late && self.head.has_rung && !self.head.is_set {
            // Who has said nothing at all is told nothing.
            if self.head.heard {
                let answer = self
                    .edge
                    .answer_before_a_request(StatusCode::REQUEST_TIMEOUT);
                // It fits the socket's buffer, which is empty: what cannot be written at once is not waited for.
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
            self.head.alarm.as_mut().reset(next);
            self.head.is_set = true;
            if self.head.alarm.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
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
        let is_busy = ticket.is_busy();
        if !is_busy && ticket.is_told(Close::Now) {
            return this.end();
        }
        let before = buf.filled().len();
        let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_read(cx, buf) else {
            return this.wait(cx);
        };
        if !is_busy && buf.filled().len() > before {
            let requests = this.place.ticket().requests();
            this.head.heard = true;
            if this.head.since.is_none_or(|(_, seen)| seen != requests) {
                this.head.since = Some((Instant::now(), requests));
                this.head.has_rung = false;
            }
        }
        Poll::Ready(outcome)
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
                return Pin::new(&mut this.stream).poll_write(cx, buf);
            };
            this.instead = Some(Instead {
                answer: this.edge.answer_before_a_request(status),
                written: 0,
                replaced: buf.len(),
            });
        }
        while let Some(Instead {
            answer, written, ..
        }) = &mut this.instead
        {
            let rest = answer.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match ready!(Pin::new(&mut this.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        let replaced = this.instead.take().map_or(0, |instead| instead.replaced);
        Poll::Ready(Ok(replaced))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
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
mod tests {
    use super::*;

    #[test]
    fn bare_answers_are_told_from_ours() {
        let bare = |text: &str| bare_status(text.as_bytes()).map(|status| status.as_u16());
        let head = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert_eq!(bare(head), Some(408));
        assert_eq!(
            bare("HTTP/1.0 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            Some(400)
        );
        assert_eq!(bare("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(
            bare("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n"),
            None
        );
        // A part of a body that looks like one.
        assert_eq!(bare("HTTP/1.1 408 \r\n\r\n"), None);
        assert_eq!(bare(&format!("{head}{head}")), None);
        assert_eq!(bare(&format!("HTTP/1.1 200 OK\r\n\r\n{head}")), None);
        assert_eq!(bare(""), None);
    }
}
