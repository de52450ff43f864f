use super::*;

fn check(text: &str, kind: &str, unknown: &[&str]) -> Value {
    let found = describe(text);
    assert_eq!(found["kind"], kind, "{found:#}");
    let names: Vec<&str> = found["unknown_fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(names, unknown, "{found:#}");
    assert_eq!(found.get("problems"), None, "{found:#}");
    found["understood"].clone()
}

#[test]
fn names_what_it_knows_and_what_it_does_not() {
    let ticker = check(
        r#"{"stream":"ethusdc@bookTicker","data":{"e":"bookTicker","u":7,"s":"ETHUSDC","b":"2610.58",
           "B":"12.004","a":"2610.59","A":"3.377","T":1791000000101,"E":1791000000102,"zz":1}}"#,
        "best bid and ask",
        &["zz"],
    );
    assert_eq!(ticker["bid"], "2610.58");
    assert_eq!(ticker["event_time"], "2026-10-03T04:00:00.102Z");
    assert_eq!(ticker["stream"], "ethusdc@bookTicker");
    let book = r#"{"stream":"x@depth5","data":{"e":"depthUpdate","u":1,"b":[["1","2"]],"a":[]}}"#;
    let book = check(book, "partial book (replaces)", &[]);
    assert_eq!(book["bids"]["count"], 1);
    check(r#"{"e":"NEW_EVENT","x":1}"#, "unknown event", &["x"]);
    check(r#"{"hello":1}"#, "unknown", &["hello"]);
    check("[]", "list", &[]);
    check("5", "neither an object nor a list", &[]);
}

#[test]
fn errors_come_with_their_meaning() {
    let error = check(r#"{"code":-2011,"msg":"Unknown order sent."}"#, "error", &[]);
    assert_eq!(error["meaning"]["reaction"], "Query");
    assert_eq!(error["meaning"]["reject"], "UnknownOrder");
    check(r#"{"code":200,"msg":"success"}"#, "confirmation", &[]);
    let reply = r#"{"id":"7","status":400,"error":{"code":-5022,"msg":"x"},"rateLimits":[]}"#;
    let reply = check(reply, "WS API reply", &[]);
    assert_eq!(reply["error"]["reject"], "WouldTake");
}

#[test]
fn wrong_types_are_problems_and_not_failures() {
    let found = describe(r#"{"e":"bookTicker","s":5,"b":"abc","u":"x"}"#);
    assert_eq!(found["problems"].as_array().unwrap().len(), 3, "{found:#}");
    let cut = describe(r#"{"e":"bookTicker","s":"#);
    assert_eq!(cut["kind"], "malformed");
    assert!(cut["reason"].as_str().unwrap().contains("JSON"), "{cut}");
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(describe(&deep)["kind"], "list");
    assert_eq!(describe(&"[".repeat(1_000_000))["kind"], "malformed");
}

#[test]
fn secrets_stay_secret() {
    let key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";
    for text in [
        format!(r#"{{"listenKey":"{key}"}}"#),
        format!(r#"{{"e":"listenKeyExpired","E":1,"listenKey":"{key}"}}"#),
        format!(r#"{{"stream":"{key}","data":{{"e":"ACCOUNT_UPDATE"}}}}"#),
        format!(r#"{{"id":1,"method":"m","params":{{"apiKey":"{key}","signature":"{key}"}}}}"#),
        format!(r#"{{"id":1,"status":200,"result":{{"apiKey":"{key}","connectedSince":1}}}}"#),
        format!(r#"{{"listenKey":"{key}" broken"#),
        format!(r#"{{"{key}":1}}"#),
    ] {
        let shown = describe(&text).to_string();
        assert!(!shown.contains("pqia91"), "{shown}");
    }
}
