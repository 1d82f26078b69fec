//! Tokens in place of passwords, against the program as it is run: keys from a file, an address, and over TLS; AMQP and
//! the HTTP API; the end of a token, and its renewal. What a token may look like is tested in `src/auth/oauth`.

#[path = "../advisories/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../hostile/client.rs"]
#[allow(dead_code)]
mod client;
mod https;
mod keys;
mod tokens;
