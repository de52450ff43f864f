//! WebSockets to servers that misbehave.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use binance::client::{Effect, SocketId};
use runtime::live::net::{Limits, NetConfig};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message};

use crate::rig::{Rig, Seen, config, request};
use crate::servers::{Server, accept, accept_socket, read_request, respond};

const KEY: &str = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";

fn limited(address: std::net::SocketAddr, limits: Limits) -> Rig {
    Rig::new(NetConfig { limits, ..config("http", address) })
}

fn market(address: std::net::SocketAddr) -> String {
    format!("ws://{address}/public/stream?streams=ethusdc@bookTicker")
}

fn account(address: std::net::SocketAddr) -> String {
    format!("ws://{address}/private/ws/{KEY}")
}

#[test]
fn a_ping_is_answered_even_if_nothing_else_is_sent() {
    let mut server = Server::new(|listener, _: &dyn Fn(())| {
        let mut socket = accept_socket(&listener);
        socket.send(Message::Ping(Bytes::from_static(b"17"))).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong(Bytes::from_static(b"17")));
        socket.send(Message::text("thanks")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Ping(Bytes::new()));
        socket.flush().unwrap();
    });
    let mut rig = Rig::at(server.address);
    rig.opened(1, &account(server.address));
    assert_eq!(rig.next(), Seen::Heard(1));
    assert_eq!(rig.next(), Seen::Frame(1, "thanks".to_owned()));
    assert_eq!(rig.net.carry_out(Effect::Ping(SocketId(1))), None);
    assert_eq!(rig.next(), Seen::Heard(1), "its pong");
    server.join();
}

#[test]
fn texts_leave_in_order_each_as_a_frame() {
    let mut server = Server::new(|listener, tell| {
        let mut socket = accept_socket(&listener);
        while let Ok(message) = socket.read() {
            tell(message);
        }
    });
    let mut rig = Rig::at(server.address);
    // What is asked for before the socket is open is not lost, and a close comes last.
    rig.open(1, &account(server.address));
    rig.send(1, "0");
    assert_eq!(rig.next(), Seen::Opened(1));
    for number in 1..100 {
        rig.send(1, &number.to_string());
    }
    rig.close(1);
    rig.send(1, "after the end");
    rig.http(9, request(binance::Method::Get, "no path"));
    assert!(matches!(rig.next(), Seen::Answered(9, Err(_))), "and nothing of the socket");
    let mut texts = 0;
    loop {
        // The runtime must run for the frames to leave.
        rig.runtime.block_on(tokio::task::yield_now());
        match server.told.try_recv() {
            Ok(Message::Text(text)) => {
                assert_eq!(text.as_str(), texts.to_string());
                texts += 1;
            }
            Ok(other) => {
                assert!(matches!(other, Message::Close(_)), "{other}");
                break;
            }
            Err(_) => {}
        }
    }
    assert_eq!(texts, 100);
    while !rig.inbox.is_empty() {
        let arrived = rig.arrived();
        assert!(rig.net.tell(arrived, |_| ()).is_none(), "told of a closed socket");
    }
    drop(rig);
    server.join();
}

#[test]
fn every_way_to_end_is_told_once_with_its_reason() {
    type Deed = fn(&TcpListener);
    let deeds: [(&str, Deed); 6] = [
        ("closed by the venue: 1008 too slow", |listener| {
            let mut socket = accept_socket(listener);
            let (code, reason) = (CloseCode::Policy, "too slow".into());
            socket.close(Some(CloseFrame { code, reason })).unwrap();
            // Our answer to it, then the end.
            assert!(matches!(socket.read(), Ok(Message::Close(_))));
        }),
        ("without closing handshake", |listener| drop(accept_socket(listener))),
        ("HTTP 418, retry after 60 s {\"code\":-1003}", |listener| {
            let stream = accept(listener);
            read_request(&stream);
            respond(&stream, "418 I'm a teapot\r\nretry-after: 60", "{\"code\":-1003}");
        }),
        ("HTTP 302", |listener| {
            let stream = accept(listener);
            read_request(&stream);
            respond(&stream, "302 Found\r\nlocation: ws://127.0.0.1:1/", "");
        }),
        ("andshake not finished", |listener| {
            read_request(&accept(listener));
        }),
        ("not open in time", |listener| {
            let mut stream = accept(listener);
            read_request(&stream);
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 1]);
        }),
    ];
    for (wanted, deed) in deeds {
        let mut server = Server::new(move |listener, _: &dyn Fn(())| deed(&listener));
        let limits = Limits { connect: Duration::from_millis(500), ..Limits::default() };
        let mut rig = limited(server.address, limits);
        rig.open(1, &account(server.address));
        let reason = rig.end(1);
        assert!(reason.contains(wanted), "{wanted}: {reason}");
        assert!(!reason.contains(KEY));
        server.join();
        drop(rig.net);
        let left = rig.runtime.block_on(rig.inbox.recv());
        assert!(left.is_none(), "{wanted}: {left:?} after the end");
    }
}

#[test]
fn a_socket_that_is_closed_while_it_opens_is_left_alone() {
    let mut server = Server::new(|listener, tell| {
        let mut stream = accept(&listener);
        tell(read_request(&stream));
        tell(format!("{:?}", stream.read(&mut [0; 1])));
    });
    let mut rig = Rig::at(server.address);
    rig.open(1, &account(server.address));
    while server.told.try_recv().is_err() {
        rig.runtime.block_on(tokio::task::yield_now());
    }
    rig.close(1);
    drop(rig.net);
    assert!(rig.runtime.block_on(rig.inbox.recv()).is_none(), "nothing is told");
    assert_eq!(server.hear(), "Ok(0)", "the connection is gone");
    server.join();
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut server = Server::new(|listener, tell| {
        let socket = accept_socket(&listener);
        tell(());
        // Held without being read until the test has seen enough.
        drop((accept(&listener), socket));
    });
    let limits = Limits { blocked: Duration::from_millis(200), ..Limits::default() };
    let mut rig = limited(server.address, limits);
    rig.opened(1, &account(server.address));
    server.hear();
    let text = "x".repeat(1 << 20);
    for _ in 0..64 {
        rig.send(1, &text);
    }
    assert!(rig.end(1).contains("took nothing"), "64 MiB do not fit into the kernel");
    drop(std::net::TcpStream::connect(server.address).unwrap());
    server.join();
}

#[test]
fn more_commands_than_can_ever_leave_cut_the_socket() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::at(silent.local_addr().unwrap());
    rig.open(1, &account(silent.local_addr().unwrap()));
    for number in 0..5_000 {
        rig.send(1, &number.to_string());
    }
    let Seen::Closed(1, reason) = rig.next() else { panic!("not cut") };
    assert_eq!(reason, "cut: too many frames wait to be sent");
    drop(rig.net);
    assert!(rig.runtime.block_on(rig.inbox.recv()).is_none(), "told once");
}

#[test]
fn more_commands_than_may_wait_for_the_opening_cut_the_socket() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::at(silent.local_addr().unwrap());
    rig.open(1, &account(silent.local_addr().unwrap()));
    for round in 0..10 {
        for number in 0..500 {
            rig.send(1, &format!("{round} {number}"));
        }
        rig.runtime.block_on(tokio::task::yield_now());
    }
    assert_eq!(rig.next(), Seen::Closed(1, "cut: too many frames wait to be sent".to_owned()));
    drop(rig.net);
    assert!(rig.runtime.block_on(rig.inbox.recv()).is_none(), "told once");
}

/// A server that sends numbered frames as fast as it can.
fn flood(frames: usize) -> Server<()> {
    Server::new(move |listener, _| {
        let mut socket = accept_socket(&listener);
        for number in 0..frames {
            if socket.write(Message::text(format!("{number:044}"))).is_err() {
                return;
            }
        }
        let _ = socket.flush();
        while socket.read().is_ok() {}
    })
}

/// Room for ten frames of a flood, each 44 bytes and 256 on top.
fn tight() -> Limits {
    Limits { waiting_bytes: 3_000, ..Limits::default() }
}

#[test]
fn a_market_socket_that_floods_us_is_cut() {
    let mut server = flood(1_000);
    let mut rig = limited(server.address, tight());
    rig.open(1, &market(server.address));
    // The opening, ten frames, the end; nothing is taken meanwhile.
    rig.let_arrive(12);
    assert_eq!(rig.next(), Seen::Opened(1));
    for number in 0..10 {
        assert_eq!(rig.next(), Seen::Frame(1, format!("{number:044}")));
    }
    assert!(matches!(rig.next(), Seen::Closed(1, reason) if reason.starts_with("cut: ")));
    server.join();
}

#[test]
fn the_account_loses_nothing_in_a_flood() {
    let mut server = flood(1_000);
    let mut rig = limited(server.address, tight());
    rig.open(1, &account(server.address));
    rig.let_arrive(11);
    for _ in 0..1_000 {
        rig.runtime.block_on(tokio::task::yield_now());
    }
    assert_eq!(rig.inbox.len(), 11, "the rest waits where it is");
    assert_eq!(rig.next(), Seen::Opened(1));
    for number in 0..1_000 {
        assert_eq!(rig.next(), Seen::Frame(1, format!("{number:044}")));
    }
    rig.close(1);
    drop(rig);
    server.join();
}

#[test]
fn frames_of_any_kind_and_size_are_survived() {
    let mut server = Server::new(|listener, _: &dyn Fn(())| {
        let mut socket = accept_socket(&listener);
        socket.send(Message::text("y".repeat(1 << 20))).unwrap();
        socket.send(Message::binary(b"bytes".as_slice())).unwrap();
        socket.send(Message::text("")).unwrap();
        let _ = socket.send(Message::text("z".repeat((16 << 20) + 1)));
        while socket.read().is_ok() {}
    });
    let mut rig = Rig::at(server.address);
    rig.opened(1, &account(server.address));
    assert_eq!(rig.frame().1.len(), 1 << 20);
    assert_eq!(rig.frame().1, "bytes");
    assert_eq!(rig.frame().1, "");
    assert!(rig.end(1).contains("too long"));
    server.join();
}
