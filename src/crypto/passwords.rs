//! Password hashes: bcrypt over the base64 of the SHA-256 of the password, so that nothing is cut
//! off at 72 bytes and no NUL ends it early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::Semaphore;

use crate::domain::password::Password;

/// Marks a hash of the SHA-256 of a password. One without it was imported: it is plain bcrypt.
const PREHASHED: &str = "sha256$";
/// Salt and digest of a hash that no password is known for; only the cost in front of it is ours.
const NOBODY: &str = "Ou7rEjNQm1mXv0YwUVmZgu5Zr2T4uIexkPzKqD3Jc8nGhYfW6LaBS";

/// Hashing failed, which no input can cause.
#[derive(Debug, thiserror::Error)]
pub enum HashingFailed {
    /// bcrypt refused its parameters.
    #[error("bcrypt failed")]
    Bcrypt(#[from] bcrypt::BcryptError),
    /// The runtime is shutting down.
    #[error("hashing was interrupted")]
    Interrupted,
}

/// What comparing a password with a stored hash tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Another password.
    Wrong,
    /// The same.
    Right,
    /// The same, but the hash was imported or made with another cost: make a new one.
    RightAndOutdated,
}

/// Hashes passwords on threads of their own, as many at once as there are processors, so that a
/// burst of logins slows no other request.
#[derive(Clone, Debug)]
pub struct Hasher {
    cost: u32,
    places: Arc<Semaphore>,
    processors: usize,
    waiting: Arc<AtomicUsize>,
}

/// Counts whoever waits for a place, for as long as they do.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hasher {
    /// A hasher of a cost; each step doubles the work.
    pub fn new(cost: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cost,
            places: Arc::new(Semaphore::new(processors)),
            processors,
            waiting: Arc::default(),
        }
    }

    /// How many passwords are hashed at this moment, and how many wait for their turn.
    pub fn load(&self) -> [usize; 2] {
        let running = self.processors - self.places.available_permits();
        [running, self.waiting.load(Ordering::Relaxed)]
    }

    /// The hash to store.
    pub async fn hash(&self, password: &Password) -> Result<String, HashingFailed> {
        let (cost, prehash) = (self.cost, prehash(password));
        let hash = self.compute(move || bcrypt::hash(prehash, cost)).await?;
        Ok(format!("{PREHASHED}{hash}"))
    }

    /// Compares a password with a stored hash. Without one it does the same work for nothing, so
    /// that the time does not tell whether there is an account.
    pub async fn compare(
        &self,
        password: &Password,
        stored: Option<&str>,
    ) -> Result<Comparison, HashingFailed> {
        let nobody = format!("{PREHASHED}$2b${:02}${NOBODY}", self.cost);
        let (hash, is_ours) = match stored.unwrap_or(&nobody).strip_prefix(PREHASHED) {
            Some(hash) => (hash.to_owned(), true),
            None => (stored.unwrap_or_default().to_owned(), false),
        };
        let is_current = is_ours && hash.get(4..6) == Some(format!("{:02}", self.cost).as_str());
        let secret = if is_ours {
            prehash(password)
        } else {
            password.expose().to_owned()
        };
        let right = self.compute(move || bcrypt::verify(secret, &hash)).await?;
        Ok(match (right && stored.is_some(), is_current) {
            (false, _) => Comparison::Wrong,
            (true, true) => Comparison::Right,
            (true, false) => Comparison::RightAndOutdated,
        })
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, HashingFailed> {
        let waiting = Waiting::begin(&self.waiting);
        let place = Arc::clone(&self.places).acquire_owned().await;
        drop(waiting);
        let place = place.map_err(|_| HashingFailed::Interrupted)?;
        // The place goes with the work: a caller who gives up does not make room before it ends.
        let computed = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        Ok(computed.await.map_err(|_| HashingFailed::Interrupted)??)
    }
}

fn prehash(password: &Password) -> String {
    let digest = digest::digest(&digest::SHA256, password.expose().as_bytes());
    BASE64_STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: u32 = 4;

    async fn compare(text: &str, stored: Option<&str>) -> Comparison {
        Hasher::new(COST)
            .compare(&Password::new(text), stored)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn nothing_is_cut_off() {
        let long = "x".repeat(100);
        let hash = Hasher::new(COST)
            .hash(&Password::new(&format!("{long}1")))
            .await
            .unwrap();
        assert_eq!(
            compare(&format!("{long}1"), Some(&hash)).await,
            Comparison::Right
        );
        assert_eq!(
            compare(&format!("{long}2"), Some(&hash)).await,
            Comparison::Wrong
        );
        let hash = Hasher::new(COST)
            .hash(&Password::new("before\0after"))
            .await
            .unwrap();
        assert_eq!(
            compare("before\0other", Some(&hash)).await,
            Comparison::Wrong
        );
    }

    #[tokio::test]
    async fn imported_hashes_are_known_and_outdated() {
        for prefix in ["2a", "2b", "2y"] {
            let parts = bcrypt::hash_with_salt("imported-pw", COST, [7; 16]).unwrap();
            let hash = parts.to_string().replacen("2b", prefix, 1);
            assert_eq!(
                compare("imported-pw", Some(&hash)).await,
                Comparison::RightAndOutdated
            );
            assert_eq!(compare("another-pw", Some(&hash)).await, Comparison::Wrong);
        }
        let dearer = Hasher::new(COST + 1)
            .hash(&Password::new("same"))
            .await
            .unwrap();
        assert_eq!(
            compare("same", Some(&dearer)).await,
            Comparison::RightAndOutdated
        );
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        assert_eq!(compare("", None).await, Comparison::Wrong);
    }
}
