//! The venue on loopback sockets. Whoever waits for an order here does not sleep meanwhile: waking
//! up takes as long as the work to be measured, and is the venue's affair.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use binance::Endpoints;
use binance::endpoints::{Network, Paths};
use market::Nanos;
use runtime::clock::{self, Stopwatch};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket, accept_hdr};

use crate::rig::recording::{Kind, Recording, best_bid, mark_price};
use crate::rig::venue::Venue;

type Socket = WebSocket<TcpStream>;

/// An order that has not come by then will not come.
const PATIENCE: Duration = Duration::from_millis(10);
/// Another order of the same frame follows within this.
const NEXT_WITHIN: Duration = Duration::from_micros(500);
/// Between two looks for orders that nobody waits for.
const NAP: Duration = Duration::from_millis(1);
/// The desk needs some time before it quotes.
const SETTLING: Duration = Duration::from_secs(2);
const MARK_EVERY: Duration = Duration::from_secs(1);
const TICKER_EVERY: Duration = Duration::from_secs(5);
/// The session ends in good order within this.
const FAREWELL: Duration = Duration::from_secs(20);

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Depth frames that count.
    pub(crate) frames: usize,
    /// Depth frames before them.
    pub(crate) warm_up: usize,
    /// Between the answer to a frame and the next frame.
    pub(crate) pause: Duration,
}

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    /// From writing a frame to having read the first order.
    pub(crate) first: Vec<Duration>,
    /// The same to the last one.
    pub(crate) last: Vec<Duration>,
    /// Parts of [`first`](Self::first): from writing the frame to the facts being taken in, ...
    pub(crate) inward: Vec<Duration>,
    /// ... from there to the engine having decided, ...
    pub(crate) decision: Vec<Duration>,
    /// ... and from there to the order having been read.
    pub(crate) outward: Vec<Duration>,
    /// Frames that led to no order.
    pub(crate) silent: usize,
}

/// Where the venue listens, and what it knows.
pub(crate) struct Sites {
    rest: SocketAddr,
    streams: SocketAddr,
    ws_api: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    recording: Recording,
    plan: Plan,
    venue: Mutex<Venue>,
    /// Sockets as they are opened, with the paths that were asked for.
    opened: Mutex<Receiver<(String, Socket)>>,
    /// When the trader last took facts in that led to an order, and when it had decided.
    taken: AtomicU64,
    decided: AtomicU64,
}

impl Sites {
    pub(crate) fn start(recording: Recording, plan: Plan) -> Self {
        let (sender, opened) = channel();
        let venue = Mutex::new(Venue::new(clock::now(), &recording.snapshot));
        let shared = Arc::new(Shared {
            recording,
            plan,
            venue,
            opened: Mutex::new(opened),
            taken: AtomicU64::new(0),
            decided: AtomicU64::new(0),
        });
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (rest, streams, ws_api) = (bind(), bind(), bind());
        let address = |listener: &TcpListener| listener.local_addr().expect("its address");
        let sites = Self {
            rest: address(&rest),
            streams: address(&streams),
            ws_api: address(&ws_api),
            shared: Arc::clone(&shared),
        };
        for listener in [streams, ws_api] {
            let sender = sender.clone();
            spawn(move || accept(&listener, &sender));
        }
        spawn(move || {
            for stream in rest.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // The client goes when it goes.
                spawn(move || drop(serve(stream, &shared.venue)));
            }
        });
        sites
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        Endpoints {
            network: Network::Custom,
            rest: format!("http://{}", self.rest),
            streams: format!("ws://{}", self.streams),
            ws_api: format!("ws://{}/ws-fapi/v1", self.ws_api),
            permissions: None,
            paths: Paths::Routed,
        }
    }

    /// The trader has just decided on what it took in then.
    pub(crate) fn decided(&self, taken: Nanos) {
        self.shared.taken.store(taken.0, Ordering::Release);
        self.shared.decided.store(clock::now().0, Ordering::Release);
    }

    pub(crate) fn streams(&self) -> SocketAddr {
        self.streams
    }

    pub(crate) fn ws_api(&self) -> SocketAddr {
        self.ws_api
    }

    /// Measures somebody who answers every frame and opens two sockets, the book's and the orders'.
    pub(crate) fn measure_echo(&self) -> Receiver<Figures> {
        let (sender, figures) = channel();
        let shared = Arc::clone(&self.shared);
        spawn(move || {
            let mut ends = Ends::opened(&shared, false);
            let figures = ends.run(&shared, None);
            sender.send(figures).expect("somebody listens");
        });
        figures
    }

    /// Measures a trader; `enough` is called when there is nothing more to be measured.
    pub(crate) fn measure_orders(
        &self,
        enough: impl FnOnce() + Send + 'static,
    ) -> Receiver<Figures> {
        let (sender, figures) = channel();
        let shared = Arc::clone(&self.shared);
        spawn(move || {
            let mut ends = Ends::opened(&shared, true);
            let figures = ends.run(&shared, Some(&shared.venue));
            enough();
            ends.pause(FAREWELL, Some(&shared.venue));
            // The session may have ended in a way that nobody wants figures of.
            let _ = sender.send(figures);
        });
        figures
    }
}

/// Our ends of the sockets.
struct Ends {
    book: Socket,
    orders: Socket,
    /// The rest of the market, and the account; not there for an echo.
    others: Option<[Socket; 2]>,
}

impl Ends {
    fn opened(shared: &Shared, all: bool) -> Self {
        let ends = Self::find(shared, all);
        ends.orders.get_ref().set_nonblocking(true).expect("a socket that does not block");
        ends
    }

    fn find(shared: &Shared, all: bool) -> Self {
        let opened = shared.opened.lock().expect("one at a time");
        let (mut book, mut orders, mut market, mut user) = (None, None, None, None);
        loop {
            let (path, socket) = opened.recv().expect("acceptors live");
            let place = match () {
                () if path.starts_with("/public/") => &mut book,
                () if path.starts_with("/market/") => &mut market,
                () if path.starts_with("/private/") => &mut user,
                () => &mut orders,
            };
            *place = Some(socket);
            match (book.take(), orders.take(), market.take(), user.take()) {
                (Some(book), Some(orders), None, None) if !all => {
                    return Self { book, orders, others: None };
                }
                (Some(book), Some(orders), Some(market), Some(user)) => {
                    return Self { book, orders, others: Some([market, user]) };
                }
                some => (book, orders, market, user) = some,
            }
        }
    }

    /// Plays the recording's depth; with a venue, answers the orders that come.
    fn run(&mut self, shared: &Shared, venue: Option<&Mutex<Venue>>) -> Figures {
        let Shared { recording, plan, .. } = shared;
        let mut figures = Figures::default();
        let mut price = "60000.00";
        let (mut sent, mut depth_id) = (0, 0);
        let (mut mark, mut ticker) = (clock::now(), clock::now());
        for frame in &recording.frames {
            match frame.kind {
                Kind::Ticker => {
                    price = best_bid(&frame.text).unwrap_or(price);
                    let due = self.others.is_some() && clock::now() >= ticker;
                    if due && frame.update_id <= depth_id {
                        ticker = clock::now() + TICKER_EVERY;
                        send(&mut self.book, &frame.text);
                    }
                    continue;
                }
                Kind::Trade => continue,
                Kind::Depth => depth_id = frame.update_id,
            }
            if sent >= plan.warm_up + plan.frames {
                break;
            }
            if let Some([market, _]) = &mut self.others
                && clock::now() >= mark
            {
                mark = clock::now() + MARK_EVERY;
                send(market, &mark_price(clock::now(), price));
            }
            let seen = self.measure(&frame.text, venue);
            if sent >= plan.warm_up {
                seen.note(shared, &mut figures);
            }
            // The first change makes the trader fetch a snapshot, and the account is asked about.
            let pause = if sent == 0 && venue.is_some() { SETTLING } else { plan.pause };
            self.pause(pause, venue);
            sent += 1;
        }
        figures
    }

    fn measure(&mut self, frame: &str, venue: Option<&Mutex<Venue>>) -> Seen {
        let message = Message::text(frame);
        let mut seen = Seen { written: clock::now(), read: Vec::new() };
        self.book.send(message).expect("a frame written");
        let mut orders = Vec::new();
        let mut patience = PATIENCE;
        while let Some(order) = wait(&mut self.orders, patience) {
            seen.read.push(clock::now());
            orders.push(order);
            if venue.is_none() {
                break;
            }
            patience = NEXT_WITHIN;
        }
        if let Some(venue) = venue {
            self.answer(&orders, venue);
        }
        seen
    }

    /// Answers orders, and tells the account of them.
    fn answer(&mut self, orders: &[String], venue: &Mutex<Venue>) {
        let Some([_, user]) = &mut self.others else { return };
        let mut venue = venue.lock().expect("nobody panicked");
        for order in orders {
            let answer = venue.ws_api(clock::now(), order);
            send(&mut self.orders, &answer);
        }
        for event in venue.user_events(clock::now()) {
            send(user, &event);
        }
    }

    /// Nothing for a while, except for orders that come although nobody moved the market, or late.
    fn pause(&mut self, span: Duration, venue: Option<&Mutex<Venue>>) {
        let watch = Stopwatch::start();
        loop {
            while let Some(order) = poll(&mut self.orders) {
                if let Some(venue) = venue {
                    self.answer(&[order], venue);
                }
            }
            if watch.elapsed() >= span || !self.orders.can_read() {
                return;
            }
            std::thread::sleep(NAP.min(span));
        }
    }
}

/// When a frame was written, and when the orders that followed had been read.
struct Seen {
    written: Nanos,
    read: Vec<Nanos>,
}

impl Seen {
    fn note(&self, shared: &Shared, figures: &mut Figures) {
        let [Some(first), Some(last)] = [self.read.first(), self.read.last()] else {
            figures.silent += 1;
            return;
        };
        figures.first.push(first.since(self.written));
        figures.last.push(last.since(self.written));
        let at = |stamp: &AtomicU64| Nanos(stamp.load(Ordering::Acquire));
        let (taken, decided) = (at(&shared.taken), at(&shared.decided));
        // Both belong to this frame unless it is an echo, where nobody decides.
        if taken > self.written && decided < *first {
            figures.inward.push(taken.since(self.written));
            figures.decision.push(decided.since(taken));
            figures.outward.push(first.since(decided));
        }
    }
}

fn send(socket: &mut Socket, text: &str) {
    // Whoever has gone is missed when he is to answer.
    let _ = socket.send(Message::text(text));
}

/// A text frame that has arrived already.
fn poll(socket: &mut Socket) -> Option<String> {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
            Ok(_) => {}
            // Nothing there, or nobody any more, which whoever needs to know asks the socket.
            Err(_) => return None,
        }
    }
}

/// The next text frame within a time.
fn wait(socket: &mut Socket, within: Duration) -> Option<String> {
    let watch = Stopwatch::start();
    loop {
        if let Some(text) = poll(socket) {
            return Some(text);
        }
        if watch.elapsed() >= within {
            return None;
        }
        std::hint::spin_loop();
    }
}

fn accept(listener: &TcpListener, sender: &Sender<(String, Socket)>) {
    for stream in listener.incoming().flatten() {
        stream.set_nodelay(true).expect("no delay");
        let mut path = String::new();
        #[expect(clippy::result_large_err, reason = "the handshake's own type")]
        let note = |request: &Request, response: Response| {
            path = request.uri().to_string();
            Ok(response)
        };
        if let Ok(socket) = accept_hdr(stream, note)
            && sender.send((path, socket)).is_err()
        {
            return;
        }
    }
}

/// One connection for REST.
fn serve(stream: TcpStream, venue: &Mutex<Venue>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length, mut key) = (String::new(), 0, None);
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or(0),
                "x-mbx-apikey" => key = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body);
        let mut venue = venue.lock().expect("nobody panicked");
        let (status, text) = venue.rest(clock::now(), &method, &target, &body, key.as_deref());
        drop(venue);
        let head = format!(
            "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        reader.get_mut().write_all((head + &text).as_bytes())?;
    }
}

#[expect(clippy::disallowed_methods, reason = "the venue is another process in all but name")]
fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}
