//! Password hashes: bcrypt over base64 of SHA-256 of the password, because bcrypt ignores everything
//! after 72 bytes or a NUL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::Semaphore;

use crate::domain::password::Password;

/// Marks a hash over SHA-256. A hash without it was imported and is plain bcrypt.
const PREHASHED: &str = "sha256$";
/// Salt and digest of a hash without a known password, compared when there is no hash.
const DUMMY: &str = "Ou7rEjNQm1mXv0YwUVmZgu5Zr2T4uIexkPzKqD3Jc8nGhYfW6LaBS";

/// No input causes this.
#[derive(Debug, thiserror::Error)]
pub enum HashingFailed {
    #[error("bcrypt failed")]
    Bcrypt(#[from] bcrypt::BcryptError),
    /// The runtime is shutting down.
    #[error("hashing was interrupted")]
    Interrupted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Wrong,
    Right,
    /// The hash was imported or has another cost, and should be replaced.
    RightAndOutdated,
}

/// Hashes passwords on blocking threads, as many at once as there are processors, so that a burst of
/// logins does not slow down other requests.
#[derive(Clone, Debug)]
pub struct Hasher {
    cost: u32,
    permits: Arc<Semaphore>,
    processors: usize,
    waiting: Arc<AtomicUsize>,
}

/// Counts a waiting caller until dropped.
struct WaitingGuard(Arc<AtomicUsize>);

impl WaitingGuard {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for WaitingGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hasher {
    /// Each step of `cost` doubles the work.
    pub fn new(cost: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cost,
            permits: Arc::new(Semaphore::new(processors)),
            processors,
            waiting: Arc::default(),
        }
    }

    /// How many passwords are being hashed, and how many are waiting.
    pub fn load(&self) -> [usize; 2] {
        let running = self.processors - self.permits.available_permits();
        [running, self.waiting.load(Ordering::Relaxed)]
    }

    pub async fn hash(&self, password: &Password) -> Result<String, HashingFailed> {
        let (cost, prehash) = (self.cost, prehash(password));
        let hash = self.compute(move || bcrypt::hash(prehash, cost)).await?;
        Ok(format!("{PREHASHED}{hash}"))
    }

    /// Compares a password with a stored hash. Does the same work without one, so that the time does
    /// not reveal whether a user exists.
    pub async fn compare(
        &self,
        password: &Password,
        stored: Option<&str>,
    ) -> Result<Comparison, HashingFailed> {
        let dummy = format!("{PREHASHED}$2b${:02}${DUMMY}", self.cost);
        let (hash, is_ours) = match stored.unwrap_or(&dummy).strip_prefix(PREHASHED) {
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
        let waiting = WaitingGuard::new(&self.waiting);
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        drop(waiting);
        let permit = permit.map_err(|_| HashingFailed::Interrupted)?;
        // The work holds the permit: a cancelled caller does not free it before the work ends.
        let computed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
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
    async fn every_character_counts() {
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
    async fn imported_hashes_are_accepted_and_outdated() {
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
    async fn an_empty_password_without_a_hash_is_wrong() {
        assert_eq!(compare("", None).await, Comparison::Wrong);
    }
}
