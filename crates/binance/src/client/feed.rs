//! Stub while the real one is written.
use super::{Io, SocketId};
use crate::endpoints::Endpoints;
use market::{Instrument, Nanos};
pub(crate) struct FeedConfig {
    pub(crate) endpoints: Endpoints,
    pub(crate) instrument: Instrument,
    pub(crate) copies: u8,
    pub(crate) seed: u64,
}
/// Stub.
#[derive(Clone, Debug)]
pub struct FeedStatus {}
pub(crate) struct Feed {
    config: FeedConfig,
}
impl Feed {
    pub(crate) fn new(config: FeedConfig) -> Self {
        Self { config }
    }
    pub(crate) fn start(&mut self, _: &mut Io<'_>) {
        let _ =
            (&self.config.endpoints, &self.config.instrument, self.config.copies, self.config.seed);
    }
    pub(crate) fn owns(&self, _: SocketId) -> bool {
        false
    }
    pub(crate) fn opened(&mut self, _: &mut Io<'_>, _: SocketId) {}
    pub(crate) fn heard(&mut self, _: &mut Io<'_>, _: SocketId) {}
    pub(crate) fn closed(&mut self, _: &mut Io<'_>, _: SocketId, _: &str) {}
    pub(crate) fn frame(&mut self, _: &mut Io<'_>, _: SocketId, _: &[u8]) {}
    pub(crate) fn on_time(&mut self, _: &mut Io<'_>) {}
    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        None
    }
    pub(crate) fn wants_snapshot(&self, _: Nanos) -> bool {
        false
    }
    pub(crate) fn snapshot_sent(&mut self, _: &mut Io<'_>) {}
    pub(crate) fn on_snapshot(&mut self, _: &mut Io<'_>, _: Result<&[u8], ()>) {}
    pub(crate) fn status(&self, _: Nanos) -> FeedStatus {
        FeedStatus {}
    }
}
