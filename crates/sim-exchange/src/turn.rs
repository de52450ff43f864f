//! What both machines share: the names of what can happen next, and how a command is carried out.

use std::time::Duration;

use market::Nanos;
use market::venue::{RequestKind, VenueCommand, VenueReport};

use crate::config::AccountId;
use crate::latency::{Luck, Wire};
use crate::venue::{Liquidity, Venue};

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// When the venue opens.
    Open,
    /// When funding is paid.
    Funding,
    /// When a recorded event happens.
    Market,
    /// When a participant of the crowd acts.
    Crowd,
    /// When a dead-man's switch goes off.
    DeadMan,
    /// When a command reaches the venue.
    Command,
    /// When mark and index are published.
    Mark,
    /// When the user stream goes down or comes back.
    StreamEdge,
    /// When best bid and ask are published.
    Ticker,
    /// When depth changes are published.
    Diff,
    /// When a lost part of the feed is made good.
    Repair,
    /// When something reaches the trader.
    Deliver,
}

/// The earliest of the candidates; the first of equals.
pub(crate) fn earliest(candidates: &[(Option<Nanos>, Deadline)]) -> Option<(Nanos, Deadline)> {
    let mut best: Option<(Nanos, Deadline)> = None;
    for &(at, deadline) in candidates {
        if let Some(at) = at
            && best.is_none_or(|(first, _)| at < first)
        {
            best = Some((at, deadline));
        }
    }
    best
}

/// Carries out a command of the trader, or what the faults make of it.
pub(crate) fn execute<L: Liquidity>(
    wire: &mut Wire,
    venue: &mut Venue,
    book: &mut L,
    now: Nanos,
    command: &VenueCommand,
) {
    let luck = wire.luck(command);
    match luck {
        Luck::Fine => venue.execute(book, now, AccountId::TRADER, command),
        Luck::DoubtExecuted => {
            venue.execute(book, now, AccountId::TRADER, command);
            // The first thing said is the answer to the request; everything after it is news.
            let answer = venue
                .reports
                .iter()
                .position(|out| out.account == AccountId::TRADER && !out.stream);
            if let Some(index) = answer {
                venue.reports.remove(index);
            }
        }
        Luck::DoubtDropped | Luck::Dropped | Luck::Failed => {}
    }
    match (luck, command) {
        (Luck::Failed, VenueCommand::ArmDeadMan { .. }) => {
            wire.send(now, VenueReport::DeadManFailed, Duration::ZERO);
        }
        (Luck::Failed, _) => wire.send(now, VenueReport::QueryFailed, Duration::ZERO),
        (Luck::DoubtExecuted | Luck::DoubtDropped, _) => {
            if let Some(report) = doubt(command) {
                wire.send(now, report, Duration::ZERO);
            }
        }
        (Luck::Fine | Luck::Dropped, _) => {}
    }
}

fn doubt(command: &VenueCommand) -> Option<VenueReport> {
    let (client_id, request) = match command {
        VenueCommand::Place(order) => (order.client_id, RequestKind::Place),
        VenueCommand::Amend(amend) => (amend.client_id, RequestKind::Amend),
        VenueCommand::Cancel { client_id, .. } => (*client_id, RequestKind::Cancel),
        VenueCommand::CancelAll { .. }
        | VenueCommand::ArmDeadMan { .. }
        | VenueCommand::QueryOrder { .. }
        | VenueCommand::QueryAccount { .. } => return None,
    };
    Some(VenueReport::InDoubt { client_id, request })
}
