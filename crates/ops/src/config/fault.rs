//! What is wrong with a configuration file: all of it, in one run, ordered by line.

use std::fmt;

use serde::Serialize;

use super::keys::SECRETS;

/// The most faults one report prints; a file with more is not a configuration file.
const FAULTS_MAX: usize = 100;
/// The longest piece of the file that a fault repeats.
const QUOTE_MAX: usize = 60;

/// One thing wrong with a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as the operator named it.
    pub file: String,
    /// Line, from 1; `None` for a fault of the file as a whole or of the command line.
    pub line: Option<u32>,
    /// Column, from 1; `None` where there is no line.
    pub column: Option<u32>,
    /// Full key, such as `strategy.base_spread`; empty for a fault of the file as a whole.
    pub key: String,
    /// What is wrong, in a few words.
    pub problem: String,
    /// What the file says, shortened; `***` for secrets, `${VAR}` for what the environment gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What to do about it; empty when `wanted` says it all.
    pub remedy: String,
}

impl Fault {
    pub(super) fn found(&mut self, text: impl fmt::Display) -> &mut Self {
        self.found = Some(text.to_string());
        self
    }

    pub(super) fn wanted(&mut self, text: impl Into<String>) -> &mut Self {
        self.wanted = Some(text.into());
        self
    }

    pub(super) fn remedy(&mut self, text: impl Into<String>) -> &mut Self {
        self.remedy = text.into();
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)?;
        if let Some(found) = &self.found {
            write!(f, "; found {found}")?;
        }
        if let Some(wanted) = &self.wanted {
            write!(f, "; wanted {wanted}")?;
        }
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Everything wrong with a configuration file, ordered by line; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, ordered by line.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Collects faults while a file is read.
pub(super) struct Collector {
    file: String,
    list: Vec<Fault>,
}

impl Collector {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    /// Adds a fault; `at` is (line, column) from 1, or `None` for the file as a whole.
    /// Line 0 is the command line.
    pub(super) fn add(
        &mut self,
        at: Option<(u32, u32)>,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) -> &mut Fault {
        let on_command_line = at.is_some_and(|(line, _)| line == 0);
        let at = at.filter(|_| !on_command_line);
        self.list.push(Fault {
            file: if on_command_line { String::from("--set") } else { self.file.clone() },
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            key: presentable(&key.into()),
            problem: problem.into(),
            ..Fault::default()
        });
        self.list.last_mut().expect("just pushed")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a fault of `key` has been found.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.list.iter().any(|fault| fault.key == key)
    }

    /// The report; `None` when nothing is wrong.
    pub(super) fn finish(mut self) -> Option<Faults> {
        // The sort is stable: faults of one place keep the order in which they were found.
        self.list.sort_by_key(|fault| (fault.line, fault.column));
        let hidden = self.list.len().saturating_sub(FAULTS_MAX);
        if hidden > 0 {
            self.list.truncate(FAULTS_MAX);
            self.add(None, "", format!("{hidden} more faults are not shown"))
                .remedy("correct these first");
        }
        (!self.list.is_empty()).then_some(Faults(self.list))
    }
}

/// A key as a fault names it: nothing that lies below a secret, no control characters, not endless.
fn presentable(key: &str) -> String {
    let below =
        |secret: &&&str| key.strip_prefix(**secret).is_some_and(|rest| rest.starts_with('.'));
    if let Some(secret) = SECRETS.iter().find(below) {
        return (*secret).to_owned();
    }
    key.chars().take(2 * QUOTE_MAX).flat_map(char::escape_debug).collect()
}

/// A piece of the file as a fault repeats it: shortened, control characters escaped.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTE_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTE_MAX).is_some() {
        shown.push('…');
    }
    format!("'{}'", shown.replace("\\'", "'").replace("\\\"", "\""))
}

/// The member of `known` that `typed` most likely meant.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > QUOTE_MAX {
        return None;
    }
    let allowed = (typed.chars().count() / 3).max(1);
    let shortened = |name: &str| {
        let (short, long) = if typed.len() < name.len() { (typed, name) } else { (name, typed) };
        short.len() >= 4 && long.starts_with(short)
    };
    known
        .map(|name| (if shortened(name) { 1 } else { edits(typed, name) }, name))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
