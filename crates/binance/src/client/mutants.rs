//! Behaviours broken on purpose, to prove that the swarm test would notice.
//!
//! Only with the feature `mutants`, and only on a thread that has chosen one. Without the feature
//! `is` is always false, so that nothing of this is left in the program.

/// One broken behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A new order without an answer is sent again.
    RetryBlindly,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::RetryBlindly];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RetryBlindly => "retry-blindly",
        }
    }
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// From now on clients on this thread behave so; `None` for right.
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
