//! From a checked configuration back to text.

use super::keys::{self, Key};
use super::secret::{MASK, Secret};
use super::sections::{Visit, bind};
use super::value::{Kind, Setting};
use super::{Change, Config};

/// Every key with its text.
struct Values(Vec<(&'static Key, Kind, Option<String>)>);

impl Visit for Values {
    fn key(&mut self, path: &'static str, field: &mut dyn Setting) {
        let key = keys::find(path).expect("every bound key is in the table");
        self.0.push((key, field.kind(), field.show()));
    }
}

fn values(config: &Config) -> Vec<(&'static Key, Kind, Option<String>)> {
    let mut values = Values(Vec::new());
    // The binding is made for filling in; a copy keeps printing read-only.
    bind(&mut config.clone(), &mut values);
    values.0
}

/// The configuration as a file.
pub(super) fn yaml(config: &Config) -> String {
    let mut out = String::new();
    let mut section: Vec<&str> = Vec::new();
    for (key, kind, text) in values(config) {
        let Some(text) = text else { continue };
        let names: Vec<&str> = key.path.split('.').collect();
        let (name, outer) = names.split_last().expect("a path has a name");
        let shared = section.iter().zip(outer).take_while(|(a, b)| a == b).count();
        for (depth, name) in outer.iter().enumerate().skip(shared) {
            out += &format!("{}{name}:\n", "  ".repeat(depth));
        }
        section = outer.to_vec();
        out += &format!("{}{name}: {}\n", "  ".repeat(outer.len()), scalar(kind, &text));
    }
    out
}

/// A value such that reading it gives the same value, whatever it contains.
fn scalar(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Text
        | Kind::Name
        | Kind::Path
        | Kind::Address
        | Kind::Url
        | Kind::Arm
        | Kind::Secret => {
            let literal = text.replace("${", "$${");
            serde_json::Value::from(literal).to_string()
        }
        Kind::Choices(_) => format!("[{}]", text.replace(',', ", ")),
        Kind::Flag | Kind::Whole(_) | Kind::Fraction | Kind::Decimal | Kind::Duration => {
            text.to_owned()
        }
        Kind::Choice(_) => text.to_owned(),
    }
}

/// The keys whose values differ.
pub(super) fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let pairs = values(old).into_iter().zip(values(new));
    let mut changes: Vec<Change> = pairs
        .filter(|((.., from), (.., to))| from != to)
        .map(|((key, _, from), (.., to))| Change {
            key,
            from: from.unwrap_or_default(),
            to: to.unwrap_or_default(),
        })
        .collect();
    // Two secrets print alike.
    let secrets: [(&str, &Option<Secret>, &Option<Secret>); 5] = [
        ("exchange.api_key", &old.exchange.api_key, &new.exchange.api_key),
        ("exchange.api_secret", &old.exchange.api_secret, &new.exchange.api_secret),
        ("exchange.proxy", &old.exchange.proxy, &new.exchange.proxy),
        ("api.token", &old.api.token, &new.api.token),
        ("store.url", &old.store.url, &new.store.url),
    ];
    for (path, from, to) in secrets {
        if from != to && !changes.iter().any(|change| change.key.path == path) {
            let mask = |secret: &Option<Secret>| secret.as_ref().map_or("", |_| MASK).to_owned();
            let key = keys::find(path).expect("secrets are in the table");
            changes.push(Change { key, from: mask(from), to: mask(to) });
        }
    }
    let order = |change: &Change| keys::all().iter().position(|key| key.path == change.key.path);
    changes.sort_by_key(order);
    changes
}
