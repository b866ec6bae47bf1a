//! A response, read whole.

use reqwest::{RequestBuilder, Response, header::HeaderMap};
use serde_json::Value;

/// A response, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body: JSON, otherwise the text of it; null if there is none.
    pub body: Value,
}

impl Answer {
    /// Sends `request`.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.expect("a response")).await
    }

    /// Reads `response`.
    ///
    /// # Panics
    /// If its body ends before its time.
    pub async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a whole body");
        let body = match serde_json::from_str(&text) {
            Ok(json) => json,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Self {
            status,
            headers,
            body,
        }
    }

    /// Returns a header field, if it is there.
    ///
    /// # Panics
    /// If it is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("text"))
    }

    /// Returns status and code, after looking whether it is a problem document (RFC 9457) with all that ours have.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    #[track_caller]
    pub fn problem(&self) -> (u16, &str) {
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        let code = self.body["code"].as_str().expect("a code");
        let uri = format!("urn:user-domain:problem:{code}");
        assert_eq!(self.body["type"], uri.as_str(), "{self:?}");
        for member in ["title", "instance", "request_id"] {
            assert!(self.body[member].is_string(), "{member}: {self:?}");
        }
        (self.status, code)
    }

    /// Asserts that it is the problem `code`.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(self.problem(), (status, code), "{:?}", self.body);
    }

    /// Returns the pointers of the members that are wrong, of a problem document.
    ///
    /// # Panics
    /// If one is no text.
    #[must_use]
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors
            .map(|error: &Value| error["pointer"].as_str().expect("a pointer"))
            .collect()
    }

    /// Returns the ids of a page's items.
    ///
    /// # Panics
    /// If it is no page.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().expect("a page");
        let id = |item| Value::get(item, "id").and_then(Value::as_str);
        items.iter().map(|item| id(item).expect("an id")).collect()
    }
}
