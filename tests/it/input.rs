//! Bad input to every operation: a problem document with the right 4xx, never a 5xx, and nothing stored.

use end_to_end::{Answer, Kind, Platform, unique};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::Code;

use crate::{
    input_cases::{Case, cases},
    openapi::operations,
};

/// Everything that could have been stored.
async fn stored(platform: &Platform) -> Vec<Value> {
    let mut stored = Vec::new();
    for path in [
        "/api/v1/users?limit=100",
        "/api/v1/roles?limit=100",
        "/api/v1/role-assignments?limit=100",
        "/api/v1/audits?action=never_written",
    ] {
        let answer = platform
            .client
            .get(path)
            .bearer(&platform.admin.access)
            .await;
        stored.push(answer.must(200).json());
    }
    stored
}

/// A problem of the client's, and not by chance one of the server's.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
}

/// A platform with a user to be changed and a role to be changed.
async fn prepare(kind: Kind) -> (Platform, String, String) {
    let platform = Platform::start(kind).await;
    let person = platform.client.newcomer().await;
    let name = format!("input-{}", unique());
    let body = json!({"name": name, "permissions": ["orders:read"]});
    let role = platform
        .client
        .post("/api/v1/roles")
        .bearer(&platform.admin.access)
        .json(&body)
        .await;
    let role = role.must(201).text("id");
    (platform, person.id, role)
}

#[rstest]
#[tokio::test]
async fn bad_bodies(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let (platform, subject, role) = prepare(kind).await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let cases = cases(&subject, &role);
    let documented = operations(&platform).await;
    for operation in documented.iter().filter(|o| o.has_body) {
        let is_covered = cases.iter().any(|case| {
            let path = case.path.replace(&subject, "{id}").replace(&role, "{id}");
            case.method == operation.method && path == operation.path
        });
        assert!(is_covered, "no case for {operation:?}");
    }
    let before = stored(&platform).await;
    for case in &cases {
        let kind = if case.method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        // Not JSON, not the right JSON.
        for text in [
            "{\"a\":",
            "{",
            "nonsense",
            "{\"a\": 1,}",
            "{'a': 1}",
            "[1, 2",
            "\u{feff}{}",
            "{} {}",
        ] {
            let answer = case.call(client, admin).body(kind, text).await;
            // A member nobody knows may be noticed before the end of the text is.
            assert!(matches!(answer.status, 400 | 422), "{text}: {answer:?}");
        }
        let deep = "[".repeat(20_000);
        for bytes in [
            b"\xff\xfe{}".as_slice(),
            b"{\"a\": \"\xc3\x28\"}",
            deep.as_bytes(),
        ] {
            let answer = case.call(client, admin).body(kind, bytes).await;
            refused(&answer, "bytes");
            assert!(matches!(answer.status, 400 | 422), "{answer:?}");
        }
        for text in ["[]", "\"text\"", "17", "true"] {
            let answer = case.call(client, admin).body(kind, text).await;
            assert!(matches!(answer.status, 400 | 422), "{text}: {answer:?}");
        }
        // Of another type, or of none.
        let good = case.body.to_string();
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "",
        ] {
            let answer = case.call(client, admin).body(other, good.as_bytes()).await;
            answer.must_be(Code::REQUEST_UNSUPPORTED_MEDIA_TYPE);
        }
        // Too large, whatever it says.
        let large = format!("{{\"x\": \"{}\"}}", "x".repeat(64 * 1024));
        let answer = case.call(client, admin).body(kind, large).await;
        answer.must_be(Code::REQUEST_BODY_TOO_LARGE);
        // A member nobody knows, and one given twice.
        let mut body = case.body.clone();
        body["surprise"] = json!(1);
        let answer = case.call(client, admin).json(&body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.pointers(), ["/surprise"]);
        let (name, value) = case.body.as_object().unwrap().iter().next().unwrap();
        let twice = format!("{{\"{name}\": {value}, {}", &good[1..]);
        let answer = case.call(client, admin).body(kind, twice).await;
        assert!(matches!(answer.status, 400 | 422), "{answer:?}");
    }
    assert_eq!(stored(&platform).await, before);
}

#[rstest]
#[tokio::test]
async fn bad_members(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let (platform, subject, role) = prepare(kind).await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let before = stored(&platform).await;
    for case in cases(&subject, &role) {
        let send = async |name: &str, value: &Value| {
            let mut body = case.body.clone();
            body[name] = value.clone();
            case.call(client, admin).json(&body).await
        };
        for (name, good) in case.body.as_object().unwrap() {
            // Of the wrong type.
            for wrong in [
                json!(17),
                json!(true),
                json!("text"),
                json!(["x", 1]),
                json!({"a": 1}),
                json!(1e300),
            ] {
                if std::mem::discriminant(&wrong) == std::mem::discriminant(good) {
                    continue;
                }
                let answer = send(name, &wrong).await;
                let what = format!("{} {} {name}: {wrong}", case.method, case.path);
                assert_eq!(answer.status, 422, "{what}: {answer:?}");
                let pointers = answer.pointers();
                let is_named = pointers
                    .iter()
                    .any(|pointer| pointer.starts_with(&format!("/{name}")));
                assert!(is_named, "{what}: {answer:?}");
            }
            if !good.is_string() {
                continue;
            }
            // Over-long, or with characters that break lines, logs and databases.
            let is_opaque = case.opaque.contains(&name.as_str());
            // The longest text member, a role's description, may have 500.
            for length in [501, 3_000, 30_000] {
                let answer = send(name, &json!("x".repeat(length))).await;
                refused(&answer, &format!("{} {name} of {length}", case.path));
            }
            for text in [
                "a\u{0}b",
                "a\u{7}b",
                "a\nb",
                "a\r\nX-Evil: 1",
                "\u{1b}[31mred",
                "\u{202e}x",
                "",
            ] {
                let may_pass = match (text, case.path.as_str(), name.as_str()) {
                    // Formatting characters are no control characters (U+202E is of category Cf), and some
                    // texts may be empty.
                    ("\u{202e}x" | "", ..) => true,
                    // A description may have lines.
                    ("a\nb", path, "description") => path.starts_with("/api/v1/roles"),
                    _ => false,
                };
                let answer = send(name, &json!(text)).await;
                assert!(answer.status < 500, "{answer:?}");
                if !may_pass {
                    refused(&answer, &format!("{} {name} {text:?}", case.path));
                    assert!(
                        is_opaque || answer.status == 422,
                        "{name} {text:?}: {answer:?}"
                    );
                }
                undo(&platform, &case, &subject, &role, &answer).await;
            }
        }
    }
    assert_eq!(stored(&platform).await[1], before[1]);
}

/// What was taken all the same (an empty name, a right-to-left mark) is taken back.
async fn undo(platform: &Platform, case: &Case, subject: &str, role: &str, answer: &Answer) {
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    if answer.status == 201 && case.path == "/api/v1/roles" {
        let path = format!("/api/v1/roles/{}", answer.text("id"));
        let _ = client.delete(&path).bearer(admin).await.must(204);
    }
    if answer.status == 200 && case.method == "PATCH" {
        let (path, body) = if case.path.starts_with("/api/v1/users") {
            let body =
                json!({"given_name": null, "family_name": null, "locale": null, "timezone": null});
            (format!("/api/v1/users/{subject}"), body)
        } else {
            let body = json!({"description": null, "permissions": ["orders:read"]});
            (format!("/api/v1/roles/{role}"), body)
        };
        let _ = client
            .patch(&path)
            .bearer(admin)
            .json(&body)
            .await
            .must(200);
    }
}

#[rstest]
#[tokio::test]
async fn bad_ids_and_parameters(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let long = "a".repeat(2_000);
    for operation in operations(&platform).await {
        if !operation.path.contains("{id}") {
            continue;
        }
        for id in [
            "not-an-id",
            "0",
            "-1",
            "%7B0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b%7D",
            "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b",
            "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b%20",
            "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5",
            "%F0%9F%A6%80",
            "%0a",
            "'%20OR%201=1--",
            &long,
        ] {
            let path = crate::openapi::fill(&operation.path, id);
            let call = client.call(&operation.method, &path).bearer(admin);
            let call = if operation.has_body {
                call.json(&json!({}))
            } else {
                call
            };
            let answer = call.await;
            assert!(
                matches!(answer.status, 400 | 404),
                "{operation:?} {id}: {answer:?}"
            );
        }
    }
    let lists = [
        "/api/v1/users",
        "/api/v1/roles",
        "/api/v1/role-assignments",
        "/api/v1/sessions",
        "/api/v1/audits",
    ];
    for list in lists {
        for query in [
            "limit=0",
            "limit=-1",
            "limit=x",
            "limit=99999",
            "limit=1.5",
            "unknown=1",
            "limit=5&limit=6",
        ] {
            let answer = client.get(&format!("{list}?{query}")).bearer(admin).await;
            answer.must_be(Code::REQUEST_INVALID_PARAMETER);
        }
        for cursor in [
            "x",
            "rubbish",
            "eyJhIjoxfQ",
            "%00",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &long,
        ] {
            let answer = client
                .get(&format!("{list}?cursor={cursor}"))
                .bearer(admin)
                .await;
            assert_eq!(answer.status, 400, "{list} {cursor}: {answer:?}");
        }
    }
    for path in [
        "/api/v1/users?status=pending",
        "/api/v1/users?status=x",
        "/api/v1/role-assignments?user_id=x",
        "/api/v1/role-assignments?role_id=x",
        "/api/v1/sessions?user_id=x",
        "/api/v1/audits?actor_id=x",
        "/api/v1/audits?from=yesterday",
        "/api/v1/audits?to=2020-13-01T00:00:00Z",
    ] {
        client
            .get(path)
            .bearer(admin)
            .await
            .must_be(Code::REQUEST_INVALID_PARAMETER);
    }
    for path in [
        "/api/v1/sessions",
        "/api/v1/sessions?scope=x",
        "/api/v1/sessions?scope=all&scope=all",
    ] {
        client
            .delete(path)
            .bearer(admin)
            .await
            .must_be(Code::REQUEST_INVALID_PARAMETER);
    }
    // One list's cursor is no other's.
    for _ in 0..3 {
        let _ = client.newcomer_in().await;
    }
    let cursor = client
        .get("/api/v1/users?limit=1")
        .bearer(admin)
        .await
        .must(200)
        .text("next_cursor");
    for list in ["/api/v1/roles", "/api/v1/audits"] {
        let answer = client
            .get(&format!("{list}?cursor={cursor}"))
            .bearer(admin)
            .await;
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    }
    for value in ["\"", "3", "W/", "*, *, x"] {
        let path = format!("/api/v1/users/{}", platform.chief.id);
        let call = client.patch(&path).bearer(admin).header("if-match", value);
        let answer = call.json(&json!({"given_name": "X"})).await;
        assert!(matches!(answer.status, 400 | 412), "{value}: {answer:?}");
    }
}
