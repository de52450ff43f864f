//! The WS API: the same calls over one socket, with sessions.

use std::net::IpAddr;

use ::market::Nanos;
use serde_json::{Value, json};

use super::Machine;
use super::error::ApiError;
use super::faults::Injected;
use super::front::{Fate, Front, bad_signature, check_time};
use super::limits;
use super::params::Params;
use super::routes::{self, Call, Security};
use super::verify::Secret;

/// One connection of the WS API.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The account that logged on, and when.
    account: Option<(usize, Nanos)>,
    connected: Nanos,
    /// Whether replies carry the counters.
    shows_limits: bool,
}

impl Session {
    /// A connection on which nobody has logged on.
    pub fn new(now: Nanos, shows_limits: bool) -> Self {
        Self { account: None, connected: now, shows_limits }
    }
}

/// What a request was understood to be.
struct Asked {
    id: Value,
    method: String,
    params: Params,
}

impl Front {
    /// Answers one message. `None`: the answer is lost and so is the connection.
    pub fn ws_api(
        &mut self,
        machine: &mut dyn Machine,
        now: Nanos,
        session: &mut Session,
        ip: IpAddr,
        text: &str,
    ) -> Option<String> {
        self.now = now;
        self.absorb_events(machine);
        let asked = match read(text) {
            Ok(asked) => asked,
            Err(error) => return Some(refused(&Value::Null, &error)),
        };
        let fault = self.fault_for(&asked.method);
        if let Some(early) = fault.early {
            return replaced(&asked.id, early.reply());
        }
        let result = self.ws_answer(machine, now, session, ip, &asked);
        if let Some(late) = fault.late {
            return replaced(&asked.id, late.reply());
        }
        let mut reply = match result {
            Ok(mut result) => {
                if self.faults.disguises() {
                    self.dice.disguise(&self.faults, &mut result);
                }
                json!({"id": asked.id, "status": 200, "result": result})
            }
            Err(error) => json!({"id": asked.id, "status": error.status, "error": error.body()}),
        };
        if session.shows_limits {
            reply["rateLimits"] = self.ws_limits(now, session, ip, &asked);
        }
        Some(reply.to_string())
    }

    fn fault_for(&mut self, method: &str) -> Injected {
        let verb = match method {
            "order.cancel" => "DELETE",
            "order.place" | "order.modify" => "POST",
            _ => "GET",
        };
        self.dice.draw(&self.faults, verb, method)
    }

    fn ws_answer(
        &mut self,
        machine: &mut dyn Machine,
        now: Nanos,
        session: &mut Session,
        ip: IpAddr,
        asked: &Asked,
    ) -> Result<Value, ApiError> {
        let rules = self.config.limits;
        let params = &asked.params;
        let mut charge =
            |weight| self.weights.charge(&rules, now, ip, weight).map_err(|refused| refused.error);
        match asked.method.as_str() {
            "session.logon" => {
                charge(2)?;
                return self.logon(now, session, params);
            }
            "session.status" => {
                charge(2)?;
                return Ok(self.session_status(now, session));
            }
            "session.logout" => {
                charge(2)?;
                session.account = None;
                return Ok(self.session_status(now, session));
            }
            _ => {}
        }
        let Some(route) = routes::find_method(&asked.method) else {
            charge(1)?;
            return Err(ApiError::new(-1000, format!("Unknown method '{}'.", asked.method)));
        };
        charge(route.weight.of(params))?;
        let who = match route.security {
            Security::None => 0,
            Security::Key => match (params.get("apiKey"), session.account) {
                (None, Some((who, _))) => who,
                (key, _) => self.check_key(key)?,
            },
            Security::Signed => self.ws_authenticate(now, session, params)?,
        };
        if route.orders != (0, 0) {
            self.accounts[who].counts.charge(&rules, now, route.orders)?;
        }
        (route.handler)(self, Call { machine, now, who, params })
    }

    fn ws_authenticate(
        &self,
        now: Nanos,
        session: &Session,
        params: &Params,
    ) -> Result<usize, ApiError> {
        if let (Some((who, _)), None) = (session.account, params.get("apiKey")) {
            check_time(self.faults.skewed(now), params)?;
            return Ok(who);
        }
        let who = self.check_key(params.get("apiKey"))?;
        check_time(self.faults.skewed(now), params)?;
        let signature = params.required("signature")?;
        let text = params.signed_text();
        if !self.accounts[who].config.secret.verify(&[text.as_bytes()], signature) {
            return Err(bad_signature());
        }
        Ok(who)
    }

    fn logon(&self, now: Nanos, session: &mut Session, params: &Params) -> Result<Value, ApiError> {
        let who = self.ws_authenticate(now, &Session { account: None, ..*session }, params)?;
        if matches!(self.accounts[who].config.secret, Secret::Hmac(_)) {
            return Err(ApiError::new(-4056, "HMAC_SHA256 API key is not supported."));
        }
        session.account = Some((who, now));
        Ok(self.session_status(now, session))
    }

    fn session_status(&self, now: Nanos, session: &Session) -> Value {
        let key = session.account.map(|(who, _)| self.accounts[who].config.api_key.as_str());
        json!({
            "apiKey": key, "authorizedSince": session.account.map(|(_, at)| at.as_millis()),
            "connectedSince": session.connected.as_millis(),
            "returnRateLimits": session.shows_limits, "serverTime": self.faults.skewed(now).as_millis(),
        })
    }

    fn ws_limits(&mut self, now: Nanos, session: &Session, ip: IpAddr, asked: &Asked) -> Value {
        let rules = self.config.limits;
        let counted = routes::find_method(&asked.method).is_some_and(|r| r.orders != (0, 0));
        let who = asked.params.get("apiKey").and_then(|key| self.account_of(key));
        let who = who.or(session.account.map(|(who, _)| who));
        match who.filter(|_| counted) {
            Some(who) => {
                let used = self.accounts[who].counts.used(now);
                limits::order_rows(&rules, Some(used)).into_iter().collect()
            }
            None => json!([limits::weight_row(&rules, Some(self.weights.used(now, ip)))]),
        }
    }
}

fn read(text: &str) -> Result<Asked, ApiError> {
    let bad = |what: &str| ApiError::new(-1102, format!("Malformed request: {what}."));
    let message: Value = serde_json::from_str(text).map_err(|_| bad("not JSON"))?;
    let method = message.get("method").and_then(Value::as_str).ok_or_else(|| bad("no method"))?;
    Ok(Asked {
        id: message.get("id").cloned().unwrap_or(Value::Null),
        method: method.to_owned(),
        params: Params::from_json(message.get("params").unwrap_or(&Value::Null)),
    })
}

fn refused(id: &Value, error: &ApiError) -> String {
    json!({"id": id, "status": error.status, "error": error.body()}).to_string()
}

/// A fault's HTTP reply in the WS API's envelope.
fn replaced(id: &Value, reply: super::front::Reply) -> Option<String> {
    if reply.fate == Fate::Drop {
        return None;
    }
    let unknown = || json!({"code": -1000, "msg": "An unknown error occurred."});
    let error: Value = serde_json::from_str(&reply.body).unwrap_or_else(|_| unknown());
    Some(json!({"id": id, "status": reply.status, "error": error}).to_string())
}
