//! An issuer: its key, its tokens, and the address of its keys.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use rcgen::{KeyPair, PublicKeyData};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

pub struct Issuer {
    kid: &'static str,
    key: KeyPair,
}

/// Seconds since the Unix epoch.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Issuer {
    pub fn new(kid: &'static str) -> Self {
        Self {
            kid,
            key: KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
        }
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": BASE64.encode(self.key.der_bytes())})
    }

    pub fn key_set(&self) -> String {
        json!({"keys": [self.jwk()]}).to_string()
    }

    /// A token for the broker `rabbitmq`, which ends in so many seconds.
    pub fn token(&self, user: &str, scope: &str, seconds: u64) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.kid});
        let claims = json!({"sub": user, "aud": "rabbitmq", "exp": now_s() + seconds, "scope": scope});
        let signed = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.key.serialize_der()).unwrap();
        format!("{signed}.{}", BASE64.encode(pair.sign(signed.as_bytes())))
    }
}

/// Serves a key set over HTTP, for as long as the test runs.
pub struct KeyServer {
    pub address: SocketAddr,
    pub keys: Arc<Mutex<String>>,
    pub asked: Arc<AtomicUsize>,
}

impl KeyServer {
    pub fn start(keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            keys: Arc::new(Mutex::new(keys)),
            asked: Arc::default(),
        };
        let (keys, asked) = (Arc::clone(&server.keys), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let body = keys.lock().clone();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        server
    }
}
