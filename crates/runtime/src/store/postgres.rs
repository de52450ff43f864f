//! PostgreSQL: a store that several traders share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::try_join_all;
use futures_util::{TryStreamExt as _, pin_mut};
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::database::{Database, Fault, MIGRATIONS, Take, missing, views};
use super::rows::{Row, Table, Value};

/// A connection that is not there after this long is not.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A batch that is not written after this long has failed: the line may be dead without saying so.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// The schema may take longer, and waits for other traders that do the same.
const MIGRATE_LIMIT: Duration = Duration::from_secs(60);
/// Traders that begin together change the schema one after the other: "MMST".
const LOCK: i64 = 0x4d4d_5354;

/// A connection, driven by the thread that writes.
pub(super) struct Postgres {
    runtime: Runtime,
    client: Client,
    statements: Vec<(Table, Statement)>,
    shown: String,
}

impl Postgres {
    /// Connects; with `migrate`, brings the schema up to date.
    pub(super) fn connect(url: &str, ca_file: Option<&Path>, migrate: bool) -> Result<Self, Fault> {
        let shown = shown(url);
        let config = parse(url)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::Unavailable(error.to_string()))?;
        let client = runtime.block_on(dial(&config, ca_file, &shown))?;
        let mut postgres = Self { runtime, client, statements: Vec::new(), shown };
        if migrate {
            postgres.migrate()?;
        }
        Ok(postgres)
    }

    fn migrate(&mut self) -> Result<(), Fault> {
        let Self { runtime, client, shown, .. } = self;
        let work = async {
            let change = client.transaction().await?;
            change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            change
                .batch_execute(
                    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)",
                )
                .await?;
            let row = change.query_opt("SELECT max(version) FROM schema_version", &[]).await?;
            let version = row.and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0);
            let steps = match missing(version) {
                Ok(steps) => steps,
                Err(fault) => return Ok(Err(fault)),
            };
            if !steps.is_empty() {
                for step in steps {
                    change.batch_execute(step).await?;
                }
                change.batch_execute(&views(instant)).await?;
                let version = MIGRATIONS.len() as i64;
                change.execute("DELETE FROM schema_version", &[]).await?;
                change.execute("INSERT INTO schema_version VALUES ($1)", &[&version]).await?;
            }
            change.commit().await?;
            Ok(Ok(()))
        };
        match within(runtime, MIGRATE_LIMIT, shown, work)? {
            Ok(()) => Ok(()),
            Err(fault) => Err(Fault::Unusable(format!("{shown}: {fault}"))),
        }
    }
}

impl Database for Postgres {
    fn write(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let Self { runtime, client, statements, shown } = self;
        let work = async {
            for row in rows {
                if !statements.iter().any(|(table, _)| *table == row.table) {
                    let types = types(row.table);
                    let statement = client.prepare_typed(row.table.statement(), &types).await?;
                    statements.push((row.table, statement));
                }
            }
            let change = client.transaction().await?;
            // All of them are on their way before the first is answered.
            let sent = rows.iter().filter_map(|row| {
                let (_, statement) = statements.iter().find(|(table, _)| *table == row.table)?;
                Some(change.execute_raw(statement, row.values.iter()))
            });
            try_join_all(sent).await?;
            change.commit().await
        };
        within(runtime, WRITE_LIMIT, shown, work)
    }

    fn read(&mut self, query: &str, arguments: &[Value], take: Take<'_>) -> Result<(), Fault> {
        let Self { runtime, client, shown, .. } = self;
        let shown = shown.as_str();
        runtime.block_on(async {
            let wrong = |error: tokio_postgres::Error| fault(shown, &error);
            let kinds: Vec<Type> = arguments.iter().map(kind).collect();
            let statement = client.prepare_typed(query, &kinds).await.map_err(wrong)?;
            let rows = client.query_raw(&statement, arguments).await.map_err(wrong)?;
            pin_mut!(rows);
            let mut values = Vec::new();
            while let Some(row) = rows.try_next().await.map_err(wrong)? {
                values.clear();
                for (index, column) in row.columns().iter().enumerate() {
                    values.push(
                        match *column.type_() {
                            Type::INT8 => row.try_get::<_, Option<i64>>(index).map(Value::from),
                            _ => row.try_get::<_, Option<String>>(index).map(Value::from),
                        }
                        .map_err(wrong)?,
                    );
                }
                take(&values)?;
            }
            Ok(())
        })
    }
}

/// Runs something to its end, but not for ever.
fn within<T>(
    runtime: &Runtime,
    limit: Duration,
    shown: &str,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Fault> {
    let answer = runtime.block_on(async { tokio::time::timeout(limit, work).await });
    match answer {
        Ok(result) => result.map_err(|error| fault(shown, &error)),
        Err(_) => {
            Err(Fault::Unavailable(format!("{shown}: no answer within {} s", limit.as_secs())))
        }
    }
}

async fn dial(config: &Config, ca_file: Option<&Path>, shown: &str) -> Result<Client, Fault> {
    let wrong = |error: tokio_postgres::Error| fault(shown, &error);
    let late = |_| Fault::Unavailable(format!("{shown}: no connection within 5 s"));
    if is_plain(config) {
        let dialed = tokio::time::timeout(CONNECT_LIMIT, config.connect(NoTls)).await;
        let (client, connection) = dialed.map_err(late)?.map_err(wrong)?;
        tokio::spawn(async { drop(connection.await) });
        return Ok(client);
    }
    let tls = MakeRustlsConnect::new(tls(ca_file)?);
    let mut config = config.clone();
    config.ssl_mode(SslMode::Require);
    let dialed = tokio::time::timeout(CONNECT_LIMIT, config.connect(tls)).await;
    let (client, connection) = dialed.map_err(late)?.map_err(wrong)?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// Whether a connection goes without TLS: when the address says so, and on this machine unless it asks
/// for TLS. A password never crosses a network in the clear because somebody forgot a word.
fn is_plain(config: &Config) -> bool {
    let here = |host: &Host| match host {
        Host::Tcp(name) => ["localhost", "127.0.0.1", "::1"].contains(&name.as_str()),
        Host::Unix(_) => true,
    };
    match config.get_ssl_mode() {
        SslMode::Disable => true,
        SslMode::Prefer => config.get_hosts().iter().all(here),
        _ => false,
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let bad = |error: &dyn std::fmt::Display| {
            let text = format!("{}: {error}; store.ca_file needs a PEM file", path.display());
            Fault::Unusable(text)
        };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
            let certificate = certificate.map_err(|error| bad(&error))?;
            roots.add(certificate).map_err(|error| bad(&error))?;
        }
        if roots.len() == before {
            return Err(bad(&"no certificate in it"));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Reads an address. What is wrong with it is said without repeating it: it may hold a password.
pub(super) fn parse(url: &str) -> Result<Config, Fault> {
    let wanted = "store.url must be like postgres://user:password@host:5432/database";
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Fault::Unusable(String::from(wanted)));
    }
    let mut config: Config = url.parse().map_err(|_| Fault::Unusable(String::from(wanted)))?;
    if config.get_hosts().is_empty() {
        return Err(Fault::Unusable(format!("{wanted}; it names no host")));
    }
    if config.get_application_name().is_none() {
        config.application_name("market-maker");
    }
    Ok(config)
}

/// An address without user and password.
pub(super) fn shown(url: &str) -> String {
    let Ok(config) = parse(url) else { return String::from("postgres") };
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or("");
    format!("postgres {host}{port}/{database}")
}

fn fault(shown: &str, error: &tokio_postgres::Error) -> Fault {
    let mut text = format!("{shown}: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    let class = error.code().map(|code| code.code().get(..2).unwrap_or("").to_owned());
    match class.as_deref() {
        // Wrong data, broken constraint.
        Some("22" | "23") => Fault::Row(text),
        // Refused credentials, no such database.
        Some("28" | "3D") => Fault::Unusable(format!("{text}; see store.url")),
        _ => Fault::Unavailable(text),
    }
}

/// The types of a statement's arguments, so that nothing is guessed from a cell.
fn types(table: Table) -> Vec<Type> {
    let (text, number) = (Type::TEXT, Type::INT8);
    if table == Table::OrderNews {
        let kinds = [&text, &text, &text, &number, &number, &text, &text, &number];
        return kinds.into_iter().cloned().collect();
    }
    if table == Table::OrdersGone {
        return vec![number, text.clone(), text];
    }
    let kind = |kind| if kind == super::rows::Kind::Text { Type::TEXT } else { Type::INT8 };
    table.columns().iter().map(|column| kind(column.kind)).collect()
}

fn kind(value: &Value) -> Type {
    match value {
        Value::Int(_) => Type::INT8,
        Value::Null | Value::Text(_) => Type::TEXT,
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::INT8 || *kind == Type::TEXT
    }

    to_sql_checked!();
}

/// Nanoseconds as `2026-11-22T20:36:00.123456789Z`.
fn instant(column: &str) -> String {
    format!(
        "to_char(to_timestamp({column} / 1000000000) AT TIME ZONE 'UTC', \
         'YYYY-MM-DD\"T\"HH24:MI:SS') || '.' || lpad(({column} % 1000000000)::text, 9, '0') || 'Z'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_is_secret() {
        for (url, wanted) in [
            ("postgres://me:hunter2@db.example:5433/mm", "postgres db.example:5433/mm"),
            ("postgresql://me:hunter2@localhost/mm?sslmode=disable", "postgres localhost:5432/mm"),
            ("postgres://me:hunter2@%2Frun%2Fpg/mm", "postgres /run/pg:5432/mm"),
            ("hunter2", "postgres"),
        ] {
            assert_eq!(shown(url), wanted);
        }
        for wrong in ["hunter2", "mysql://me:hunter2@h/d", "postgres://me:hunter2@h:port/d"] {
            let text = parse(wrong).unwrap_err().to_string();
            assert!(text.contains("store.url") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn passwords_cross_networks_only_encrypted() {
        for (url, plain) in [
            ("postgres://u:p@db.example/mm", false),
            ("postgres://u:p@db.example/mm?sslmode=prefer", false),
            ("postgres://u:p@db.example/mm?sslmode=disable", true),
            ("postgres://u:p@localhost/mm", true),
            ("postgres://u:p@127.0.0.1/mm?sslmode=require", false),
            ("postgres://u:p@%2Frun%2Fpg/mm", true),
            ("postgres://u:p@localhost,db.example/mm", false),
        ] {
            assert_eq!(is_plain(&parse(url).unwrap()), plain, "{url}");
        }
    }
}
