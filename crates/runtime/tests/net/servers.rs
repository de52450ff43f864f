//! Servers that do one thing, in a thread each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tungstenite::WebSocket;

/// A server that takes one connection after the other; what it wants to say comes through `told`.
pub(crate) struct Server<T> {
    pub(crate) address: SocketAddr,
    pub(crate) told: Receiver<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Server<T> {
    /// `serve` gets the listener and what to tell with.
    pub(crate) fn new(serve: impl FnOnce(TcpListener, &dyn Fn(T)) + Send + 'static) -> Server<T> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = channel();
        // Whoever asked may have gone by the time there is something to say.
        let run = move || serve(listener, &|what| drop(tell.send(what)));
        let thread = std::thread::Builder::new().spawn(run).unwrap();
        Self { address, told, thread: Some(thread) }
    }

    /// What the server says next.
    pub(crate) fn hear(&self) -> T {
        self.told.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// The server must come to its end.
    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

/// Takes one WebSocket.
pub(crate) fn accept_socket(listener: &TcpListener) -> WebSocket<TcpStream> {
    tungstenite::accept(accept(listener)).unwrap()
}

/// Head and body of a request; empty when the connection has ended.
pub(crate) fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return text;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        text.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}

pub(crate) fn respond(mut stream: &TcpStream, head: &str, body: &str) {
    let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).unwrap();
}
