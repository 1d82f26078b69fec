//! A panic in one connection stays there.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// What `work` gives, or `None` where it panicked; the panic is logged.
///
/// Nothing of the work is looked at after a panic but what stands behind locks that others take anyhow.
pub async fn contain<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => {
                tracing::error!("a fault in the broker ends this connection; please report it");
                Poll::Ready(None)
            }
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_ends_nobody_else() {
        assert_eq!(contain(async { 5 }).await, Some(5));
        let late = async {
            tokio::task::yield_now().await;
            std::panic::resume_unwind(Box::new("a fault"))
        };
        assert_eq!(contain::<()>(late).await, None);
    }
}
