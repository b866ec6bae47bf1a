//! Requests that no HTTP library would send.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// As much of a request as a message of failure shows.
const LONGEST_SHOWN: usize = 500;

/// Status and text of an answer.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// Status code.
    pub status: u16,
    /// Head, as received.
    pub head: String,
    /// Body, as received.
    pub body: String,
}

/// Sends `head` (request line and headers, without the empty line; `Host` and `Connection: close` are added)
/// and `body` to a port of 127.0.0.1 as they are.
///
/// # Panics
/// If there is no answer that can be read within 10 seconds.
pub async fn raw_request(port: u16, head: &str, body: &[u8]) -> RawAnswer {
    let head = format!("{head}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let answer = raw_exchange(port, &[head.as_bytes(), body].concat()).await;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    RawAnswer {
        status: status.unwrap_or_else(|| panic!("not HTTP: {answer:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Sends `bytes` to a port of 127.0.0.1 and gives all that comes back until the other side closes the connection.
///
/// # Panics
/// If it does not close it within 10 seconds, or nothing came.
pub async fn raw_exchange(port: u16, bytes: &[u8]) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut answer = Vec::new();
        let sent = stream.write_all(bytes).await;
        // Who refuses a request may close before having read it all: what was answered counts.
        let read = stream.read_to_end(&mut answer).await;
        if answer.is_empty() {
            sent.and(read)?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_SHOWN)]);
    let answer = timeout(Duration::from_secs(10), talk).await;
    let answer = answer.unwrap_or_else(|_| panic!("not closed within 10 s: {sent}"));
    answer.unwrap_or_else(|error: std::io::Error| panic!("{error}: {sent}"))
}
