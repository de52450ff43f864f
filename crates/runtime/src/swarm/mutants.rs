//! Broken behaviours by name: the swarm must notice each of them.

/// A behaviour broken on purpose, in the engine or in the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Of the engine.
    Engine(engine::mutants::Mutant),
    /// Of the venue's client.
    Client(binance::client::mutants::Mutant),
}

impl Mutant {
    /// Whether this program contains them.
    pub const BUILT: bool = cfg!(feature = "mutants");

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let engine = engine::mutants::Mutant::ALL.into_iter().map(Self::Engine);
        engine.chain(binance::client::mutants::Mutant::ALL.into_iter().map(Self::Client))
    }

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine(mutant) => mutant.name(),
            Self::Client(mutant) => mutant.name(),
        }
    }

    /// The one of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|mutant| mutant.name() == name)
    }
}

/// From now on traders on this thread behave so; `None` for right.
#[cfg(feature = "mutants")]
pub(super) fn choose(mutant: Option<Mutant>) {
    let (engine, client) = match mutant {
        None => (None, None),
        Some(Mutant::Engine(mutant)) => (Some(mutant), None),
        Some(Mutant::Client(mutant)) => (None, Some(mutant)),
    };
    engine::mutants::choose(engine);
    binance::client::mutants::choose(client);
}

/// Nothing is broken in this build.
#[cfg(not(feature = "mutants"))]
pub(super) fn choose(_: Option<Mutant>) {}
