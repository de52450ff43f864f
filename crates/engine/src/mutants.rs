//! Behaviours broken on purpose, to prove that the swarm test would notice.
//!
//! Only with the feature `mutants`, and only on a thread that has chosen one. Without the feature
//! `is` is always false, so that nothing of this is left in the program.

/// One broken behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A fill of an order that we believe is over is forgotten.
    ForgetLateFill,
    /// A fill that is reported twice counts twice.
    CountTwice,
    /// Amendments pass without the risk gate.
    UngatedAmend,
    /// A cancel counts as done without being sent.
    DropCancel,
    /// Only confirmed orders count in exposure.
    IgnoreInFlight,
    /// What an order's status says is filled moves the position.
    PositionFromStatus,
    /// A book with a hole in it is priced from.
    QuoteGappedBook,
    /// A book is priced from, however old.
    QuoteStaleBook,
    /// The dead-man's switch is armed again although nobody knows what became of an order.
    RearmInDoubt,
    /// The dead-man's switch is taken to be armed without a confirmation.
    AssumeArmed,
    /// Quoting goes on without a user stream.
    IgnoreStreamDown,
    /// An order that the venue says it does not know counts as canceled.
    CancelGranted,
    /// A request without an answer counts as refused.
    DoubtIsNo,
    /// A restart forgets what was lost today.
    ForgetDailyLoss,
    /// A restart lifts a halt.
    ForgetHalt,
    /// A loss limit is no longer breached when the market comes back.
    LossRecovers,
    /// Missed fills are asked for since the newest that we know, not since the last agreement.
    AskSinceNewest,
    /// Nothing looks whether an order would trade with one of our own.
    CrossItself,
    /// A halt returns early and leaves what rests where it is.
    HaltKeepsQuotes,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::ForgetLateFill,
        Self::CountTwice,
        Self::UngatedAmend,
        Self::DropCancel,
        Self::IgnoreInFlight,
        Self::PositionFromStatus,
        Self::QuoteGappedBook,
        Self::QuoteStaleBook,
        Self::RearmInDoubt,
        Self::AssumeArmed,
        Self::IgnoreStreamDown,
        Self::CancelGranted,
        Self::DoubtIsNo,
        Self::ForgetDailyLoss,
        Self::ForgetHalt,
        Self::LossRecovers,
        Self::AskSinceNewest,
        Self::CrossItself,
        Self::HaltKeepsQuotes,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForgetLateFill => "forget-late-fill",
            Self::CountTwice => "count-twice",
            Self::UngatedAmend => "ungated-amend",
            Self::DropCancel => "drop-cancel",
            Self::IgnoreInFlight => "ignore-in-flight",
            Self::PositionFromStatus => "position-from-status",
            Self::QuoteGappedBook => "quote-gapped-book",
            Self::QuoteStaleBook => "quote-stale-book",
            Self::RearmInDoubt => "rearm-in-doubt",
            Self::AssumeArmed => "assume-armed",
            Self::IgnoreStreamDown => "ignore-stream-down",
            Self::CancelGranted => "cancel-granted",
            Self::DoubtIsNo => "doubt-is-no",
            Self::ForgetDailyLoss => "forget-daily-loss",
            Self::ForgetHalt => "forget-halt",
            Self::LossRecovers => "loss-recovers",
            Self::AskSinceNewest => "ask-since-newest",
            Self::CrossItself => "cross-itself",
            Self::HaltKeepsQuotes => "halt-keeps-quotes",
        }
    }
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// From now on engines on this thread behave so; `None` for right.
#[cfg(feature = "mutants")]
pub fn choose(mutant: Option<Mutant>) {
    CHOSEN.set(mutant);
}

/// Whether this behaviour is broken here.
#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    CHOSEN.get() == Some(mutant)
}

/// Whether this behaviour is broken here: never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
