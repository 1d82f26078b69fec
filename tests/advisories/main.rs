//! What brokers were broken by before, a test a class, and every limit that stands against it, in the program as it is
//! run.
//!
//! The advisories of RabbitMQ, Qpid, Artemis and their clients fall into these classes. That a client certificate is not
//! trusted by issuer and serial number alone is tested in `tests/hostile/tls.rs`, beside the other certificates.

mod broker;
#[path = "../hostile/client.rs"]
#[allow(dead_code)]
mod client;
mod input;
mod limits;
mod permissions;
mod rights;
mod texts;
