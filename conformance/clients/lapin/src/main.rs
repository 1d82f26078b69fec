//! The features of a broker, seen through lapin. Each check prints one line of JSON.

mod extensions;
mod messages;
mod session;
mod topology;

use session::{CHECK_LIMIT, Outcome, Session};

/// Runs the named feature on a connection of its own.
async fn perform(feature: &str) -> Outcome {
    let s = Session::open().await?;
    let outcome = match feature {
        "connect" => messages::connect(&s).await,
        "heartbeat" => messages::heartbeat().await,
        "close" => messages::close(&s).await,
        "publish" => messages::publish(&s).await,
        "consume" => messages::consume(&s).await,
        "confirm" => messages::confirm(&s).await,
        "return" => messages::returned(&s).await,
        "qos" => messages::qos(&s).await,
        "get" => messages::get(&s).await,
        "nack" => messages::nack(&s).await,
        "recover" => messages::recover(&s).await,
        "tx" => messages::tx(&s).await,
        "big-body" => messages::big_body(&s).await,
        "exchange" => topology::exchange(&s).await,
        "queue" => topology::queue(&s).await,
        "direct" | "fanout" | "topic" | "headers" => topology::routing(&s, feature).await,
        "errors" => topology::errors(&s).await,
        "cancel" => extensions::cancel(&s).await,
        "ttl" => extensions::ttl(&s).await,
        "max-length" => extensions::max_length(&s).await,
        "priority" => extensions::priority(&s).await,
        "reply-to" => extensions::reply_to(&s).await,
        other => Err(format!("there is no check {other}").into()),
    };
    // The connection may be gone already; the outcome of the check is what counts.
    let _ = s.connection.close(200, "done".into()).await;
    outcome
}

const FEATURES: [&str; 25] = [
    "connect",
    "heartbeat",
    "close",
    "publish",
    "consume",
    "confirm",
    "return",
    "qos",
    "get",
    "nack",
    "recover",
    "tx",
    "exchange",
    "queue",
    "direct",
    "fanout",
    "topic",
    "headers",
    "big-body",
    "errors",
    "cancel",
    "ttl",
    "max-length",
    "priority",
    "reply-to",
];

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut passed = true;
    for feature in FEATURES {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == feature) {
            continue;
        }
        let outcome = match tokio::time::timeout(CHECK_LIMIT, perform(feature)).await {
            Ok(outcome) => outcome.map_err(|failure| failure.0),
            Err(_) => Err(format!("the check took more than {CHECK_LIMIT:?}")),
        };
        passed &= outcome.is_ok();
        let line = serde_json::json!({
            "client": "lapin", "feature": feature, "ok": outcome.is_ok(),
            "detail": outcome.err().unwrap_or_default(),
        });
        println!("{line}");
    }
    std::process::exit(i32::from(!passed));
}
