//! A client of one kept-alive connection that does as little as a client can, so that the machine is left to what is
//! measured. It speaks as much HTTP/1.1 as the services and NGINX answer with.

use std::{
    fmt::Write as _,
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    stream: TcpStream,
    used_at: Instant,
    buffer: Vec<u8>,
}

/// After so long without a request the connection is opened again: while others had their turn, the server may have
/// given it up.
const IDLE: Duration = Duration::from_secs(1);

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Status line and headers, as received.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The string member `name` of a flat JSON body.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get(name)?.as_str()?.to_owned())
    }

    /// The reply, if it has this status.
    ///
    /// # Errors
    /// Status and body, if not.
    pub fn must(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        Err(format!(
            "status {} instead of {status}: {body}",
            self.status
        ))
    }
}

/// The bytes of a request.
#[must_use]
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A request with a JSON body.
#[must_use]
pub fn json_request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    request(method, path, &[("Content-Type", "application/json")], body)
}

/// A `GET` with an access or service token.
#[must_use]
pub fn get_request(path: &str, token: &str) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    request("GET", path, &[("Authorization", &bearer)], b"")
}

impl Wire {
    /// A connection to `port` of 127.0.0.1.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn open(port: u16) -> io::Result<Self> {
        Ok(Self {
            port,
            stream: connect(port).await?,
            used_at: Instant::now(),
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// So many of them.
    ///
    /// # Errors
    /// As [`Wire::open`].
    pub async fn open_all(port: u16, count: usize) -> io::Result<Vec<Self>> {
        let mut wires = Vec::new();
        for _ in 0..count {
            wires.push(Self::open(port).await?);
        }
        Ok(wires)
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// If the connection fails, or what comes is not an answer with a known length.
    pub async fn send(&mut self, request: &[u8]) -> Result<Reply, String> {
        self.exchange(request).await.map_err(|e| e.to_string())
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        if self.used_at.elapsed() > IDLE {
            self.stream = connect(self.port).await?;
        }
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let status: u16 = head
            .get(9..12)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| io::Error::other("not HTTP"))?;
        let length = match status {
            204 => 0,
            _ => content_length(&head).ok_or_else(|| io::Error::other("no Content-Length"))?,
        };
        while self.buffer.len() < end + length {
            self.more().await?;
        }
        let body = self.buffer[end..].to_vec();
        self.used_at = Instant::now();
        Ok(Reply { status, head, body })
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn content_length(head: &str) -> Option<usize> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}
