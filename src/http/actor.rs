//! For whom a request acts, so that the event exchange can name who did something.

use std::cell::RefCell;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::model::Name;

tokio::task_local! {
    static ACTOR: RefCell<Option<Name>>;
}

/// Runs a request with room for its user.
pub async fn remember(request: Request, next: Next) -> Response {
    ACTOR.scope(RefCell::default(), next.run(request)).await
}

/// The request's user is known now, and may act.
pub fn note(user: &Name) {
    // Outside of a request there is nobody to note it for.
    let _ = ACTOR.try_with(|actor| actor.replace(Some(user.clone())));
}

/// The request's user, once it is known.
pub fn current() -> Option<Name> {
    ACTOR.try_with(|actor| actor.borrow().clone()).ok().flatten()
}
