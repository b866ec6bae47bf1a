//! The audit log as tests read it.

use std::time::Duration;

use end_to_end::{Answer, Platform, eventually};
use serde_json::Value;

/// A record comes through the outbox: at once, or by the second that the relay polls by.
const DELAY: Duration = Duration::from_secs(10);

/// What tests ask the log.
pub trait AuditLog {
    /// All records of this action on this target, as the administrator sees them.
    async fn records(&self, action: &str, target: &str) -> Vec<Value>;
    /// All records of this action (of all, if empty) by this actor; there is at least one within seconds.
    async fn records_by(&self, action: &str, actor: &str) -> Vec<Value>;
    /// The record of this action that the request wrote which `answer` answered.
    async fn record_of_request(&self, action: &str, answer: &Answer) -> Value;
    /// The record of this action on this target, which comes within seconds.
    async fn audited(&self, action: &str, target: &str) -> Value;
    /// The same, and it names who did it, from where, and by which request: the one `answer` answered.
    async fn audited_as(&self, action: &str, target: &str, actor: Option<&str>, answer: &Answer);
}

impl AuditLog for Platform {
    async fn records(&self, action: &str, target: &str) -> Vec<Value> {
        let mut records = Vec::new();
        let mut cursor = String::new();
        loop {
            let path =
                format!("/api/v1/audits?action={action}&target_id={target}&limit=100{cursor}");
            let page = self
                .client
                .get(&path)
                .bearer(&self.admin.access)
                .await
                .must(200);
            records.extend(page.items());
            match page.json().get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return records,
            }
        }
    }

    async fn records_by(&self, action: &str, actor: &str) -> Vec<Value> {
        let filter = if action.is_empty() {
            String::new()
        } else {
            format!("&action={action}")
        };
        let path = format!("/api/v1/audits?actor_id={actor}{filter}&limit=100");
        let what = format!("an audit record {action} by {actor}");
        eventually(DELAY, &what, || async {
            let page = self
                .client
                .get(&path)
                .bearer(&self.admin.access)
                .await
                .must(200);
            Some(page.items()).filter(|items| !items.is_empty())
        })
        .await
    }

    async fn record_of_request(&self, action: &str, answer: &Answer) -> Value {
        let request = answer.header("x-request-id").expect("every answer has one");
        let path = format!("/api/v1/audits?action={action}&limit=100");
        let what = format!("an audit record {action} of request {request}");
        eventually(DELAY, &what, || async {
            let page = self
                .client
                .get(&path)
                .bearer(&self.admin.access)
                .await
                .must(200);
            let is_it = |item: &Value| item["request_id"] == request.as_str();
            page.items().into_iter().find(is_it)
        })
        .await
    }

    async fn audited(&self, action: &str, target: &str) -> Value {
        let what = format!("an audit record {action} about {target}");
        eventually(DELAY, &what, || async {
            self.records(action, target).await.pop()
        })
        .await
    }

    async fn audited_as(&self, action: &str, target: &str, actor: Option<&str>, answer: &Answer) {
        let record = self.audited(action, target).await;
        assert_eq!(
            record.get("actor_id").and_then(Value::as_str),
            actor,
            "{record}"
        );
        let expected = if action == "login_failed" || action == "permission_denied" {
            "failure"
        } else {
            "success"
        };
        assert_eq!(record["outcome"], expected, "{record}");
        assert_eq!(record["target_id"], target, "{record}");
        assert!(record["target_type"].is_string(), "{record}");
        assert_eq!(record["ip"], "127.0.7.7", "{record}");
        let request = answer.header("x-request-id");
        assert_eq!(
            record["request_id"].as_str(),
            request.as_deref(),
            "{record}"
        );
        assert!(record["reported_by"].is_string(), "{record}");
    }
}
