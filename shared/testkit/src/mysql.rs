//! Just enough of MySQL's protocol to run a statement on a server that lets us in without a password.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Protocol 4.1, plugin authentication, plain transactions.
const CAPABILITIES: u32 = 0x0000_0200 | 0x0000_8000 | 0x0008_0000 | 0x0000_2000;

/// Runs the statement `sql` on the server of `url` (`mysql://user@host:port`).
pub(crate) fn execute(url: &str, sql: &str) -> Result<(), String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (user, address) = rest.split_once('@').ok_or("no user in the URL")?;
    let talk = || -> io::Result<Result<(), String>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let (_, greeting) = receive(&mut stream)?;
        if greeting.first() == Some(&0xff) {
            return Ok(check(&greeting));
        }
        let mut login = CAPABILITIES.to_le_bytes().to_vec();
        login.extend_from_slice(&0x0100_0000_u32.to_le_bytes());
        login.push(45); // utf8mb4_general_ci
        login.extend_from_slice(&[0; 23]);
        login.extend_from_slice(user.as_bytes());
        login.extend_from_slice(&[0, 0]); // end of the name; password of no bytes
        login.extend_from_slice(b"mysql_native_password\0");
        send(&mut stream, 1, &login)?;
        let (sequence, mut answer) = receive(&mut stream)?;
        if answer.first() == Some(&0xfe) {
            // Asked to authenticate in another way: no password is no bytes in that too.
            send(&mut stream, sequence + 1, &[])?;
            answer = receive(&mut stream)?.1;
        }
        if let Err(message) = check(&answer) {
            return Ok(Err(message));
        }
        send(&mut stream, 0, &[&[3], sql.as_bytes()].concat())?;
        let answer = check(&receive(&mut stream)?.1);
        send(&mut stream, 0, &[1])?;
        Ok(answer)
    };
    talk().map_err(|error| error.to_string())?
}

fn send(stream: &mut TcpStream, sequence: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len())
        .map_err(io::Error::other)?
        .to_le_bytes();
    let head = [length[0], length[1], length[2], sequence];
    stream.write_all(&[&head, body].concat())
}

/// One packet and its sequence number.
fn receive(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((head[3], body))
}

/// An error packet as its message; anything else is fine.
fn check(packet: &[u8]) -> Result<(), String> {
    match packet {
        [0xff, _, _, message @ ..] => Err(String::from_utf8_lossy(message).into_owned()),
        _ => Ok(()),
    }
}
