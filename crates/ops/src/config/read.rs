//! From the tree of a file to typed values: environment, defaults, ranges, unknown keys, secrets.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Config;
use super::fault::{Collector, Fault, nearest, quote};
use super::keys::{self, Absent, Key};
use super::secret::{MASK, Secret};
use super::sections::Visit;
use super::value::{Kind, Mode, Network, Setting, is_proxy};
use super::yaml::{Node, Place, Value};

/// Looks up a variable of the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Bytes that the file of a secret may have.
const SECRET_BYTES_MAX: u64 = 4096;
/// Sections with more keys than this are not listed in a fault.
const LISTED_MAX: usize = 8;

/// The visitor that fills in a configuration from a tree.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Node,
    pub(super) env: Env<'a>,
    /// The text was printed by `canonical_yaml`: secrets are masked and their files not here.
    pub(super) recorded: bool,
    pub(super) faults: Collector,
    /// Keys and sections that a misspelt one most likely meant, and sections found missing:
    /// they need no further fault.
    pub(super) meant: BTreeSet<String>,
    /// Keys that have a usable value, and where it comes from.
    pub(super) values: BTreeMap<&'static str, Seen>,
}

/// A usable value.
pub(super) struct Seen {
    /// Where the file gives it; `None` for a default.
    pub(super) at: Option<Place>,
    /// How a fault shows it.
    pub(super) shown: String,
}

/// What the file has at a path.
enum Found<'a> {
    Node(&'a Node),
    /// The key is absent: this part of its path is not in the file, and the section that should
    /// hold it starts here.
    Absent(&'static str, Place),
    /// A section on the way is not a section; that is a fault of its own.
    Blocked,
}

impl Visit for Reader<'_> {
    fn key(&mut self, path: &'static str, field: &mut dyn Setting) {
        let key = keys::find(path).expect("every bound key is in the table");
        match self.find(path) {
            Found::Blocked => {}
            Found::Node(node) => {
                if let Some(text) = self.text_of(key, field.kind(), node) {
                    self.accept(key, field, &text, Some(node));
                }
            }
            Found::Absent(part, at) => match key.absent {
                Absent::Nothing => {}
                Absent::Default(text) => self.accept(key, field, text, None),
                Absent::SameAs(other) => {
                    if let Some(text) = self.values.get(other).map(|seen| seen.shown.clone()) {
                        self.accept(key, field, &text, None);
                    }
                }
                Absent::Required if part == path => self.refuse_missing(key, field.kind(), at),
                Absent::Required => self.refuse_missing_section(part, at),
            },
        }
    }
}

impl<'a> Reader<'a> {
    fn find(&self, path: &'static str) -> Found<'a> {
        let (mut node, mut section) = (self.root, self.root.at);
        let mut read = 0;
        for name in path.split('.') {
            let end = read + name.len();
            match &node.value {
                Value::Mapping(_) => match node.entry(name) {
                    Some(entry) => (node, section) = (&entry.node, entry.at),
                    None => return Found::Absent(&path[..end], section),
                },
                Value::Scalar { .. } if node.is_empty() => {
                    return Found::Absent(&path[..read.saturating_sub(1)], section);
                }
                Value::Scalar { .. } | Value::List(_) => return Found::Blocked,
            }
            read = end + 1;
        }
        Found::Node(node)
    }

    fn refuse_missing(&mut self, key: &Key, kind: Kind, section: Place) {
        // A misspelt key has a fault that names this one.
        if !self.meant.contains(key.path) {
            self.faults
                .add(Some(section), key.path, "missing")
                .wanted(wanted(key, kind))
                .remedy(format!("add it: {}", lower_first(key.doc)));
        }
    }

    fn refuse_missing_section(&mut self, section: &'static str, at: Place) {
        if self.meant.insert(section.to_owned()) {
            let inside = |key: &&Key| {
                let rest = key.path.strip_prefix(section);
                key.absent == Absent::Required && rest.is_some_and(|rest| rest.starts_with('.'))
            };
            let names = keys::all().iter().filter(inside).map(|key| &key.path[section.len() + 1..]);
            let names = names.collect::<Vec<_>>().join(", ");
            self.faults
                .add(Some(at), section, "the section is missing or empty")
                .wanted(format!("the keys {names}"))
                .remedy("see configs/config.yaml");
        }
    }

    /// The text of a value with the environment filled in; `None` when absent or refused.
    fn text_of(&mut self, key: &Key, kind: Kind, node: &Node) -> Option<Zeroizing<String>> {
        let optional = key.absent == Absent::Nothing;
        match (&node.value, kind) {
            _ if node.is_empty() && optional => None,
            _ if node.is_empty() => {
                self.faults
                    .add(Some(node.at), key.path, "no value")
                    .wanted(wanted(key, kind))
                    .remedy("write a value or remove the line");
                None
            }
            (Value::List(items), Kind::Choices(words)) => self.words_of(key, words, items),
            // The command line knows no lists, so commas stand for one.
            (Value::Scalar { text, .. }, Kind::Choices(_)) if node.at.0 == 0 => Some(text.clone()),
            (Value::Scalar { text, .. }, kind) if !matches!(kind, Kind::Choices(_)) => {
                let text = self.expand(key, node.at, text)?;
                (!(text.is_empty() && optional)).then_some(text)
            }
            _ => {
                let remedy = match kind {
                    Kind::Choices(words) => format!("write [{}]", words[0]),
                    _ => String::from("check the indentation"),
                };
                self.faults
                    .add(Some(node.at), key.path, "wrong type")
                    .found(node.noun())
                    .wanted(wanted(key, kind))
                    .remedy(remedy);
                None
            }
        }
    }

    /// The items of a list of words, with commas between.
    fn words_of(&mut self, key: &Key, words: &[&str], items: &[Node]) -> Option<Zeroizing<String>> {
        let mut texts = Vec::new();
        let mut complete = true;
        for item in items {
            let text = match &item.value {
                Value::Scalar { text, .. } => self.expand(key, item.at, text),
                Value::List(_) | Value::Mapping(_) => Some(Zeroizing::new(item.noun().to_owned())),
            };
            let Some(text) = text else {
                complete = false;
                continue;
            };
            if words.contains(&text.as_str()) {
                texts.push(text.as_str().to_owned());
            } else {
                complete = false;
                let fault = self.faults.add(Some(item.at), key.path, "invalid item");
                fault.found(as_written(item, Kind::Text)).wanted(super::value::one_of(words));
                // A suggestion would tell what the environment holds.
                let own = !item.is_filled_in(&text);
                if let Some(word) = nearest(&text, words.iter().copied()).filter(|_| own) {
                    fault.remedy(format!("did you mean {word}?"));
                }
            }
        }
        complete.then(|| Zeroizing::new(texts.join(",")))
    }

    /// Fills in `${VAR}` and `${VAR:-default}`; `$${` stands for `${` itself.
    fn expand(&mut self, key: &Key, at: Place, text: &str) -> Option<Zeroizing<String>> {
        let mut out = Zeroizing::new(String::with_capacity(text.len()));
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, after) = (&rest[..start], &rest[start + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let inside = after.split_once('}');
            let parts = inside.map(|(inside, rest)| (inside.split_once(":-"), inside, rest));
            let (name, default) = match parts {
                Some((Some((name, default)), ..)) => (name, Some(default)),
                Some((None, name, _)) => (name, None),
                None => ("", None),
            };
            let nested = default.is_some_and(|default| default.contains("${"));
            if nested || !is_variable(name) {
                let problem = if nested { "a '${' inside a default" } else { "malformed '${'" };
                self.faults
                    .add(Some(at), key.path, problem)
                    .wanted("${NAME} or ${NAME:-default}")
                    .remedy("write $${ for a literal ${");
                return None;
            }
            let given = (self.env)(name).map(Zeroizing::new);
            match (given, default) {
                (Some(value), None) => out.push_str(&value),
                (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
                (_, Some(default)) => out.push_str(default),
                (None, None) => {
                    self.refuse_unset(key, at, name);
                    return None;
                }
            }
            rest = inside.map_or("", |(_, rest)| rest);
        }
        out.push_str(rest);
        Some(out)
    }

    fn refuse_unset(&mut self, key: &Key, at: Place, name: &str) {
        // Paper trading needs no keys, so nobody should have to set any.
        if key.path.starts_with("exchange.api_") && !self.needs_keys() {
            return;
        }
        let remedy = if keys::SECRETS.contains(&key.path) {
            format!("set {name}, or use {}_file instead", key.path)
        } else {
            format!("set {name}, or give a default as ${{{name}:-value}}")
        };
        let problem = format!("environment variable {name} is not set");
        self.faults.add(Some(at), key.path, problem).remedy(remedy);
    }

    /// Whether this is a configuration to trade real money with. An unreadable `mode` is not: its
    /// own fault is enough.
    fn needs_keys(&self) -> bool {
        let mode = self.values.get("mode").map(|seen| seen.shown.as_str());
        mode == Some(Mode::Live.as_str()) && !self.recorded
    }

    /// Puts `text` into the field if it is of the right kind and within its range.
    fn accept(&mut self, key: &Key, field: &mut dyn Setting, text: &str, node: Option<&Node>) {
        let kind = field.kind();
        let at = node.map(|node| node.at);
        let mut refuse = |problem: &str, hint: String| {
            let found = node.map_or_else(|| quote(text), |node| as_written(node, kind));
            // A hint may repeat a part of the value.
            let filled_in = node.is_some_and(|node| node.is_filled_in(text));
            let hint = if filled_in { String::from("check the variable") } else { hint };
            self.faults
                .add(at, key.path, problem)
                .found(found)
                .wanted(wanted(key, kind))
                .remedy(hint);
        };
        if let Err(hint) = field.read(text) {
            return refuse("invalid value", hint);
        }
        let outside = |bound: Option<keys::Bound>, beyond: Ordering| {
            bound.is_some_and(|bound| {
                let order = field.compare(bound.text).expect("bounds are of their key's type");
                order == beyond || (order == Ordering::Equal && !bound.included)
            })
        };
        if outside(key.range.low(), Ordering::Less) || outside(key.range.high(), Ordering::Greater)
        {
            return refuse("out of range", String::new());
        }
        let shown = field.show().unwrap_or_default();
        self.values.insert(key.path, Seen { at, shown });
    }

    /// Reports every entry of the file that is no key, and every section that is none.
    pub(super) fn refuse_unknown(&mut self) {
        self.refuse_unknown_in(self.root, "");
    }

    fn refuse_unknown_in(&mut self, node: &'a Node, section: &str) {
        let Value::Mapping(entries) = &node.value else { return };
        for entry in entries {
            let path = match section {
                "" => entry.name.clone(),
                _ => format!("{section}.{}", entry.name),
            };
            // A dotted name would look like the path of another key.
            let is_name = !entry.name.contains('.');
            if is_name && keys::find(&path).is_some() {
                continue;
            }
            if !is_name || keys::section_doc(&path).is_none() {
                self.refuse_unknown_entry(section, &entry.name, entry.at, path);
            } else if matches!(entry.node.value, Value::Mapping(_)) {
                self.refuse_unknown_in(&entry.node, &path);
            } else if !entry.node.is_empty() {
                let mut known = children(&path);
                known.truncate(3);
                let wanted = format!("keys such as {}", known.join(", "));
                self.faults
                    .add(Some(entry.node.at), path, "wrong type")
                    .found(entry.node.noun())
                    .wanted(wanted)
                    .remedy("indent the keys of the section below it");
            }
        }
    }

    /// Refuses a key that does not exist, and says which was most likely meant.
    fn refuse_unknown_entry(&mut self, section: &str, name: &str, at: Place, path: String) {
        let siblings = children(section);
        let sibling = nearest(name, siblings.iter().copied());
        let paths =
            || keys::all().iter().map(|key| key.path).chain(keys::SECTIONS.iter().map(|s| s.0));
        let leaf = |path: &&'static str| path.rsplit('.').next() == Some(name);
        let near = || nearest(name, keys::all().iter().map(Key::name));
        let elsewhere = || {
            let same = paths().find(leaf);
            same.or_else(|| near().and_then(|near| paths().find(|path| path.ends_with(near))))
        };
        let remedy = if name.contains('.') {
            String::from("write sections as indented blocks, not with dots")
        } else if let Some(sibling) = sibling {
            self.meant.insert(match section {
                "" => sibling.to_owned(),
                _ => format!("{section}.{sibling}"),
            });
            format!("did you mean {sibling}?")
        } else if let Some(path) = elsewhere() {
            format!("did you mean {path}?")
        } else if siblings.len() <= LISTED_MAX {
            format!("known here: {}", siblings.join(", "))
        } else {
            String::from("remove it; 'trader check --schema' lists every key")
        };
        self.faults.add(Some(at), path, "unknown key").remedy(remedy);
    }

    /// `testnet: true` is short for `network: testnet`.
    pub(super) fn settle_network(&mut self, config: &mut Config) {
        let exchange = &mut config.exchange;
        if let Some(seen) = self.values.get_mut("exchange.network")
            && exchange.testnet
            && seen.at.is_none()
        {
            exchange.network = Network::Testnet;
            seen.shown = Network::Testnet.to_string();
        }
    }

    /// Reads the `*_file` keys, and demands what live trading needs.
    pub(super) fn secrets(&mut self, config: &mut Config) {
        let exchange = &mut config.exchange;
        self.secret("exchange.api_key", &mut exchange.api_key, &exchange.api_key_file);
        self.secret("exchange.api_secret", &mut exchange.api_secret, &exchange.api_secret_file);
        self.secret("api.token", &mut config.api.token, &config.api.token_file);
        self.secret("store.url", &mut config.store.url, &config.store.url_file);
        self.database(config);
        let proxy = config.exchange.proxy.as_ref().map_or(MASK, Secret::expose);
        if proxy != MASK && !is_proxy(proxy) {
            let at = self.values.get("exchange.proxy").and_then(|seen| seen.at);
            self.faults
                .add(at, "exchange.proxy", "invalid value")
                .found(MASK)
                .wanted("http://HOST:PORT or socks5://HOST:PORT, USER:PASSWORD@ before the host");
        }
        if !self.needs_keys() {
            return;
        }
        let keys = [
            ("exchange.api_key", &config.exchange.api_key, &config.exchange.api_key_file),
            ("exchange.api_secret", &config.exchange.api_secret, &config.exchange.api_secret_file),
            ("exchange.proxy", &config.exchange.proxy, &None),
            ("api.token", &config.api.token, &config.api.token_file),
            ("store.url", &config.store.url, &config.store.url_file),
        ];
        for (path, secret, file) in keys {
            let at = self.values.get(path).and_then(|seen| seen.at);
            if secret.as_ref().is_some_and(|secret| secret.expose() == MASK) {
                self.faults
                    .add(at, path, "the mask of a printed configuration, not a secret")
                    .remedy("fill it in from the environment or a file");
            }
            if secret.is_none()
                && file.is_none()
                && path.starts_with("exchange.api_")
                && !self.faults.mentions(path)
            {
                self.faults
                    .add(Some(self.place_of(path)), path, "missing; live trading needs it")
                    .remedy(format!("give {path} or {path}_file, or set mode: paper"));
            }
        }
    }

    /// Only PostgreSQL is spoken.
    fn database(&mut self, config: &Config) {
        let Some(url) = config.store.url.as_ref().map(Secret::expose) else { return };
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        if url != MASK && !known {
            let at = ["store.url", "store.url_file"].map(|path| self.values.get(path));
            let at = at.into_iter().flatten().find_map(|seen| seen.at);
            self.faults
                .add(at, "store.url", "invalid value")
                .found(MASK)
                .wanted("postgres://USER:PASSWORD@HOST:PORT/DATABASE");
        }
    }

    fn secret(&mut self, path: &'static str, secret: &mut Option<Secret>, file: &Option<PathBuf>) {
        let Some(file) = file else { return };
        let file_key = format!("{path}_file");
        let at = self.values.get(file_key.as_str()).and_then(|seen| seen.at);
        if secret.is_some() {
            let line = self.place_of(path).0;
            self.faults
                .add(at, file_key, format!("both {path} (line {line}) and a file are given"))
                .remedy("remove one of them");
            return;
        }
        let needed = ["api.token", "store.url"].contains(&path);
        let wanted = if needed { !self.recorded } else { self.needs_keys() };
        if !wanted {
            return;
        }
        match read_secret(file) {
            Ok(text) => *secret = Some(Secret::from_file(&text)),
            Err(problem) => {
                self.faults
                    .add(at, file_key, format!("cannot use {}: {problem}", quote_path(file)))
                    .remedy("check the path and its permissions; the file holds the secret only");
            }
        }
    }

    /// Where the file gives `path`, or where its section starts.
    fn place_of(&self, path: &'static str) -> Place {
        match self.find(path) {
            Found::Node(node) => node.at,
            Found::Absent(_, section) => section,
            Found::Blocked => self.root.at,
        }
    }

    /// Adds a fault about two keys that contradict each other, unless one has a fault of its own.
    pub(super) fn clash(&mut self, key: &str, relation: &str, other: &str) -> Option<&mut Fault> {
        let (a, b) = (self.values.get(key)?, self.values.get(other)?);
        let place = |seen: &Seen| match seen.at {
            Some((0, _)) => String::from("--set"),
            Some((line, _)) => format!("line {line}"),
            None => String::from("the default"),
        };
        let problem = format!("{} {relation} {other} {} ({})", a.shown, b.shown, place(b));
        let at = a.at.or(b.at);
        let problem =
            if a.at.is_none() { format!("{problem}; {key} is the default") } else { problem };
        Some(self.faults.add(at, key, problem))
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A value as a fault shows it: never a secret, nor what the environment gave.
fn as_written(node: &Node, kind: Kind) -> String {
    match &node.value {
        _ if kind == Kind::Secret => MASK.to_owned(),
        Value::Scalar { text, .. } => quote(text),
        Value::List(items) if items.is_empty() => String::from("an empty list"),
        Value::List(_) | Value::Mapping(_) => node.noun().to_owned(),
    }
}

/// What a key takes, in words.
fn wanted(key: &Key, kind: Kind) -> String {
    let mut words = kind.wanted();
    match kind {
        Kind::Whole(max) if key.range.is_unlimited() => words += &format!(" from 0 to {max}"),
        _ if key.range.is_unlimited() => {}
        _ => words += &format!(", {}", key.range),
    }
    if !key.unit.is_empty() {
        words += &format!(" ({})", key.unit);
    }
    words
}

/// The names of the keys and sections within `section`.
fn children(section: &str) -> Vec<&'static str> {
    let keys = keys::all().iter().filter(|key| key.section() == section).map(Key::name);
    let sections = keys::SECTIONS.iter().filter_map(|(path, _)| match path.rsplit_once('.') {
        Some((outer, name)) => (outer == section).then_some(name),
        None => section.is_empty().then_some(*path),
    });
    keys.chain(sections).collect()
}

fn lower_first(sentence: &str) -> String {
    let mut chars = sentence.trim_end_matches('.').chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

fn quote_path(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let describe = |error: std::io::Error| error.to_string();
    // A pipe or device could block or never end.
    if !std::fs::metadata(path).map_err(describe)?.is_file() {
        return Err(String::from("not a regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(describe)?;
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(describe)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("more than {SECRET_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| String::from("not text"))?.trim();
    if text.is_empty() {
        return Err(String::from("it is empty"));
    }
    if let Some(key) = pem_body(text) {
        return Ok(key);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(String::from("it holds more than one line of printable ASCII without spaces"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// What is between the lines of a PEM file, such as an Ed25519 private key.
fn pem_body(text: &str) -> Option<Zeroizing<String>> {
    let mut lines = text.lines().map(str::trim);
    let is_private = lines.next()? == "-----BEGIN PRIVATE KEY-----";
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    for line in lines.filter(|line| !line.starts_with("-----")) {
        body.push_str(line);
    }
    (is_private && !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_graphic()))
        .then_some(body)
}
