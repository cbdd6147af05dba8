//! The cache by itself: what the liveness of sessions builds upon.

use std::time::Duration;

use gatelodge::testing::cache::Cache;

use crate::support::eventually;
use crate::support::redis::{RedisDatabase, RedisServer};

const MINUTE: Duration = Duration::from_mins(1);

async fn cache() -> Cache {
    let redis = RedisDatabase::claim().await;
    Cache::redis(&redis.url().into()).unwrap()
}

/// The mark of an ended session cannot be overwritten by a reader who asked the database before.
#[tokio::test]
async fn a_stale_fill_does_not_replace_a_tombstone() {
    let cache = cache().await;
    cache
        .put_if_absent("session", "alive", MINUTE)
        .await
        .unwrap();
    assert_eq!(
        cache.get("session").await.unwrap().as_deref(),
        Some("alive")
    );
    cache.put("session", "ended", MINUTE).await.unwrap();
    cache
        .put_if_absent("session", "alive", MINUTE)
        .await
        .unwrap();
    assert_eq!(
        cache.get("session").await.unwrap().as_deref(),
        Some("ended"),
        "{cache:?}"
    );
    assert_eq!(cache.get("another").await.unwrap(), None);
}

/// However many fill at the same time as one buries, the tombstone is what stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fills_that_race_with_a_tombstone_lose() {
    let cache = cache().await;
    for round in 0..50 {
        let key = format!("session {round}");
        let fills = (0..8).map(|_| {
            let (cache, key) = (cache.clone(), key.clone());
            tokio::spawn(async move { cache.put_if_absent(&key, "alive", MINUTE).await })
        });
        let fills: Vec<_> = fills.collect();
        cache.put(&key, "ended", MINUTE).await.unwrap();
        for fill in fills {
            fill.await.unwrap().unwrap();
        }
        assert_eq!(
            cache.get(&key).await.unwrap().as_deref(),
            Some("ended"),
            "{cache:?}"
        );
    }
}

/// What is kept is forgotten after its lifetime: a tombstone lives as long as it was told to,
/// also where it took the place of something that would have lived for a shorter time.
#[tokio::test]
async fn an_entry_expires_after_its_lifetime() {
    let cache = cache().await;
    let second = Duration::from_secs(1);
    cache.put("short", "alive", second).await.unwrap();
    cache.put("long", "alive", second).await.unwrap();
    cache.put("long", "ended", MINUTE).await.unwrap();
    eventually("the end of an entry", async || {
        cache.get("short").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(
        cache.get("long").await.unwrap().as_deref(),
        Some("ended"),
        "{cache:?}"
    );
    // Once it is gone, a reader may fill again.
    cache.put_if_absent("short", "alive", MINUTE).await.unwrap();
    assert_eq!(
        cache.get("short").await.unwrap().as_deref(),
        Some("alive"),
        "{cache:?}"
    );
}

/// Two processes see each other's entries on Redis; a Redis that hangs is an error and not a
/// miss, and everything goes on when it is back, even empty.
#[tokio::test]
async fn an_unreachable_redis_is_not_a_miss() {
    let server = RedisServer::start().await;
    let (one, other) = (
        Cache::redis(&server.url().into()).unwrap(),
        Cache::redis(&server.url().into()).unwrap(),
    );
    one.put("session", "ended", MINUTE).await.unwrap();
    assert_eq!(
        other.get("session").await.unwrap().as_deref(),
        Some("ended")
    );

    server.pause();
    assert!(other.get("session").await.is_err());
    assert!(one.put_if_absent("session", "alive", MINUTE).await.is_err());
    server.resume();
    eventually("Redis to answer again", async || {
        other.get("session").await.ok()
    })
    .await;

    server.kill();
    assert!(other.get("session").await.is_err());
    server.restart().await;
    let found = eventually("Redis to be there again", async || {
        other.get("session").await.ok()
    })
    .await;
    assert_eq!(found, None);
}
