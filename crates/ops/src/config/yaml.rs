//! Text to a tree of nodes that know their place; the part of YAML a configuration needs, no more.
//!
//! Anchors, aliases, tags, several documents and tabs are refused: they make a file that reads
//! differently from what it means, or that grows without bound.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use zeroize::Zeroizing;

use super::fault::Collector;

/// Bytes that a configuration file may have.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// Mappings and lists inside each other.
const DEPTH_MAX: usize = 16;
/// Tabs reported one by one.
const TABS_MAX: usize = 10;

/// Line and column, both from 1.
pub(super) type Place = (u32, u32);

/// One value of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Value {
    /// Text as written, quotes removed. `plain` when it had none, so that `~` can mean nothing.
    Scalar {
        text: Zeroizing<String>,
        plain: bool,
    },
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One `key: value`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) at: Place,
    pub(super) node: Node,
}

impl Node {
    /// The entry `name` of a mapping.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.name == name),
            Value::Scalar { .. } | Value::List(_) => None,
        }
    }

    /// Puts `text` at `path`, in place of what the file says there. Its place is line 0, the
    /// command line.
    pub(super) fn set(&mut self, path: &str, text: &str) {
        let at = (0, 0);
        let mut node = self;
        for name in path.split('.') {
            if !matches!(node.value, Value::Mapping(_)) {
                node.value = Value::Mapping(Vec::new());
            }
            let Value::Mapping(entries) = &mut node.value else { unreachable!("made a mapping") };
            let known = entries.iter().position(|entry| entry.name == name);
            let index = known.unwrap_or_else(|| {
                let node = Node { at, value: Value::Mapping(Vec::new()) };
                entries.push(Entry { name: name.to_owned(), at, node });
                entries.len() - 1
            });
            node = &mut entries[index].node;
        }
        *node = Node { at, value: scalar(text, true) };
    }

    /// Nothing is written: `key:`, `key: ~`, `key: null`.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// Whether `text` is not what the file says but what came of it.
    pub(super) fn is_filled_in(&self, text: &str) -> bool {
        matches!(&self.value, Value::Scalar { text: written, .. } if written.as_str() != text)
    }

    /// What kind of thing it is, for a fault that must not repeat it.
    pub(super) fn noun(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_empty() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a section of keys",
        }
    }
}

/// Reads `bytes`; `None` when the root is not a usable mapping. Every flaw goes to `faults`.
pub(super) fn parse(bytes: &[u8], faults: &mut Collector) -> Option<Node> {
    let text = text_of(bytes, faults)?;
    if !refuse_tabs_and_controls(text, faults) {
        return None;
    }
    let mut tree = Tree { faults, open: Vec::new(), root: None, documents: 0 };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let go_on = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => {
                let mut info = error.info().trim_end_matches('.').to_owned();
                info.truncate(info.char_indices().nth(120).map_or(info.len(), |(i, _)| i));
                let at = place(*error.marker());
                let path = if tree.key_line() == Some(at.0) { tree.path() } else { String::new() };
                tree.faults
                    .add(Some(at), path, format!("not valid YAML: {info}"))
                    .remedy("check indentation, quotes and brackets at or above this line");
                return None;
            }
        };
        if !go_on {
            return None;
        }
    }
    let root = tree.root.take();
    match root {
        Some(root) if matches!(root.value, Value::Mapping(_)) => Some(root),
        Some(root) if !root.is_empty() => {
            faults
                .add(Some(root.at), "", "the file is not a mapping of sections")
                .found(root.noun())
                .wanted("sections such as 'strategy:' and 'risk:'")
                .remedy("see configs/config.yaml");
            None
        }
        Some(_) | None => {
            empty_file(faults);
            None
        }
    }
}

fn empty_file(faults: &mut Collector) {
    faults
        .add(None, "", "the file holds no configuration")
        .wanted("at least the sections 'strategy:' and 'risk:'")
        .remedy("start from configs/config.yaml");
}

fn text_of<'a>(bytes: &'a [u8], faults: &mut Collector) -> Option<&'a str> {
    if bytes.len() > BYTES_MAX {
        faults
            .add(None, "", "the file is too large")
            .found(format!("{} bytes", bytes.len()))
            .wanted(format!("at most {BYTES_MAX} bytes"))
            .remedy("is this the right file?");
        return None;
    }
    // Some editors open a file with a byte-order mark; it says nothing.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            faults
                .add(Some(end_of(before)), "", "not a UTF-8 text file")
                .found(format!("byte 0x{:02x}", bytes[error.valid_up_to()]))
                .remedy("is this the right file? if so, save it as UTF-8");
            None
        }
    }
}

/// The place that follows `before`.
fn end_of(before: &[u8]) -> Place {
    let lines = before.iter().filter(|&&byte| byte == b'\n').count();
    let last = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |index| index + 1);
    let column = String::from_utf8_lossy(&before[last..]).chars().count();
    (count(lines + 1), count(column + 1))
}

fn refuse_tabs_and_controls(text: &str, faults: &mut Collector) -> bool {
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if let Some((index, c)) = text.char_indices().find(|&(_, c)| is_control(c)) {
        faults
            .add(Some(end_of(&text.as_bytes()[..index])), "", "a control character: not text")
            .found(format!("U+{:04X}", u32::from(c)))
            .remedy("is this the right file? if so, remove the character");
        return false;
    }
    let tabbed = text.lines().enumerate().filter_map(|(index, line)| {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        line[spaces..].starts_with('\t').then_some((count(index + 1), count(spaces + 1)))
    });
    for at in tabbed.take(TABS_MAX) {
        faults.add(Some(at), "", "a tab in the indentation").remedy("indent with spaces");
    }
    faults.is_empty()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn place(marker: Marker) -> Place {
    (count(marker.line().max(1)), count(marker.col() + 1))
}

/// A mapping or list whose end has not been seen.
enum Open {
    Mapping {
        at: Place,
        entries: Vec<Entry>,
        /// Lines of the keys so far, to find the second of two.
        lines: BTreeMap<String, u32>,
        /// The key whose value comes next; without a name when it was not text.
        pending: Option<(Option<String>, Place)>,
    },
    List {
        at: Place,
        items: Vec<Node>,
    },
}

struct Tree<'f> {
    faults: &'f mut Collector,
    open: Vec<Open>,
    root: Option<Node>,
    documents: u32,
}

impl Tree<'_> {
    /// Absorbs one event; `false` when reading on makes no sense.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let at = place(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => true,
            Event::DocumentStart(_) => self.start_document(at),
            Event::Alias(_) => {
                self.flaw(at, "aliases ('*name') are not supported").remedy("write the value out");
                self.attach(Node { at, value: scalar("", true) });
                true
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_decorations(at, anchor, tag.is_some());
                self.attach(Node { at, value: scalar(&text, style == ScalarStyle::Plain) });
                true
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_decorations(at, anchor, tag.is_some());
                self.push(Open::List { at, items: Vec::new() }, at)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_decorations(at, anchor, tag.is_some());
                let (entries, lines) = (Vec::new(), BTreeMap::new());
                self.push(Open::Mapping { at, entries, lines, pending: None }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some(Open::List { at, items }) => {
                        self.attach(Node { at, value: Value::List(items) });
                    }
                    Some(Open::Mapping { at, entries, .. }) => {
                        self.attach(Node { at, value: Value::Mapping(entries) });
                    }
                    None => {}
                }
                true
            }
        }
    }

    fn start_document(&mut self, at: Place) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            self.flaw(at, "a second document").wanted("one document").remedy("remove the '---'");
        }
        self.documents == 1
    }

    fn refuse_decorations(&mut self, at: Place, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.flaw(at, "anchors ('&name') are not supported").remedy("remove the anchor");
        }
        if tagged {
            self.flaw(at, "tags ('!name') are not supported").remedy("remove the tag");
        }
    }

    fn push(&mut self, open: Open, at: Place) -> bool {
        if self.open.len() == DEPTH_MAX {
            let wanted = format!("at most {DEPTH_MAX} levels");
            self.flaw(at, "nested too deeply").wanted(wanted).remedy("no key lies this deep");
            return false;
        }
        self.open.push(open);
        true
    }

    /// Puts a complete node where it belongs: next key, value of the last key, item or root.
    fn attach(&mut self, node: Node) {
        let path = self.path();
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, lines, pending, .. }) => match pending.take() {
                None => {
                    let name = match node.value {
                        Value::Scalar { text, .. } => Some((*text).clone()),
                        Value::List(_) | Value::Mapping(_) => None,
                    };
                    if name.is_none() {
                        self.faults
                            .add(Some(node.at), path, "a key that is not text")
                            .remedy("quote the value if it contains brackets or '?'");
                    }
                    *pending = Some((name, node.at));
                }
                Some((None, _)) => {}
                Some((Some(name), at)) => match lines.get(&name) {
                    Some(first) => {
                        let (problem, remedy) = if *first == at.0 {
                            (String::from("given twice on one line"), String::from("keep one"))
                        } else {
                            let remedy = format!("keep line {first} or line {}", at.0);
                            (format!("given twice, first on line {first}"), remedy)
                        };
                        self.faults.add(Some(at), path, problem).remedy(remedy);
                    }
                    None => {
                        lines.insert(name.clone(), at.0);
                        entries.push(Entry { name, at, node });
                    }
                },
            },
        }
    }

    fn flaw(&mut self, at: Place, problem: impl Into<String>) -> &mut super::Fault {
        let path = self.path();
        self.faults.add(Some(at), path, problem)
    }

    /// The line of the key that is being read.
    fn key_line(&self) -> Option<u32> {
        match self.open.last()? {
            Open::Mapping { pending, .. } => pending.as_ref().map(|(_, at)| at.0),
            Open::List { .. } => None,
        }
    }

    /// The key that is being read, as `section.key`.
    fn path(&self) -> String {
        let names = self.open.iter().filter_map(|open| match open {
            Open::Mapping { pending: Some((Some(name), _)), .. } => Some(name.as_str()),
            Open::Mapping { .. } | Open::List { .. } => None,
        });
        names.collect::<Vec<_>>().join(".")
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    Value::Scalar { text: Zeroizing::new(text.to_owned()), plain }
}
