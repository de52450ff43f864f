//! A server in the test and the plainest client there is, which can also send what no client should.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use market::Nanos;
use ops::api::{ApiConfig, ControlError, ControlRequest, HealthRules, Listeners, Token, serve};
use ops::recorder::{Build, LogStats, Recorder, RecorderConfig, Shared};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::world::instrument;

pub(crate) const TOKEN: &str = "test-token-0123456789";

#[expect(clippy::disallowed_methods, reason = "the clock of the test's shell")]
pub(crate) fn clock() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Nanos(u64::try_from(since.as_nanos()).unwrap())
}

pub(crate) struct Server {
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) recorder: Recorder,
    pub(crate) shared: Arc<Shared>,
    pub(crate) asked: Arc<Mutex<Vec<ControlRequest>>>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    runtime: Runtime,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.body))
    }
}

fn sink(asked: &Mutex<Vec<ControlRequest>>, request: ControlRequest) -> Result<(), ControlError> {
    if request == ControlRequest::LogLevel("nonsense".to_owned()) {
        return Err(ControlError::Invalid("no such level: nonsense".to_owned()));
    }
    asked.lock().unwrap().push(request);
    Ok(())
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    pub(crate) fn start_at(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let build = Build {
            version: "0.1.0".to_owned(),
            commit: "abcdef0123".to_owned(),
            config_hash: "5eed5eed".to_owned(),
        };
        let (recorder, shared) = Recorder::new(RecorderConfig {
            instruments: vec![instrument()],
            build,
            clock,
            log: Arc::new(|| LogStats {
                messages: [("error", 1), ("warn", 2), ("info", 3), ("debug", 0), ("trace", 0)],
                dropped: 4,
                write_failures: 5,
            }),
        });
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let config = ApiConfig {
            token: Token::new(TOKEN).unwrap(),
            hosts: vec!["desk.example".to_owned()],
            health: HealthRules::default(),
            config_text: Arc::new(|| "exchange:\n  api_key: '***'\n".to_owned()),
            control: Arc::new({
                let asked = Arc::clone(&asked);
                move |request| sink(&asked, request)
            }),
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let bound = Listeners::bind(address.parse().unwrap(), Some(any));
        let listeners = runtime.block_on(bound).unwrap();
        let (api, metrics) =
            (listeners.api_address().unwrap(), listeners.metrics_address().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shown = Arc::clone(&shared);
        let served = runtime.spawn(serve(config, shown, listeners, async move {
            stopped.await.ok();
        }));
        Self {
            api,
            metrics,
            recorder,
            shared,
            asked,
            stop: Some(stop),
            served: Some(served),
            runtime,
        }
    }

    /// Tells the server to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.runtime.block_on(self.served.take().unwrap()).unwrap().unwrap();
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("Authorization", &format!("Bearer {TOKEN}"))], body)
    }

    /// Headers given here replace the usual ones of the same name; an empty value leaves one out.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        exchange(self.api, method, path, headers, body)
    }
}

pub(crate) fn open(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    let usual = [
        ("Host", address.to_string()),
        ("Connection", "close".to_owned()),
        ("Content-Length", body.len().to_string()),
    ];
    for (name, value) in &usual {
        if !headers.iter().any(|(own, _)| own == name) {
            text += &format!("{name}: {value}\r\n");
        }
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
    stream
}

pub(crate) fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut bytes = Vec::new();
    // A server that refuses early may reset the connection; what it said before that counts.
    open(address, method, path, headers, body).read_to_end(&mut bytes).ok();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
