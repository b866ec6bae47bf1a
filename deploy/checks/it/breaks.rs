//! Pairs of documents: what breaks a client, and what does not.

use deployment::breaks::breaks;
use serde_json::{Value, json};

/// A document with one operation of each kind.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": {
            "/things": {
                "get": {
                    "parameters": [
                        {"name": "limit", "in": "query", "required": false, "schema": {"type": "integer", "maximum": 100}},
                        {"name": "state", "in": "query", "required": true, "schema": {"type": "string", "enum": ["a", "b"]}},
                    ],
                    "responses": {
                        "200": {
                            "headers": {"ETag": {"schema": {"type": "string"}}},
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                        },
                        "404": {"description": "not there"},
                    },
                },
                "post": {
                    "requestBody": {
                        "required": true,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}},
                    },
                    "responses": {"201": {"description": "made"}},
                    "security": [{"bearer": ["things:write"]}],
                },
            },
            "/things/{id}": {
                "delete": {
                    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {"204": {"description": "gone"}},
                },
            },
        },
        "components": {"schemas": {
            "Thing": {
                "type": "object",
                "required": ["id", "name", "parent"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "name": {"type": "string"},
                    "note": {"type": ["string", "null"]},
                    "state": {"type": "string", "enum": ["a", "b"]},
                    "parent": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Thing"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                },
            },
            "Part": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}},
            "NewThing": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 100},
                    "note": {"type": ["string", "null"]},
                    "size": {"type": "number", "minimum": 1},
                    "state": {"type": "string", "enum": ["a", "b"]},
                    "tags": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
                },
            },
        }},
    })
}

pub const GET: &str = "/paths/~1things/get";
const POST: &str = "/paths/~1things/post";
const DELETE: &str = "/paths/~1things~1{id}/delete";
const THING: &str = "/components/schemas/Thing";
const NEW: &str = "/components/schemas/NewThing";

/// Puts `value` at a pointer; `null` removes what is there.
pub fn changed(pointer: &str, value: Value) -> Value {
    let mut document = document();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).expect(pointer);
    let member = last.replace("~1", "/");
    match (parent, value) {
        (Value::Object(members), Value::Null) => {
            assert!(members.remove(&member).is_some(), "{pointer}")
        }
        (Value::Object(members), value) => drop(members.insert(member, value)),
        (Value::Array(list), Value::Null) => drop(list.remove(member.parse().unwrap())),
        (Value::Array(list), value) => list.push(value),
        _ => panic!("{pointer} is in no object or list"),
    }
    document
}

#[test]
fn each_break_is_found_and_named() {
    let new_query =
        json!({"name": "sort", "in": "query", "required": true, "schema": {"type": "string"}});
    let cases = [
        (
            "/paths/~1things~1{id}",
            json!(null),
            "path /things/{id} is gone",
        ),
        (GET, json!(null), "GET /things is gone"),
        (
            &format!("{GET}/parameters/0"),
            json!(null),
            "GET /things: parameter limit (query) is gone",
        ),
        (
            &format!("{GET}/parameters/-"),
            new_query,
            "GET /things: parameter sort (query) is new and required",
        ),
        (
            &format!("{GET}/parameters/0/required"),
            json!(true),
            "GET /things: parameter limit (query) is required now",
        ),
        (
            &format!("{GET}/parameters/0/schema/maximum"),
            json!(50),
            "GET /things: parameter limit (query): maximum is tighter",
        ),
        (
            &format!("{GET}/parameters/1/schema/enum"),
            json!(["a"]),
            "GET /things: parameter state (query): the value \"b\" is gone",
        ),
        (
            &format!("{GET}/responses/404"),
            json!(null),
            "GET /things: 404 is gone",
        ),
        (
            &format!("{GET}/responses/200/headers"),
            json!(null),
            "GET /things: 200: header ETag is gone",
        ),
        (
            &format!("{GET}/responses/200/content"),
            json!({"text/plain": {}}),
            "GET /things: 200: content application/json is gone",
        ),
        (
            &format!("{GET}/security"),
            json!([{"bearer": []}]),
            "GET /things: asks for more authorization",
        ),
        (
            &format!("{POST}/security"),
            json!([{"bearer": ["things:write", "things:admin"]}]),
            "POST /things: asks for more authorization",
        ),
        (
            "/security",
            json!([{"bearer": []}]),
            "GET /things: asks for more authorization",
        ),
        (
            &format!("{POST}/requestBody"),
            json!(null),
            "POST /things: takes no body any more",
        ),
        (
            &format!("{POST}/requestBody/content"),
            json!({"text/plain": {}}),
            "POST /things: a body of application/json is not taken any more",
        ),
        (
            &format!("{DELETE}/requestBody/required"),
            json!(true),
            "DELETE /things/{id}: a body is required now",
        ),
        (
            &format!("{THING}/properties/name"),
            json!(null),
            "Thing (received).name: is gone",
        ),
        (
            &format!("{THING}/properties/note"),
            json!(null),
            "Thing (received).note: is gone",
        ),
        (
            &format!("{THING}/required"),
            json!(["id", "parent"]),
            "Thing (received).name: may be missing now",
        ),
        (
            &format!("{THING}/properties/name/type"),
            json!(["string", "null"]),
            "Thing (received).name: may be null now",
        ),
        (
            &format!("{THING}/properties/name/type"),
            json!("integer"),
            "Thing (received).name: may be integer now",
        ),
        (
            &format!("{THING}/properties/name/type"),
            json!(null),
            "Thing (received).name: may be any type now",
        ),
        (
            &format!("{THING}/properties/id/format"),
            json!(null),
            "Thing (received).id: format has changed",
        ),
        (
            &format!("{THING}/properties/state/enum"),
            json!(["a"]),
            "Thing (received).state: the value \"b\" is gone",
        ),
        (
            &format!("{THING}/properties/parts/items"),
            json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Part"}]}),
            "Thing (received).parts[]: may be null now",
        ),
        (
            "/components/schemas/Part/properties/size",
            json!(null),
            "Part (received).size: is gone",
        ),
        (
            &format!("{NEW}/properties/note"),
            json!(null),
            "NewThing (sent).note: is gone",
        ),
        (
            &format!("{NEW}/required"),
            json!(["name", "size"]),
            "NewThing (sent).size: is required now",
        ),
        (
            &format!("{NEW}/properties/note/type"),
            json!("string"),
            "NewThing (sent).note: null is not taken any more",
        ),
        (
            &format!("{NEW}/properties/size/type"),
            json!("integer"),
            "NewThing (sent).size: number is not taken any more",
        ),
        (
            &format!("{NEW}/properties/size/minimum"),
            json!(2),
            "NewThing (sent).size: minimum is tighter",
        ),
        (
            &format!("{NEW}/properties/size/maximum"),
            json!(9),
            "NewThing (sent).size: maximum is tighter",
        ),
        (
            &format!("{NEW}/properties/name/maxLength"),
            json!(99),
            "NewThing (sent).name: maxLength is tighter",
        ),
        (
            &format!("{NEW}/properties/name/pattern"),
            json!("^a"),
            "NewThing (sent).name: pattern has changed",
        ),
        (
            &format!("{NEW}/properties/name/enum"),
            json!(["x"]),
            "NewThing (sent).name: takes certain values only now",
        ),
        (
            &format!("{NEW}/properties/state/enum"),
            json!(["b", "c"]),
            "NewThing (sent).state: the value \"a\" is gone",
        ),
        (
            &format!("{NEW}/additionalProperties"),
            json!(false),
            "NewThing (sent): takes no other members any more",
        ),
        (
            &format!("{NEW}/properties/tags/additionalProperties/type"),
            json!("string"),
            "NewThing (sent).tags.*: integer is not taken any more",
        ),
        (
            &format!("{NEW}/properties/size"),
            json!({"oneOf": [{"type": "number", "minimum": 1}, {"type": "string"}]}),
            "NewThing (sent).size: a choice between several schemas has come or gone",
        ),
    ];
    for (pointer, value, expected) in cases {
        let found = breaks(&document(), &changed(pointer, value));
        assert!(found.contains(expected), "{pointer}: {expected}: {found:?}");
    }
}

#[test]
fn additions_break_nothing() {
    let optional =
        json!({"name": "sort", "in": "query", "required": false, "schema": {"type": "string"}});
    let cases = [
        ("/paths/~1others", json!({"get": {"responses": {}}})),
        ("/paths/~1things/put", json!({"responses": {}})),
        (&format!("{GET}/parameters/-"), optional),
        (&format!("{GET}/parameters/0/schema/maximum"), json!(null)),
        (&format!("{GET}/parameters/1/required"), json!(false)),
        (
            &format!("{GET}/parameters/1/schema/enum"),
            json!(["a", "b", "c"]),
        ),
        (
            &format!("{GET}/responses/410"),
            json!({"description": "gone for good"}),
        ),
        (&format!("{GET}/description"), json!("another text")),
        (&format!("{POST}/requestBody/required"), json!(false)),
        (&format!("{POST}/security"), json!(null)),
        (
            &format!("{POST}/security"),
            json!([{"bearer": ["things:write"]}, {"key": []}]),
        ),
        (&format!("{POST}/security"), json!([{"bearer": []}])),
        (
            &format!("{THING}/properties/extra"),
            json!({"type": "string"}),
        ),
        (
            &format!("{THING}/required"),
            json!(["id", "name", "parent", "note"]),
        ),
        (&format!("{THING}/properties/note/type"), json!("string")),
        (
            &format!("{THING}/properties/state/enum"),
            json!(["a", "b", "c"]),
        ),
        (&format!("{THING}/properties/name/maxLength"), json!(5)),
        (
            &format!("{NEW}/properties/extra"),
            json!({"type": "string"}),
        ),
        (&format!("{NEW}/required"), json!([])),
        (
            &format!("{NEW}/properties/name/type"),
            json!(["string", "integer"]),
        ),
        (&format!("{NEW}/properties/name/maxLength"), json!(101)),
        (&format!("{NEW}/properties/name/minLength"), json!(0)),
        (&format!("{NEW}/properties/note/minLength"), json!(0)),
        (&format!("{NEW}/properties/state/enum"), json!(null)),
        (
            &format!("{NEW}/properties/tags/additionalProperties"),
            json!({}),
        ),
    ];
    for (pointer, value) in cases {
        let found = breaks(&document(), &changed(pointer, value));
        assert!(found.is_empty(), "{pointer}: {found:?}");
    }
    assert!(breaks(&document(), &document()).is_empty());
}

/// The same said in another way.
#[test]
fn what_means_the_same_breaks_nothing() {
    let text = document().to_string();
    let renamed: Value = serde_json::from_str(
        &text
            .replace("{id}", "{thing}")
            .replace("\"name\":\"id\"", "\"name\":\"thing\""),
    )
    .unwrap();
    assert!(
        breaks(&document(), &renamed).is_empty(),
        "a parameter of a path has another name"
    );

    let renamed: Value = serde_json::from_str(&text.replace("NewThing", "ThingToMake")).unwrap();
    assert!(
        breaks(&document(), &renamed).is_empty(),
        "a schema has another name"
    );

    let nullable = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    let other = changed(&format!("{THING}/properties/note"), nullable);
    assert!(
        breaks(&document(), &other).is_empty(),
        "null in another way"
    );

    let parts = json!({"allOf": [document().pointer(NEW).unwrap(), {"properties": {"more": {"type": "string"}}}]});
    assert!(
        breaks(&document(), &changed(NEW, parts)).is_empty(),
        "in two parts"
    );
}
