//! Requests to servers that misbehave. What counts is whether one may have been received.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use binance::client::NoAnswer;
use binance::{HttpRequest, Method};

use crate::rig::{Rig, config, request};
use crate::servers::{Server, accept, read_request, respond};

fn time() -> HttpRequest {
    request(Method::Get, "/fapi/v1/time")
}

fn order() -> HttpRequest {
    HttpRequest {
        body: "symbol=ETHUSDC&signature=5ecre7".to_owned(),
        api_key: Some("k3y".to_owned()),
        ..request(Method::Post, "/fapi/v1/order")
    }
}

fn is_lost(answer: &Result<binance::client::HttpReply, NoAnswer>) -> bool {
    matches!(answer, Err(NoAnswer::Lost(_)))
}

fn is_not_sent(answer: &Result<binance::client::HttpReply, NoAnswer>) -> bool {
    matches!(answer, Err(NoAnswer::NotSent(_)))
}

#[test]
fn a_request_is_written_as_the_venue_wants_it() {
    let server = Server::new(|listener, tell| {
        let stream = accept(&listener);
        for _ in 0..3 {
            tell(read_request(&stream));
            let head = "200 OK\r\nX-MBX-USED-WEIGHT-1M: 7\r\nDate: now\r\nServer: x\r\n\
                        Retry-After: 3\r\nContent-Type: application/json";
            respond(&stream, head, "{}");
        }
    });
    let mut rig = Rig::at(server.address);
    rig.http(1, order());
    let reply = rig.reply();
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"{}".as_slice()));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        reply.headers,
        [
            header("x-mbx-used-weight-1m", "7"),
            header("date", "now"),
            header("retry-after", "3"),
            header("content-type", "application/json"),
        ]
    );
    let text = server.hear();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head.lines().map(str::to_lowercase).collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            "post /fapi/v1/order http/1.1",
            "content-length: 31",
            "content-type: application/x-www-form-urlencoded",
            &format!("host: {}", server.address),
            concat!("user-agent: trader/", env!("CARGO_PKG_VERSION")),
            "x-mbx-apikey: k3y",
        ]
    );
    assert_eq!(body, "symbol=ETHUSDC&signature=5ecre7");
    // The next ones go over the same connection: the server takes only one.
    rig.http(2, HttpRequest { body: String::new(), ..order() });
    assert_eq!(rig.reply().status, 200);
    assert!(server.hear().to_lowercase().contains("content-length: 0\r\n"));
    rig.http(3, request(Method::Delete, "/fapi/v1/order?orderId=1"));
    assert_eq!(rig.reply().status, 200);
    assert!(server.hear().starts_with("DELETE /fapi/v1/order?orderId=1 HTTP/1.1\r\n"));
}

#[test]
fn what_could_not_leave_was_not_sent() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut rig = Rig::at(address);
    rig.http(1, order());
    let (_, refused) = rig.answer();
    assert!(is_not_sent(&refused), "{refused:?}");
    assert!(!format!("{refused:?}").contains("5ecre7"));
    let mut nowhere = Rig::new(config("http", "no-such-host.invalid:80"));
    nowhere.http(2, time());
    assert!(is_not_sent(&nowhere.answer().1));
    for target in ["fapi/v1/time", "http://127.0.0.1/", "", "/a b", "*"] {
        rig.http(3, request(Method::Get, target));
        assert!(is_not_sent(&rig.answer().1), "{target}");
    }
    let key = "line\nbreak";
    rig.http(4, HttpRequest { api_key: Some(key.to_owned()), ..time() });
    let (_, refused) = rig.answer();
    assert!(is_not_sent(&refused) && !format!("{refused:?}").contains("break"));
}

#[test]
fn what_may_have_arrived_is_lost() {
    type Deed = fn(std::net::TcpStream);
    let deeds: [(&str, Deed); 5] = [
        ("ends without an answer", |stream| {
            read_request(&stream);
        }),
        ("ends within the head", |mut stream| {
            read_request(&stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap();
        }),
        ("ends within the body", |mut stream| {
            read_request(&stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{").unwrap();
        }),
        ("speaks another language", |mut stream| {
            read_request(&stream);
            stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        }),
        ("never stops", |mut stream| {
            read_request(&stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
            let chunk = [b"100000\r\n".as_slice(), &[b' '; 0x10_0000], b"\r\n"].concat();
            while stream.write_all(&chunk).is_ok() {}
        }),
    ];
    for (name, deed) in deeds {
        let mut server = Server::new(move |listener, _: &dyn Fn(())| deed(accept(&listener)));
        let mut rig = Rig::at(server.address);
        rig.http(1, order());
        let (_, answer) = rig.answer();
        assert!(is_lost(&answer), "{name}: {answer:?}");
        assert!(!format!("{answer:?}").contains("5ecre7"), "{name}: {answer:?}");
        drop(rig);
        server.join();
    }
}

#[test]
fn silence_is_lost_after_a_while_and_the_connection_with_it() {
    let mut server = Server::new(|listener, tell| {
        let mut stream = accept(&listener);
        tell(read_request(&stream));
        let second = accept(&listener);
        read_request(&second);
        respond(&second, "200 OK", "fresh");
        // What the first request waited on has ended.
        tell(format!("{:?}", stream.read(&mut [0; 1]).map_err(|error| error.kind())));
    });
    let mut rig = Rig::at(server.address);
    rig.http_within(1, order(), Duration::from_millis(200));
    let (_, answer) = rig.answer();
    assert!(is_lost(&answer), "{answer:?}");
    assert!(server.hear().starts_with("POST"), "it did arrive");
    rig.http(2, time());
    assert_eq!(rig.reply().body, b"fresh");
    assert_eq!(server.hear(), "Ok(0)");
    server.join();
}

#[test]
fn a_connection_that_ended_while_idle_costs_nothing() {
    let mut server = Server::new(|listener, tell| {
        for _ in 0..3 {
            let stream = accept(&listener);
            read_request(&stream);
            respond(&stream, "200 OK", "once");
            stream.shutdown(Shutdown::Both).unwrap();
            tell(());
        }
    });
    let mut rig = Rig::at(server.address);
    for id in 0..3 {
        rig.http(id, order());
        assert_eq!(rig.reply().body, b"once");
        server.hear();
    }
    server.join();
}

#[test]
fn requests_at_the_same_time_do_not_wait_for_each_other() {
    let mut server = Server::new(|listener, _: &dyn Fn(())| {
        let streams = [accept(&listener), accept(&listener), accept(&listener)];
        // Each is answered only when all are here.
        let texts = streams.each_ref().map(read_request);
        for (stream, text) in streams.iter().zip(&texts).rev() {
            let path = text.split(' ').nth(1).unwrap();
            respond(stream, "200 OK", path);
        }
    });
    let mut rig = Rig::at(server.address);
    for id in 0..3 {
        rig.http(id, request(Method::Get, &format!("/{id}")));
    }
    for _ in 0..3 {
        let (id, answer) = rig.answer();
        assert_eq!(answer.unwrap().body, format!("/{id}").into_bytes());
    }
    server.join();
}

#[test]
fn no_redirect_is_followed() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = other.local_addr().unwrap();
    let mut server = Server::new(move |listener, _: &dyn Fn(())| {
        let stream = accept(&listener);
        read_request(&stream);
        respond(&stream, &format!("302 Found\r\nlocation: http://{target}/"), "");
    });
    let mut rig = Rig::at(server.address);
    rig.http(1, time());
    assert_eq!(rig.reply().status, 302);
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nobody came");
    server.join();
}

#[test]
fn only_so_many_requests_wait_at_a_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::at(silent.local_addr().unwrap());
    for id in 0..=256 {
        rig.http(id, time());
    }
    let (id, answer) = rig.answer();
    assert!(id == 256 && is_not_sent(&answer), "{id} {answer:?}");
}
