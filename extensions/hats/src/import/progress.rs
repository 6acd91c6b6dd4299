//! How far an import is, told to whoever wants to know.

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading and sorting rows; counted in rows, whose total is not known.
    Read,
    /// Writing leaves; counted in rows.
    Write,
    /// Writing what stands beside the leaves: margin, indexes, sky maps.
    Supplement,
}

/// Who is told. Called from several threads, often: it must be quick.
pub trait Progress: Send + Sync {
    /// A stage begins; `total` is what [`advance`](Self::advance) will add up to, where known.
    fn stage(&self, stage: Stage, total: Option<u64>);
    /// The stage went on by so much.
    fn advance(&self, by: u64);
}

/// Tells nobody.
impl Progress for () {
    fn stage(&self, _: Stage, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
}
