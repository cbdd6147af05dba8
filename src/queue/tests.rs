use std::future::poll_fn;

use apalis_core::backend::Backend;
use apalis_core::worker::context::WorkerContext;
use uuid::Uuid;

use super::*;

fn mail(number: usize) -> MailId {
    MailId::from(Uuid::from_u128(number as u128))
}

/// The next bell, as an apalis worker takes it.
async fn next(source: &mut VecDequeBackend<Bell>) -> Bell {
    let worker = WorkerContext::new("test");
    poll_fn(|cx| source.poll_ready(cx, &worker)).await.unwrap();
    let task = poll_fn(|cx| source.poll_next(cx, &worker)).await;
    task.unwrap().unwrap().args
}

/// A copy of Redis must open nothing.
#[test]
fn a_job_holds_the_id_and_nothing_else() {
    let bell = Bell {
        mail: mail(7),
        place: None,
    };
    let job = serde_json::to_string(&bell).unwrap();
    assert_eq!(job, r#"{"mail":"00000000-0000-0000-0000-000000000007"}"#);
}

#[tokio::test]
async fn a_long_queue_is_not_rung_and_an_answer_makes_room() {
    let queue = Queue::memory();
    let Source::Memory(mut source) = queue.source() else {
        panic!("not in the process");
    };
    for number in 0..=WAITING_MAX {
        queue.ring(mail(number)).await.unwrap();
    }
    assert_eq!(queue.waiting().await.unwrap(), WAITING_MAX);
    assert!(queue.is_unanswered(mail(WAITING_MAX - 1)));
    assert!(!queue.is_unanswered(mail(WAITING_MAX)));

    assert_eq!(queue.answer(next(&mut source).await), mail(0));
    assert_eq!(queue.waiting().await.unwrap(), WAITING_MAX - 1);
    assert!(!queue.is_unanswered(mail(0)));
}

/// A server must start without Redis, and its requests must not wait for it.
#[tokio::test]
async fn without_redis_ringing_fails_and_then_is_not_tried_for_a_while() {
    let queue = Queue::redis(&SecretString::from("redis://127.0.0.1:1/")).unwrap();
    let first = queue.ring(mail(1)).await;
    assert!(matches!(first, Err(QueueError::Redis(_))), "{first:?}");
    let second = queue.ring(mail(1)).await;
    assert!(matches!(second, Err(QueueError::Resting)), "{second:?}");
    assert!(!queue.is_unanswered(mail(1)));
    assert!(queue.waiting().await.is_err());
}

#[tokio::test]
async fn an_address_of_something_else_is_refused_without_being_shown() {
    let refused = Queue::redis(&SecretString::from("http://:hunter2@localhost/"));
    let error = refused.err().unwrap();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// apalis's own interval loses wake-ups; a worker must look at once, and once more soon after.
#[tokio::test]
async fn a_bell_wakes_a_worker_twice_before_its_next_look() {
    let bell = Arc::new(Notify::new());
    let mut listener = Listener::new(Arc::clone(&bell)).clone();
    let mut look = async || {
        poll_fn(|cx| listener.poll_drive(cx, &PollSnapshot::new())).await;
    };
    look().await;
    let begun = Instant::now();
    bell.notify_waiters();
    look().await;
    look().await;
    assert!(begun.elapsed() < POLL_INTERVAL, "{:?}", begun.elapsed());
}
