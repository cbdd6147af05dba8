//! Things that go by a name in the database, in logs and in commands.

/// The name is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("unknown {what} {name:?}")]
pub struct UnknownName {
    /// The set of names that was searched.
    pub what: &'static str,
    /// What was not found there.
    pub name: String,
}

/// The one of `all` that goes by `name`; `what` they are is for the error.
pub(super) fn find<T: Copy>(
    what: &'static str,
    all: &[T],
    name_of: fn(T) -> &'static str,
    name: &str,
) -> Result<T, UnknownName> {
    let found = all.iter().copied().find(|one| name_of(*one) == name);
    found.ok_or_else(|| UnknownName {
        what,
        name: name.to_owned(),
    })
}
