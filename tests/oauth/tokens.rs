//! What bearers of tokens may do, and for how long.

use std::sync::atomic::Ordering;

use super::broker::{Broker, basic};
use super::client::{Client, long, method, publish, short};
use super::keys::{Issuer, KeyServer, now_s};

const FROM_FILE: &str = "[oauth]\nresource_server_id = \"rabbitmq\"\njwks_file = \"FOLDER/keys.json\"\nleeway_s = 0\n";
const ALL: &str = "rabbitmq.configure:*/* rabbitmq.write:*/* rabbitmq.read:*/* rabbitmq.tag:administrator";

fn from_file(issuer: &Issuer) -> Broker {
    Broker::start_with(FROM_FILE, &[("keys.json", &issuer.key_set())])
}

/// Logs in with a token as password.
fn bearer(broker: &Broker, token: &str) -> Result<Client, Option<(u16, String)>> {
    let mut client = Client::connect(broker.amqp);
    client.log_in("whoever", token, "/")?;
    client.open_channel(1);
    Ok(client)
}

fn update_secret(token: &str) -> Vec<u8> {
    method(0, 10, 70, &[long(token.as_bytes()), short("renewed")].concat())
}

#[test]
fn a_token_logs_in_and_its_scopes_count() {
    let issuer = Issuer::new("one");
    let broker = from_file(&issuer);
    let scope = "rabbitmq.configure:%2F/own* rabbitmq.write:%2F/amq.default rabbitmq.read:%2F/own*";
    let mut client = bearer(&broker, &issuer.token("carla", scope, 60)).ok().unwrap();
    client.declare(1, "own");
    client.publish_and_wait(1, "own", b"x");
    client.consume(1, "own", true);
    assert_eq!(client.delivery().1, b"x");
    client.send(&method(
        1,
        50,
        10,
        &[&[0, 0][..], &short("other"), &[0], &long(b"")].concat(),
    ));
    let (code, text) = client.frame().unwrap().fault();
    assert_eq!(code, 403);
    assert!(
        text.contains("configure access to queue 'other' in vhost '/' refused for user 'carla'"),
        "{text}"
    );
    // No scope for the vhost, nobody's key, and users with passwords as before.
    let elsewhere = issuer.token("carla", "rabbitmq.read:shop/*", 60);
    assert_eq!(bearer(&broker, &elsewhere).err().unwrap().unwrap().0, 530);
    let forged = Issuer::new("one").token("carla", ALL, 60);
    assert_eq!(bearer(&broker, &forged).err().unwrap().unwrap().0, 403);
    broker.assert_well();
    // A user of the broker has none of its own rights through a token of the same name.
    let ann = issuer.token("ann", "rabbitmq.read:%2F/none", 60);
    let mut client = bearer(&broker, &ann).ok().unwrap();
    client.send(&publish(1, "own", b"x"));
    assert_eq!(client.frame().unwrap().fault().0, 403);
}

#[test]
fn a_connection_ends_with_its_token() {
    let issuer = Issuer::new("one");
    let broker = from_file(&issuer);
    let mut client = bearer(&broker, &issuer.token("carla", ALL, 4)).ok().unwrap();
    client.declare(1, "q");
    client.consume(1, "q", true);
    let (code, text) = client.frame().unwrap().fault();
    assert_eq!(code, 320);
    assert!(text.contains("the token has expired"), "{text}");
    assert_eq!(
        bearer(&broker, &issuer.token("carla", ALL, 0))
            .err()
            .unwrap()
            .unwrap()
            .0,
        403
    );
}

#[test]
fn update_secret_renews() {
    let issuer = Issuer::new("one");
    let broker = from_file(&issuer);
    let mut client = bearer(&broker, &issuer.token("carla", ALL, 4)).ok().unwrap();
    client.declare(1, "first");
    // Some seconds more, with fewer rights: the channel notices at once.
    client.consume(1, "first", true);
    let fewer = "rabbitmq.configure:%2F/first rabbitmq.read:%2F/first rabbitmq.write:%2F/amq.default";
    let renewed_until = now_s() + 8;
    client.send(&update_secret(&issuer.token("carla", fewer, 8)));
    client.expect(10, 71);
    client.publish(1, "first", b"still");
    assert_eq!(client.delivery().1, b"still");
    // Past the first token's end the connection goes on; the second one's ends it.
    let (code, text) = client.frame().unwrap().fault();
    assert_eq!((code, text.contains("expired")), (320, true));
    assert!(now_s() >= renewed_until, "the first token's end did not count");
}

#[test]
fn a_renewal_that_takes_rights_away_or_is_somebody_elses() {
    let issuer = Issuer::new("one");
    let broker = from_file(&issuer);
    let mut client = bearer(&broker, &issuer.token("carla", ALL, 60)).ok().unwrap();
    client.declare(1, "q");
    client.publish_and_wait(1, "q", b"x");
    client.send(&update_secret(&issuer.token("carla", "rabbitmq.read:%2F/q", 60)));
    client.expect(10, 71);
    client.send(&publish(1, "q", b"y"));
    assert_eq!(client.frame().unwrap().fault().0, 403, "what was cached is gone");
    for token in [
        issuer.token("dave", ALL, 60),
        issuer.token("carla", ALL, 0),
        Issuer::new("one").token("carla", ALL, 60),
        "ann".to_owned(),
    ] {
        let mut client = bearer(&broker, &issuer.token("carla", ALL, 60)).ok().unwrap();
        client.send(&update_secret(&token));
        assert_eq!(client.frame().unwrap().fault().0, 530);
    }
}

#[test]
fn the_api_takes_tokens() {
    let issuer = Issuer::new("one");
    let broker = from_file(&issuer);
    let ask = |authorization: String, path: &str| broker.ask_with(&authorization, "GET", path, "");
    let token = issuer.token("carla", ALL, 60);
    let whoami = ask(format!("Bearer {token}"), "/api/whoami");
    assert_eq!(whoami.status, 200, "{whoami:?}");
    let whoami: serde_json::Value = serde_json::from_str(&whoami.body).unwrap();
    assert_eq!(whoami["name"], "carla");
    assert_eq!(whoami["tags"], serde_json::json!(["administrator"]));
    assert_eq!(whoami["is_internal_user"], false);
    assert_eq!(ask(basic("x", &token), "/api/users").status, 200, "as a password too");
    let manager = issuer.token("dave", "rabbitmq.tag:management rabbitmq.read:shop/*", 60);
    assert_eq!(ask(format!("bearer {manager}"), "/api/users").status, 401);
    assert_eq!(ask(format!("Bearer {manager}"), "/api/queues/%2F").status, 401);
    let nobody = issuer.token("eve", "rabbitmq.read:*/*", 60);
    for refused in [
        format!("Bearer {nobody}"),
        format!("Bearer {}", issuer.token("carla", ALL, 0)),
        format!("Bearer {}", Issuer::new("one").token("carla", ALL, 60)),
        "Bearer ann".to_owned(),
        "Bearer".to_owned(),
    ] {
        assert_eq!(ask(refused.clone(), "/api/whoami").status, 401, "{refused}");
    }
}

#[test]
fn keys_from_an_address_and_a_new_one() {
    let issuer = Issuer::new("one");
    let server = KeyServer::start(issuer.key_set());
    let broker = Broker::start(&format!(
        "[oauth]\nresource_server_id = \"rabbitmq\"\njwks_url = \"http://{}/keys\"\njwks_refetch_pause_s = 1\n",
        server.address
    ));
    assert!(bearer(&broker, &issuer.token("carla", ALL, 60)).is_ok());
    let next = Issuer::new("two");
    *server.keys.lock() = next.key_set();
    // The pause since the start has to be over; each attempt is a login of its own, answered without a delay.
    let renewed = (0..600).any(|_| bearer(&broker, &next.token("carla", ALL, 60)).is_ok());
    assert!(renewed, "the new key is fetched");
    let asked = server.asked.load(Ordering::SeqCst);
    assert!(asked >= 2);
    assert!(
        bearer(&broker, &issuer.token("carla", ALL, 60)).is_err(),
        "the old key is withdrawn"
    );
}

#[test]
fn tokens_wait_for_an_address_that_does_not_answer_and_a_faulty_file_is_refused() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let issuer = Issuer::new("one");
    let broker = Broker::start(&format!(
        "[oauth]\nresource_server_id = \"rabbitmq\"\njwks_url = \"http://{closed}/keys\"\n"
    ));
    assert!(bearer(&broker, &issuer.token("carla", ALL, 60)).is_err());
    assert!(
        broker
            .log()
            .contains("no token can be verified until the keys can be fetched")
    );
    broker.assert_well();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warren.toml");
    let keys = folder.path().join("keys.json");
    for (text, fault) in [
        (None, "cannot be read"),
        (Some("<html>"), "is no JSON Web Key Set"),
        (
            Some("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}"),
            "holds no public key",
        ),
    ] {
        if let Some(text) = text {
            std::fs::write(&keys, text).unwrap();
        }
        std::fs::write(&file, FROM_FILE.replace("FOLDER", &folder.path().display().to_string())).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_warren"))
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "off", "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("oauth.jwks_file") && error.contains(fault), "{error}");
    }
}
