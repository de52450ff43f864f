//! The table of keys as a JSON Schema, for editors and other programs.

use serde_json::{Map, Value, json};

use super::Config;
use super::keys::{self, Absent, Key, Reload};
use super::sections::{Visit, bind};
use super::value::{Kind, Setting};

/// A key with the kind of value it takes, for documents.
#[derive(Clone, Copy, Debug)]
pub struct Documented {
    /// The key.
    pub key: &'static Key,
    /// How its value is written.
    pub kind: Kind,
}

struct Kinds(Vec<Documented>);

impl Visit for Kinds {
    fn key(&mut self, path: &'static str, field: &mut dyn Setting) {
        let key = keys::find(path).expect("every bound key is in the table");
        self.0.push(Documented { key, kind: field.kind() });
    }
}

/// Every key with its kind, in the order of the table.
pub fn documented() -> Vec<Documented> {
    let mut kinds = Kinds(Vec::new());
    bind(&mut Config::blank(), &mut kinds);
    kinds.0
}

/// The JSON Schema (2020-12) of a configuration file.
pub fn json_schema() -> Value {
    let mut root = section("", "Configuration of the market maker.");
    for (path, doc) in keys::SECTIONS {
        insert(&mut root, path, section(path, doc));
    }
    for Documented { key, kind } in documented() {
        insert(&mut root, key.path, leaf(key, kind));
    }
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!("trader configuration"));
    schema.append(root.as_object_mut().expect("a section is an object"));
    let environment = json!({
        "type": "string",
        "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}",
        "description": "Taken from the environment: ${NAME} or ${NAME:-default}.",
    });
    schema.insert("$defs".into(), json!({ "environment": environment }));
    Value::Object(schema)
}

/// An empty section; it names its required keys, and the sections that have some.
fn section(path: &str, doc: &str) -> Value {
    let inside = |inner: &str| path.is_empty() || inner.starts_with(&format!("{path}."));
    let mut required: Vec<&str> = Vec::new();
    for key in keys::all() {
        if key.absent == Absent::Required && inside(key.path) {
            let skipped = if path.is_empty() { 0 } else { path.len() + 1 };
            let name = key.path[skipped..].split('.').next().unwrap_or_default();
            if !required.contains(&name) {
                required.push(name);
            }
        }
    }
    json!({
        "description": doc,
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": {},
    })
}

fn insert(root: &mut Value, path: &str, value: Value) {
    let mut node = root;
    let (outer, name) = path.rsplit_once('.').unwrap_or(("", path));
    for section in outer.split('.').filter(|section| !section.is_empty()) {
        node = &mut node["properties"][section];
    }
    node["properties"][name] = value;
}

fn leaf(key: &Key, kind: Kind) -> Value {
    let mut out = Map::new();
    out.insert("description".into(), json!(key.doc));
    let mut plain = match kind {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Whole(max) => json!({ "type": "integer", "minimum": 0, "maximum": max }),
        Kind::Fraction | Kind::Decimal => json!({ "type": "number" }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Kind::Text
        | Kind::Name
        | Kind::Path
        | Kind::Address
        | Kind::Url
        | Kind::Arm
        | Kind::Secret => {
            json!({ "type": "string" })
        }
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Choices(words) => json!({
            "type": "array", "items": { "enum": words }, "minItems": 1, "uniqueItems": true,
        }),
    };
    if matches!(kind, Kind::Whole(_) | Kind::Fraction | Kind::Decimal) {
        limits(key, &mut plain);
    }
    match kind {
        // A text may hold a reference to the environment anyway, and a list cannot.
        Kind::Text
        | Kind::Name
        | Kind::Path
        | Kind::Address
        | Kind::Url
        | Kind::Arm
        | Kind::Secret
        | Kind::Choices(_) => {
            out.append(plain.as_object_mut().expect("an object"));
        }
        Kind::Flag
        | Kind::Whole(_)
        | Kind::Fraction
        | Kind::Decimal
        | Kind::Duration
        | Kind::Choice(_) => {
            let environment = json!({ "$ref": "#/$defs/environment" });
            out.insert("anyOf".into(), json!([plain, environment]));
        }
    }
    match key.absent {
        Absent::Default(text) => {
            out.insert("default".into(), default(kind, text));
        }
        Absent::SameAs(other) => {
            out.insert("x-default-same-as".into(), json!(other));
        }
        Absent::Required | Absent::Nothing => {}
    }
    if !key.range.is_unlimited() {
        out.insert("x-range".into(), json!(key.range.to_string()));
    }
    if !key.unit.is_empty() {
        out.insert("x-unit".into(), json!(key.unit));
    }
    if kind == Kind::Secret {
        out.insert("writeOnly".into(), json!(true));
    }
    out.insert("x-reload".into(), json!(key.reload == Reload::Live));
    Value::Object(out)
}

fn limits(key: &Key, plain: &mut Value) {
    let ends = [
        (key.range.low(), "minimum", "exclusiveMinimum"),
        (key.range.high(), "maximum", "exclusiveMaximum"),
    ];
    for (bound, included, excluded) in ends {
        if let Some(bound) = bound {
            let name = if bound.included { included } else { excluded };
            plain[name] = number(bound.text);
        }
    }
}

fn default(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Flag => json!(text == "true"),
        Kind::Whole(_) | Kind::Fraction | Kind::Decimal => number(text),
        Kind::Choices(_) => json!(text.split(',').collect::<Vec<_>>()),
        Kind::Duration
        | Kind::Text
        | Kind::Name
        | Kind::Path
        | Kind::Address
        | Kind::Url
        | Kind::Arm
        | Kind::Choice(_)
        | Kind::Secret => json!(text),
    }
}

/// A number of the table, whose texts are all JSON numbers.
fn number(text: &str) -> Value {
    serde_json::from_str(text).expect("numbers of the table are JSON numbers")
}
