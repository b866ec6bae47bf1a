//! Just enough of PostgreSQL's protocol 3.0 to run a statement on a server that trusts us. A client program
//! would take 30 ms for each.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Runs the statements `sql` in `database` on the server of `url` (`postgres://user@host:port`).
pub(crate) fn execute(url: &str, database: &str, sql: &str) -> Result<(), String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (user, address) = rest.split_once('@').ok_or("no user in the URL")?;
    let talk = || -> io::Result<Result<(), String>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, ""] {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        send(&mut stream, None, &startup)?;
        if let Err(message) = until_ready(&mut stream)? {
            return Ok(Err(message));
        }
        let query = [sql.as_bytes(), &[0]].concat();
        send(&mut stream, Some(b'Q'), &query)?;
        let answer = until_ready(&mut stream)?;
        send(&mut stream, Some(b'X'), &[])?;
        Ok(answer)
    };
    talk().map_err(|error| error.to_string())?
}

fn send(stream: &mut TcpStream, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(body);
    stream.write_all(&message)
}

/// Reads until the server waits for the next statement; the first error it told meanwhile.
fn until_ready(stream: &mut TcpStream) -> io::Result<Result<(), String>> {
    let mut answer = Ok(());
    let mut is_authenticated = true;
    loop {
        let mut head = [0; 5];
        match stream.read_exact(&mut head) {
            // After a fatal error the server closes.
            Err(_) if answer.is_err() => return Ok(answer),
            read => read?,
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'R' => is_authenticated = body == [0; 4],
            b'E' if answer.is_ok() => answer = Err(message_of(&body)),
            b'Z' => return Ok(answer),
            _ => {}
        }
        if !is_authenticated {
            return Ok(Err(
                "the server asks for a password; use the one testkit starts".to_owned(),
            ));
        }
    }
}

/// The text of an ErrorResponse: fields of a letter and a string each; `M` is the message.
fn message_of(body: &[u8]) -> String {
    let field = body
        .split(|b| *b == 0)
        .find(|field| field.first() == Some(&b'M'));
    String::from_utf8_lossy(field.and_then(|f| f.get(1..)).unwrap_or(body)).into_owned()
}
