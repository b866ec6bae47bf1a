//! JSON request bodies: content type, size, syntax, shape and rules are checked before a handler sees them.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev, web};
use serde::de::DeserializeOwned;
use ud_kernel::{Code, FieldError};

use crate::Problem;

/// Largest body of any operation, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// A body has this long to arrive whole.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Wrong members found so far.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Adds one.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Keeps the value, or the error.
    pub fn check<T>(&mut self, result: Result<T, FieldError>) -> Option<T> {
        result.map_err(|e| self.0.push(e)).ok()
    }

    /// `Ok` if none was found.
    ///
    /// # Errors
    /// 422 `request.validation-failed` with all of them.
    pub fn into_result(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::validation(self.0))
        }
    }
}

/// Rules of a request body that its types cannot say.
pub trait Validate {
    /// Adds what is wrong to `errors`; nothing by default.
    fn validate(&self, errors: &mut FieldErrors) {
        let _ = errors;
    }

    /// The problem for members the body does not accept; `user.field-read-only` where they exist but are not
    /// the caller's to change.
    fn unknown_field() -> Code {
        Code::REQUEST_VALIDATION_FAILED
    }
}

/// A body of `application/json`, at most [`MAX_BODY`], that reads as `T` and passes its rules. `T` should
/// have `#[serde(deny_unknown_fields)]`.
///
/// Problems: 415, 413, 408, 400 `request.malformed` (not JSON), 422 `request.validation-failed` (JSON of
/// another shape).
#[derive(Debug)]
pub struct Json<T>(pub T);

/// As [`Json`], also taking `application/merge-patch+json` (RFC 7396).
#[derive(Debug)]
pub struct MergePatch<T>(pub T);

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let typed = has_content_type(req, &["application/json"]);
        let bytes = web::Payload::from_request(req, payload);
        Box::pin(async move {
            let bytes = collect(typed, bytes.await).await?;
            read(&bytes).map(Self)
        })
    }
}

impl<T: DeserializeOwned + Validate + 'static> FromRequest for MergePatch<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let typed = has_content_type(req, &["application/merge-patch+json", "application/json"]);
        let bytes = web::Payload::from_request(req, payload);
        Box::pin(async move {
            let bytes = collect(typed, bytes.await).await?;
            read(&bytes).map(Self)
        })
    }
}

pub(crate) fn has_content_type(req: &HttpRequest, accepted: &[&str]) -> bool {
    let charset_is_utf8 = |m: &mime::Mime| m.get_param("charset").is_none_or(|c| c == "utf-8");
    matches!(req.mime_type(), Ok(Some(m)) if accepted.contains(&m.essence_str()) && charset_is_utf8(&m))
}

pub(crate) async fn collect(
    typed: bool,
    payload: Result<web::Payload, actix_web::Error>,
) -> Result<web::Bytes, Problem> {
    if !typed {
        return Err(Problem::new(Code::REQUEST_UNSUPPORTED_MEDIA_TYPE));
    }
    let payload = payload.map_err(|e| Problem::new(Code::REQUEST_MALFORMED).cause(e))?;
    match tokio::time::timeout(BODY_DEADLINE, payload.to_bytes_limited(MAX_BODY)).await {
        Err(_) => Err(Problem::new(Code::REQUEST_TIMEOUT)),
        Ok(Err(_)) => Err(Problem::new(Code::REQUEST_BODY_TOO_LARGE)),
        Ok(Ok(Err(e))) => Err(Problem::new(Code::REQUEST_MALFORMED).cause(e)),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

/// Reads and checks a body.
pub(crate) fn read<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, Problem> {
    // serde reads a struct from an array too, member by member: that is nobody's contract.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(_) => Problem::validation(vec![FieldError::new(
                "",
                "field.invalid",
                "must be an object",
            )]),
            Err(e) => not_json(&e),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T =
        serde_path_to_error::deserialize(&mut json).map_err(|e| shape_problem::<T>(&e, bytes))?;
    json.end()
        .map_err(|_| Problem::new(Code::REQUEST_MALFORMED).detail("text after the JSON value"))?;
    let mut errors = FieldErrors::default();
    value.validate(&mut errors);
    errors.into_result()?;
    Ok(value)
}

fn shape_problem<T: Validate>(
    error: &serde_path_to_error::Error<serde_json::Error>,
    bytes: &[u8],
) -> Problem {
    let inner = error.inner();
    // A number where the name of an enum's variant belongs is a syntax error to serde_json: only reading the
    // whole tells whether it is JSON.
    if !inner.is_data() && serde_json::from_slice::<serde_json::Value>(bytes).is_err() {
        return not_json(inner);
    }
    let path = pointer(error.path());
    let text = inner.to_string();
    // serde tells these kinds apart by text only. Its messages may quote the value, so none is passed on.
    if let Some(name) = quoted_after(&text, "unknown field `") {
        let pointer = member(path, name);
        let code = T::unknown_field();
        let field_code = if code == Code::REQUEST_VALIDATION_FAILED {
            "field.unknown"
        } else {
            "field.read-only"
        };
        let detail = "not accepted by this operation";
        return Problem::new(code).field(FieldError::new(pointer, field_code, detail));
    }
    if let Some(name) = quoted_after(&text, "missing field `") {
        let pointer = format!("{path}/{}", escape(name));
        return Problem::validation(vec![FieldError::new(
            pointer,
            "field.missing",
            "is required",
        )]);
    }
    if let Some(name) = quoted_after(&text, "duplicate field `") {
        let pointer = member(path, name);
        return Problem::validation(vec![FieldError::new(
            pointer,
            "field.duplicate",
            "given twice",
        )]);
    }
    let detail = "has the wrong type or form";
    Problem::validation(vec![FieldError::new(path, "field.invalid", detail)])
}

fn not_json(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    Problem::new(Code::REQUEST_MALFORMED).detail(format!("not JSON: line {line}, column {column}"))
}

/// The path of member `name`, which the tracker has already entered where it is known or given twice.
fn member(path: String, name: &str) -> String {
    let last = format!("/{}", escape(name));
    if path.ends_with(&last) {
        path
    } else {
        path + &last
    }
}

fn quoted_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(start)?;
    // A member's name may itself hold a back-tick: take up to the last one before serde's own words.
    let end = rest
        .find("`, expected")
        .or_else(|| rest.find("`, there are no fields"))
        .or_else(|| rest.find('`'))?;
    rest.get(..end)
}

fn escape(name: &str) -> String {
    let short: String = name.chars().take(64).collect();
    short.replace('~', "~0").replace('/', "~1")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => format!("/{}", escape(key)),
            Segment::Unknown => String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "read only")]
        n: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        #[serde(default)]
        #[expect(dead_code, reason = "read only")]
        list: Vec<Inner>,
        #[serde(default)]
        #[expect(dead_code, reason = "read only")]
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    impl Validate for Body {
        fn validate(&self, errors: &mut FieldErrors) {
            errors.check(ud_kernel::check_line("/name", &self.name, 3));
        }
    }

    fn fails(json: &str) -> (Code, Vec<(String, String)>) {
        let problem = read::<Body>(json.as_bytes()).unwrap_err();
        let errors = problem.errors.into_iter();
        (problem.code, errors.map(|e| (e.pointer, e.code)).collect())
    }

    #[test]
    fn each_fault_has_its_code_and_pointer() {
        let one = |p: &str, c: &str| vec![(p.to_owned(), c.to_owned())];
        let invalid = Code::REQUEST_VALIDATION_FAILED;
        assert_eq!(fails("{"), (Code::REQUEST_MALFORMED, vec![]));
        assert_eq!(fails(""), (Code::REQUEST_MALFORMED, vec![]));
        assert_eq!(
            fails("{\"name\":\"a\"} x"),
            (Code::REQUEST_MALFORMED, vec![])
        );
        assert_eq!(fails("{}"), (invalid, one("/name", "field.missing")));
        assert_eq!(
            fails(r#"{"name":1}"#),
            (invalid, one("/name", "field.invalid"))
        );
        assert_eq!(
            fails(r#"{"name":"abcd"}"#),
            (invalid, one("/name", "field.too-long"))
        );
        assert_eq!(
            fails(r#"{"name":"a","x/y":1}"#),
            (invalid, one("/x~1y", "field.unknown"))
        );
        assert_eq!(
            fails(r#"{"name":"a","name":"b"}"#),
            (invalid, one("/name", "field.duplicate"))
        );
        assert_eq!(
            fails(r#"{"name":"a","list":[{"n":1},{"n":300}]}"#),
            (invalid, one("/list/1/n", "field.invalid"))
        );
        assert_eq!(
            fails(r#"{"name":"a","kind":17}"#),
            (invalid, one("/kind", "field.invalid"))
        );
        assert_eq!(
            fails(r#"{"name":"a","kind":"two"}"#),
            (invalid, one("/kind", "field.invalid"))
        );
        assert_eq!(fails("[]"), (invalid, one("", "field.invalid")));
        assert_eq!(fails(r#"["a"]"#), (invalid, one("", "field.invalid")));
        assert_eq!(fails("null"), (invalid, one("", "field.invalid")));
        assert_eq!(fails(&"[".repeat(1000)).0, Code::REQUEST_MALFORMED);
    }

    #[test]
    fn no_message_repeats_the_value() {
        let problem = read::<Body>(br#"{"name":{"secret":"hunter2"}}"#).unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"));
    }
}
