use std::future::poll_fn;

use apalis_core::backend::Backend;
use apalis_core::worker::context::WorkerContext;
use uuid::Uuid;

use super::*;

fn mail(number: usize) -> MailId {
    MailId::from(Uuid::from_u128(number as u128))
}

/// The next job, as an apalis worker takes it.
async fn next(source: &mut VecDequeBackend<Job>) -> Job {
    let worker = WorkerContext::new("test");
    poll_fn(|cx| source.poll_ready(cx, &worker)).await.unwrap();
    let task = poll_fn(|cx| source.poll_next(cx, &worker)).await;
    task.unwrap().unwrap().args
}

/// A copy of Redis must reveal no secret.
#[test]
fn a_job_holds_the_id_and_nothing_else() {
    let job = serde_json::to_string(&Job { mail: mail(7) }).unwrap();
    assert_eq!(job, r#"{"mail":"00000000-0000-0000-0000-000000000007"}"#);
}

#[tokio::test]
async fn a_full_queue_takes_no_jobs_until_one_is_taken() {
    let queue = Queue::memory();
    let Source::Memory(mut source) = queue.source() else {
        panic!("not in the process");
    };
    for number in 0..=WAITING_MAX {
        queue.enqueue(mail(number)).await.unwrap();
    }
    assert_eq!(queue.status().await.unwrap().waiting, WAITING_MAX);
    assert_eq!(queue.taken(&next(&mut source).await), mail(0));
    assert_eq!(queue.status().await.unwrap().waiting, WAITING_MAX - 1);
    for number in 1..WAITING_MAX {
        assert_eq!(queue.taken(&next(&mut source).await), mail(number));
    }
    assert_eq!(queue.status().await.unwrap().waiting, 0);
}

/// A server starts without Redis, and its requests do not wait for it.
#[tokio::test]
async fn without_redis_enqueueing_fails_and_is_not_tried_for_a_while() {
    let queue = Queue::redis(&SecretString::from("redis://127.0.0.1:1/")).unwrap();
    let first = queue.enqueue(mail(1)).await;
    assert!(matches!(first, Err(QueueError::Redis(_))), "{first:?}");
    let second = queue.enqueue(mail(1)).await;
    assert!(matches!(second, Err(QueueError::CircuitOpen)), "{second:?}");
    assert!(queue.status().await.is_err());
}

#[tokio::test]
async fn an_invalid_url_is_refused_without_being_shown() {
    let refused = Queue::redis(&SecretString::from("http://:hunter2@localhost/"));
    let error = refused.err().unwrap();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// apalis's own interval loses wake-ups; a worker polls immediately, and once more soon after.
#[tokio::test]
async fn a_job_wakes_a_worker_twice_before_its_next_poll() {
    let enqueued = Arc::new(Notify::new());
    let mut listener = Listener::new(Arc::clone(&enqueued)).clone();
    let mut poll = async || {
        poll_fn(|cx| listener.poll_drive(cx, &PollSnapshot::new())).await;
    };
    poll().await;
    let begun = Instant::now();
    enqueued.notify_waiters();
    poll().await;
    poll().await;
    assert!(begun.elapsed() < POLL_INTERVAL, "{:?}", begun.elapsed());
}
