//! The life of a listen key: made, kept alive, lost, made anew (facts, section 9).

use std::fmt;
use std::time::Duration;

use market::Nanos;

/// What to do about the listen key now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAction {
    /// `POST`: make one, or get the present one.
    Create,
    /// `PUT`: another hour for the one we have.
    KeepAlive,
}

/// What a reply meant for the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyNews {
    /// The same key lives on.
    Kept,
    /// Another key: connect anew with it, then compare the account.
    Reconnect,
}

/// The state of the listen key. Printing it masks the key.
#[derive(Clone)]
pub struct ListenKey {
    key: Option<String>,
    /// When the venue last promised another hour.
    renewed: Nanos,
    /// When to act next.
    due: Nanos,
    /// A request is on its way.
    asking: Option<KeyAction>,
    failures: u32,
}

impl Default for ListenKey {
    fn default() -> Self {
        Self { key: None, renewed: Nanos::ZERO, due: Nanos::ZERO, asking: None, failures: 0 }
    }
}

impl ListenKey {
    /// The venue closes a key this long after its last renewal.
    pub const LIFE: Duration = Duration::from_secs(60 * 60);
    /// Renewed this often: one failure leaves time for many more tries.
    pub const RENEW: Duration = Duration::from_secs(30 * 60);
    const RETRY_FIRST: Duration = Duration::from_secs(1);
    const RETRY_MAX: Duration = Duration::from_secs(60);

    /// The key, while it is believed to live.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What to request now, once; report back with one of the `on_` functions.
    pub fn act(&mut self, now: Nanos) -> Option<KeyAction> {
        if self.key.is_some() && now >= self.renewed + Self::LIFE {
            self.on_expired(now);
        }
        if self.asking.is_some() || now < self.due {
            return None;
        }
        let action = if self.key.is_some() { KeyAction::KeepAlive } else { KeyAction::Create };
        self.asking = Some(action);
        Some(action)
    }

    /// When [`act`](Self::act) may have something to say; `None` while a request is on its way.
    pub fn deadline(&self) -> Option<Nanos> {
        self.asking.is_none().then_some(self.due)
    }

    /// The venue answered with a key, to `POST` or to `PUT`.
    pub fn on_key(&mut self, now: Nanos, key: &str) -> KeyNews {
        let news = match self.key.as_deref() {
            Some(old) if old == key => KeyNews::Kept,
            _ => KeyNews::Reconnect,
        };
        if news == KeyNews::Reconnect {
            self.key = Some(key.to_owned());
        }
        self.renew(now);
        news
    }

    /// The venue answered `PUT` without naming the key.
    pub fn on_kept(&mut self, now: Nanos) {
        self.renew(now);
    }

    /// The request failed; -1125 says that there is no such key.
    pub fn on_failed(&mut self, now: Nanos, code: Option<i64>) {
        self.asking = None;
        if code == Some(-1125) {
            return self.on_expired(now);
        }
        let wait = Self::RETRY_FIRST * 2_u32.saturating_pow(self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        self.due = now + wait.min(Self::RETRY_MAX);
    }

    /// The key is gone: the stream said so, or its hour is over. The socket stays open and silent.
    pub fn on_expired(&mut self, now: Nanos) {
        self.key = None;
        self.asking = None;
        self.failures = 0;
        self.due = now;
    }

    fn renew(&mut self, now: Nanos) {
        (self.renewed, self.due) = (now, now + Self::RENEW);
        (self.asking, self.failures) = (None, 0);
    }
}

impl fmt::Debug for ListenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenKey")
            .field("key", &self.key.as_ref().map(|_| "***"))
            .field("renewed", &self.renewed)
            .field("due", &self.due)
            .field("asking", &self.asking)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Nanos {
        Nanos::from_millis(1_791_000_000_000 + minutes * 60_000)
    }

    #[test]
    fn made_kept_lost_and_made_anew() {
        let mut key = ListenKey::default();
        assert_eq!(key.act(at(0)), Some(KeyAction::Create));
        assert_eq!((key.act(at(0)), key.deadline()), (None, None), "asked once");
        assert_eq!(key.on_key(at(0), "first"), KeyNews::Reconnect);
        assert_eq!(key.deadline(), Some(at(30)));
        assert_eq!(key.act(at(29)), None);
        assert_eq!(key.act(at(30)), Some(KeyAction::KeepAlive));
        assert_eq!(key.on_key(at(30), "first"), KeyNews::Kept);
        assert_eq!(key.act(at(60)), Some(KeyAction::KeepAlive));
        key.on_failed(at(60), Some(-1125));
        assert_eq!(key.key(), None);
        assert_eq!(key.act(at(60)), Some(KeyAction::Create));
        assert_eq!(key.on_key(at(60), "second"), KeyNews::Reconnect);
        key.on_expired(at(61));
        assert_eq!(key.act(at(61)), Some(KeyAction::Create));
        assert!(!format!("{key:?}").contains("second"));
    }

    #[test]
    fn failures_are_retried_slower_and_slower_until_the_hour_is_over() {
        let mut key = ListenKey::default();
        key.act(at(0));
        key.on_key(at(0), "k");
        let mut now = at(30);
        let mut tries = 0;
        while key.act(now) == Some(KeyAction::KeepAlive) {
            key.on_failed(now, None);
            tries += 1;
            let next = key.deadline().unwrap();
            assert!(next > now && next <= now + Duration::from_secs(60));
            now = next;
        }
        assert!((30..40).contains(&tries), "{tries}");
        assert_eq!(key.key(), None, "an hour without renewal");
    }
}
