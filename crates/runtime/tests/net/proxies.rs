//! Proxies between us and the venue.

use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};

use binance::Method;
use binance::client::NoAnswer;
use runtime::live::net::{Net, NetConfig, NetError};

use crate::rig::{Rig, config, request};
use crate::servers::{Server, accept, read_request, respond};
use crate::venue::{Served, open_user_stream};

/// Carries bytes both ways until either side ends.
fn join(client: TcpStream, venue: TcpStream) {
    for (from, to) in [(&client, &venue), (&venue, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let carry = move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        };
        std::thread::Builder::new().spawn(carry).unwrap();
    }
}

/// An HTTP proxy; tells what it was asked. Ends with the test.
fn http_proxy() -> Server<String> {
    Server::new(|listener, tell| {
        loop {
            let mut client = accept(&listener);
            let head = read_request(&client);
            if let Some(target) = head.split(' ').nth(1).filter(|_| head.starts_with("CONNECT ")) {
                let venue = TcpStream::connect(target).unwrap();
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                join(client, venue);
            }
            tell(head);
        }
    })
}

/// A SOCKS 5 proxy with user and password.
fn socks_proxy() -> Server<String> {
    fn take(client: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).unwrap();
        bytes
    }
    Server::new(|listener, tell| {
        loop {
            let mut client = accept(&listener);
            assert_eq!(take(&mut client, 3), [5, 1, 2], "user and password are offered");
            client.write_all(&[5, 2]).unwrap();
            assert_eq!(take(&mut client, 2), [1, 4]);
            let user = take(&mut client, 4);
            let length = take(&mut client, 1)[0];
            let password = take(&mut client, usize::from(length));
            client.write_all(&[1, 0]).unwrap();
            assert_eq!(take(&mut client, 4), [5, 1, 0, 1], "connect to an IPv4 address");
            let (ip, port) = (take(&mut client, 4), take(&mut client, 2));
            let target = ([ip[0], ip[1], ip[2], ip[3]], u16::from_be_bytes([port[0], port[1]]));
            let venue = TcpStream::connect(std::net::SocketAddr::from(target)).unwrap();
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            join(client, venue);
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            tell(format!("{}:{}", text(user), text(password)));
        }
    })
}

fn through(proxy: String, served: &Served) -> Rig {
    Rig::new(NetConfig { proxy: Some(proxy), ..config("http", served.address) })
}

fn use_both(rig: &mut Rig, served: &Served) {
    rig.http(1, request(Method::Get, "/fapi/v1/time"));
    assert_eq!(rig.reply().status, 200);
    let base = format!("ws://{}", served.address);
    open_user_stream(rig, 1, &base);
    rig.opened(2, &format!("{base}/public/stream?streams=ethusdc@bookTicker"));
    assert!(rig.frame().1.contains("bookTicker"));
}

#[test]
fn requests_and_sockets_go_through_the_proxy() {
    let (served, proxy) = (Served::new(None), http_proxy());
    let mut rig = through(format!("http://user:pass%21@{}", proxy.address), &served);
    use_both(&mut rig, &served);
    drop(rig);
    for _ in 0..3 {
        let head = proxy.hear();
        let venue = served.address;
        assert!(head.starts_with(&format!("CONNECT {venue} HTTP/1.1\r\nHost: {venue}\r\n")));
        assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwYXNzIQ==\r\n"));
        assert!(!head.contains("listenKey") && !head.contains("/fapi"));
    }
    assert!(proxy.told.try_recv().is_err(), "one for requests, two for sockets");
}

#[test]
fn a_socks_proxy_does_as_well() {
    let (served, proxy) = (Served::new(None), socks_proxy());
    let mut rig = through(format!("socks5://user:pass@{}", proxy.address), &served);
    use_both(&mut rig, &served);
    drop(rig);
    assert_eq!([proxy.hear(), proxy.hear(), proxy.hear()], ["user:pass"; 3]);
}

#[test]
fn a_proxy_that_refuses_leaves_nothing_sent() {
    let served = Served::new(None);
    let mut proxy = Server::new(|listener, _: &dyn Fn(())| {
        for _ in 0..2 {
            let stream = accept(&listener);
            read_request(&stream);
            respond(&stream, "407 Proxy Authentication Required", "");
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [proxy.address, closed] {
        let mut rig = through(format!("http://user:hush@{address}"), &served);
        rig.http(1, request(Method::Get, "/fapi/v1/time"));
        let (_, answer) = rig.answer();
        let Err(NoAnswer::NotSent(reason)) = answer else { panic!("{answer:?}") };
        rig.open(2, &format!("ws://{}/public/stream?streams=ethusdc@depth", served.address));
        for reason in [reason, rig.end(2)] {
            assert!(reason.contains(&format!("proxy {address}")), "{reason}");
            assert!(!reason.contains("hush"), "{reason}");
        }
    }
    proxy.join();
}

#[test]
fn what_cannot_be_used_is_refused_at_once() {
    let with =
        |proxy: &str| NetConfig { proxy: Some(proxy.to_owned()), ..config("http", "127.0.0.1:1") };
    for proxy in ["htp://user:hush@p:1", "https://user:hush@p:1", "http://user:hush@", "user hush"]
    {
        assert!(!format!("{:?}", with(proxy)).contains("hush"));
        let Err(error @ NetError::Proxy { .. }) = Rig::build(with(proxy)).map(|_| ()) else {
            panic!("{proxy} is taken")
        };
        assert!(error.to_string().contains("exchange.proxy"), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let mut nowhere = config("http", "127.0.0.1:1");
    "wss://".clone_into(&mut nowhere.endpoints.streams);
    assert!(matches!(Rig::build(nowhere).map(|_| ()), Err(NetError::Address(_))));
    let (sender, _inbox) = tokio::sync::mpsc::unbounded_channel();
    let outside = Net::new(config("http", "127.0.0.1:1"), sender).map(|_| ());
    assert!(matches!(outside, Err(NetError::NoRuntime)));
}
