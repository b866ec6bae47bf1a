//! What one log line looks like. A line is one line: whatever a message or value has in it, nothing but the
//! logger ends it.

use std::{
    borrow::Cow,
    fmt::{self, Arguments, Display},
    io::Write as _,
};

use env_logger::fmt::style::Style;
use log::{Level, Record};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value as Json;
use ud_kernel::{Timestamp, UserId};

use crate::{
    RequestContext,
    pairs::{Pairs, Plain},
};

/// A line longer than this, in bytes, is written once more with less in it.
const MAX_LINE: usize = 8192;
/// What of such a line's message is left, in characters.
const MAX_MESSAGE: usize = 1000;
/// What is left of the text of each pair of such a line, in characters.
const MAX_VALUE: usize = 256;
/// How many pairs such a line keeps.
const MAX_PAIRS: usize = 16;

/// One line before it has a form.
pub(crate) struct Line<'a> {
    timestamp: Timestamp,
    level: Level,
    target: &'a str,
    message: Message<'a>,
    service: &'a str,
    context: Option<&'a RequestContext>,
    pairs: Pairs<'a>,
}

impl<'a> Line<'a> {
    /// `service` is the process's; the context's own one goes before it.
    pub(crate) fn new(
        record: &'a Record<'a>,
        timestamp: Timestamp,
        service: &'a str,
        context: Option<&'a RequestContext>,
    ) -> Self {
        Self {
            timestamp,
            level: record.level(),
            target: record.target(),
            message: Message::Whole(record.args()),
            service: context
                .and_then(RequestContext::service)
                .map_or(service, |s| s.as_str()),
            context,
            pairs: Pairs::of(record),
        }
    }

    /// The same with less in it, for one that came out too long.
    fn cut(&self) -> Self {
        let pairs = self.pairs.0.iter().take(MAX_PAIRS);
        let cut = |(name, value): &(Cow<'a, str>, Plain<'a>)| {
            let value = match value {
                Plain::Text(text) => Plain::Text(beginning(text, MAX_VALUE).into()),
                other => other.clone(),
            };
            (Cow::Owned(beginning(name, MAX_VALUE)), value)
        };
        Self {
            message: Message::Cut(beginning(&self.message.to_string(), MAX_MESSAGE)),
            pairs: Pairs(pairs.map(cut).collect()),
            ..*self
        }
    }

    /// Request, the client's own id of it, and trace, those that are known.
    fn ids(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let context = self.context;
        let ids = [
            ("request_id", context.map(RequestContext::request_id)),
            (
                "client_request_id",
                context.and_then(RequestContext::client_request_id),
            ),
            ("trace_id", context.and_then(RequestContext::trace_id)),
        ];
        ids.into_iter()
            .filter_map(|(name, id)| id.map(|id| (name, id)))
    }

    fn user_id(&self) -> Option<UserId> {
        self.context.and_then(RequestContext::user_id)
    }
}

/// The message of a line.
enum Message<'a> {
    Whole(&'a Arguments<'a>),
    Cut(String),
}

impl Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(message) => message.fmt(f),
            Self::Cut(message) => message.fmt(f),
        }
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(message) => message.serialize(serializer),
            Self::Cut(message) => message.serialize(serializer),
        }
    }
}

/// The first `most` characters, and a sign that there were more.
fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("level", level_name(self.level))?;
        map.serialize_entry("target", self.target)?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("service", self.service)?;
        for (name, id) in self.ids() {
            map.serialize_entry(name, id)?;
        }
        if let Some(user_id) = self.user_id() {
            map.serialize_entry("user_id", &user_id)?;
        }
        for (name, value) in &self.pairs.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Appends one JSON object and a line break.
pub(crate) fn json(line: &Line<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    write_json(line, out);
    if out.len() - start > MAX_LINE {
        out.truncate(start);
        write_json(&line.cut(), out);
    }
    out.push(b'\n');
}

fn write_json(line: &Line<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    // Maps with text for keys cannot fail to serialise, nor memory to be written to.
    let _ = serde_json::to_writer(&mut *out, line);
    let object = out.get(start..).unwrap_or_default();
    // Whatever is below a space serde_json has escaped.
    if !object.is_ascii() || object.contains(&DELETE) {
        let object = String::from_utf8_lossy(object).into_owned();
        out.truncate(start);
        for c in object.chars() {
            // What serde_json leaves as it is can only stand inside strings: there it may be written so.
            if is_unsafe(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

const DELETE: u8 = 0x7f;

/// Text for a console and a line break; `style` colours the level.
pub(crate) fn text(line: &Line<'_>, style: Style) -> String {
    let mut out = whole_text(line, style);
    if out.len() > MAX_LINE {
        out = whole_text(&line.cut(), style);
    }
    out.push('\n');
    out
}

fn whole_text(line: &Line<'_>, style: Style) -> String {
    let mut out = format!(
        "{} {style}{:<5}{style:#} {} {}: ",
        line.timestamp,
        line.level.as_str(),
        line.service,
        line.target,
    );
    push_escaped(&mut out, &line.message.to_string());
    let pairs = line.pairs.0.iter().map(|(name, value)| match value {
        Plain::Text(text) => (&**name, Cow::Borrowed(&**text)),
        other => (&**name, Cow::Owned(Json::from(other).to_string())),
    });
    let ids = line.ids().map(|(name, id)| (name, Cow::Borrowed(id)));
    let user_id = line
        .user_id()
        .map(|id| ("user_id", Cow::Owned(id.to_string())));
    for (name, value) in pairs.chain(ids).chain(user_id) {
        out.push(' ');
        push_escaped(&mut out, name);
        out.push('=');
        let is_word = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
        if !value.is_empty() && value.chars().all(is_word) {
            push_escaped(&mut out, &value);
        } else {
            push_escaped(&mut out, &Json::from(&*value).to_string());
        }
    }
    out
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
}

/// Whether `c` could end a line, move a cursor, or show text in another order than it has.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use log::kv::{ToValue as _, Value};
    use ud_kernel::Service;

    use super::*;

    fn with_record<R>(
        message: &str,
        pairs: &[(&str, Value<'_>)],
        f: impl FnOnce(&Record<'_>) -> R,
    ) -> R {
        f(&Record::builder()
            .args(format_args!("{message}"))
            .level(Level::Warn)
            .target("ud_http::access")
            .key_values(&pairs)
            .build())
    }

    fn both(
        message: &str,
        pairs: &[(&str, Value<'_>)],
        context: Option<&RequestContext>,
    ) -> (Json, String) {
        with_record(message, pairs, |record| {
            let line = Line::new(record, Timestamp::from_millis(7), "standalone", context);
            let mut json = Vec::new();
            super::json(&line, &mut json);
            let json = String::from_utf8(json).unwrap();
            assert_eq!(json.matches('\n').count(), 1, "{json}");
            (
                serde_json::from_str(&json).unwrap(),
                text(&line, Style::new()),
            )
        })
    }

    #[test]
    fn a_line_says_when_what_where_and_for_whom() {
        let context = RequestContext::new("r-1")
            .in_service(Service::Auth)
            .with_trace_id("t-1");
        let user = UserId::new(Timestamp::from_millis(7));
        context.set_user_id(user);
        let pairs = [
            ("status", 200.to_value()),
            ("path", "/a b".to_value()),
            ("ok", true.to_value()),
        ];
        let (json, text) = both("done", &pairs, Some(&context));
        assert_eq!(
            json,
            serde_json::json!({
                "timestamp": "1970-01-01T00:00:00.007Z", "level": "warn", "target": "ud_http::access",
                "message": "done", "service": "auth", "request_id": "r-1", "trace_id": "t-1",
                "user_id": user, "status": 200, "path": "/a b", "ok": true,
            })
        );
        assert_eq!(
            text,
            format!(
                "1970-01-01T00:00:00.007Z WARN  auth ud_http::access: done status=200 path=\"/a b\" ok=true request_id=r-1 trace_id=t-1 user_id={user}\n"
            )
        );
        let (json, text) = both("done", &[], None);
        assert_eq!(json.as_object().unwrap().len(), 5);
        assert!(
            text.ends_with("WARN  standalone ud_http::access: done\n"),
            "{text}"
        );
    }

    #[test]
    fn a_line_is_bounded_whatever_is_in_it() {
        let long = "x\u{1b}é😀".repeat(1_000);
        let pairs: Vec<_> = (0..30).map(|_| (&*long, long.to_value())).collect();
        let context = RequestContext::new("r-1");
        let (json, text) = both(&long, &pairs, Some(&context));
        let message = json["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), MAX_MESSAGE + 3);
        assert!(message.ends_with("..."));
        assert_eq!(json["request_id"], "r-1", "what tells of whom stays");
        assert!(json.as_object().unwrap().len() <= 6 + MAX_PAIRS);
        let written = serde_json::to_vec(&json).unwrap().len();
        assert!(
            written < 65_536 && text.len() < 65_536,
            "{written} {}",
            text.len()
        );
        // What fits is whole.
        let fits = "y".repeat(7000);
        let (json, text) = both(&fits, &[], Some(&context));
        assert_eq!(json["message"], fits);
        assert!(text.contains(&fits));
    }

    #[test]
    fn nothing_in_a_message_can_forge_a_line() {
        let evil = "a\r\nINFO forged\u{1b}[2J\u{7f}\u{9b}31m\u{2028}x\u{202e}y\t\0\"z";
        let pairs = [
            ("agent", evil.to_value()),
            (evil, 1.to_value()),
            ("level", evil.to_value()),
        ];
        let context = RequestContext::new(evil).with_trace_id(evil);
        let (json, text) = both(evil, &pairs, Some(&context));
        assert_eq!(json["message"], evil, "JSON keeps what was said");
        assert_eq!(json["agent"], evil);
        assert_eq!(json["level"], "warn", "a pair does not replace a member");
        assert_eq!(json["level_"], evil);
        let written = with_record(evil, &pairs, |record| {
            let line = Line::new(record, Timestamp::from_millis(7), "auth", Some(&context));
            let mut out = Vec::new();
            super::json(&line, &mut out);
            String::from_utf8(out).unwrap()
        });
        for line in [text, written] {
            let (body, end) = line.split_at(line.len() - 1);
            assert_eq!(end, "\n");
            assert!(!body.chars().any(is_unsafe), "{body:?}");
        }
    }
}
