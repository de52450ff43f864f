//! SQLite in a folder of its own; PostgreSQL started for real, where it is installed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use runtime::store::{Fault, Reader, Table, Target, Value};

/// A folder that is removed when the test ends.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mm-store-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A database with the folder for what lies beside it.
pub(crate) struct Base {
    pub(crate) name: &'static str,
    pub(crate) folder: Folder,
    pub(crate) target: Target,
    pub(crate) server: Option<Server>,
}

impl Base {
    pub(crate) fn sqlite() -> Self {
        let folder = Folder::new("sqlite");
        let target = Target::Sqlite(folder.0.join("store.sqlite"));
        Self { name: "SQLite", folder, target, server: None }
    }

    /// `None`, and a line on standard error, where PostgreSQL is not installed.
    pub(crate) fn postgres() -> Option<Self> {
        let folder = Folder::new("postgres");
        let server = Server::new()?;
        let url = server.url();
        let target = Target::Postgres { url, ca_file: None };
        Some(Self { name: "PostgreSQL", folder, target, server: Some(server) })
    }

    /// Runs a test on both.
    pub(crate) fn each(test: impl Fn(&mut Self)) {
        test(&mut Self::sqlite());
        if let Some(mut base) = Self::postgres() {
            test(&mut base);
        }
    }

    pub(crate) fn spill(&self) -> PathBuf {
        self.folder.0.join("spill.log")
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.target).unwrap()
    }

    pub(crate) fn rows(&self, table: Table) -> Vec<Vec<Value>> {
        rows(&mut self.reader(), table).unwrap()
    }

    /// One column of a table.
    pub(crate) fn column(&self, table: Table, name: &str) -> Vec<Value> {
        let index = table.column(name).unwrap();
        self.rows(table).into_iter().map(|mut row| row.swap_remove(index)).collect()
    }

    pub(crate) fn texts(&self, table: Table, name: &str) -> Vec<String> {
        self.column(table, name).iter().map(ToString::to_string).collect()
    }
}

pub(crate) fn rows(reader: &mut Reader, table: Table) -> Result<Vec<Vec<Value>>, Fault> {
    let mut rows = Vec::new();
    reader.rows(table, &mut |row| {
        rows.push(row.to_vec());
        Ok(())
    })?;
    Ok(rows)
}

/// A PostgreSQL server of our own, on a socket in a temporary folder.
pub(crate) struct Server {
    binaries: PathBuf,
    folder: Folder,
    child: Option<Child>,
}

impl Server {
    fn new() -> Option<Self> {
        let Some(binaries) = binaries() else {
            eprintln!("SKIPPED on PostgreSQL: it is not installed (no initdb found)");
            return None;
        };
        let folder = Folder::new("pg");
        own(&folder.0);
        copy(&template(&binaries), &folder.0.join("data"));
        let mut server = Self { binaries, folder, child: None };
        server.start();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        let folder = self.folder.0.display().to_string().replace('/', "%2F");
        format!("postgres://postgres:not-shown@{folder}/postgres")
    }

    pub(crate) fn start(&mut self) {
        let child = as_user(&self.binaries.join("postgres"))
            .arg("-D")
            .arg(self.folder.0.join("data"))
            .arg("-k")
            .arg(&self.folder.0)
            .args(["-c", "listen_addresses=", "-c", "max_connections=20"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let target = Target::Postgres { url: self.url(), ca_file: None };
        crate::world::until("PostgreSQL answers", || Reader::open(&target).is_ok());
    }

    /// As a crash of the machine's database: at once, without good-byes.
    pub(crate) fn kill(&mut self) {
        self.signal("-QUIT");
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Stops every process of the server without ending it, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let Some(child) = &self.child else { return };
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()));
        for process in children.unwrap().split_whitespace() {
            Command::new("kill").args([signal, process]).status().unwrap();
        }
        self.signal(signal);
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.freeze(false);
        self.kill();
    }
}

/// An empty cluster, made once: copying one takes a tenth of the time.
fn template(binaries: &Path) -> PathBuf {
    let version: String = binaries.display().to_string().replace('/', "-");
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgres{version}"));
    if !template.exists() {
        let folder = Folder::new("initdb");
        own(&folder.0);
        let data = folder.0.join("data");
        let made = as_user(&binaries.join("initdb"))
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // Whole or not there: other tests make one at the same time.
        let part = template.with_extension(folder.0.file_name().unwrap());
        copy(&data, &part);
        if std::fs::rename(&part, &template).is_err() {
            std::fs::remove_dir_all(&part).unwrap();
        }
    }
    template
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// The newest installed server.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let path = entry.path().join("bin");
        if let Some(version) = version
            && path.join("initdb").exists()
        {
            found.push((version, path));
        }
    }
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    };
    found.sort();
    found.pop().map(|(_, path)| path).or_else(on_path)
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// PostgreSQL refuses to run as root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "postgres",
        "--regid",
        "postgres",
        "--clear-groups",
        "--pdeathsig",
        "TERM",
    ]);
    command.arg(program);
    command
}

fn own(folder: &Path) {
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(folder).status().unwrap();
        assert!(owned.success());
    }
}
