//! Names that the broker makes: `amq.gen-…` for queues, `amq.ctag-…` for consumers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Makes names that no other connection makes, in this run or another, and that cannot be guessed.
///
/// A name is 16 bytes of SHA-256 over the process's random seed, the connection and a counter, in base64: the 22
/// characters that RabbitMQ's names have.
#[derive(Debug)]
pub struct NameSource {
    seed: u64,
    connection: u64,
    count: u64,
}

impl NameSource {
    /// The names of one connection.
    #[must_use]
    pub fn new(connection: u64, seed: u64) -> Self {
        Self {
            seed,
            connection,
            count: 0,
        }
    }

    /// The next name, which starts with `prefix`.
    pub fn next(&mut self, prefix: &str) -> String {
        self.count += 1;
        let mut hash = Sha256::new();
        for number in [self.seed, self.connection, self.count] {
            hash.update(number.to_be_bytes());
        }
        let mut name = prefix.to_owned();
        URL_SAFE_NO_PAD.encode_string(&hash.finalize()[..16], &mut name);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_count_connection_and_seed() {
        let mut names = NameSource::new(1, 7);
        let first = names.next("amq.gen-");
        assert_eq!(first.len(), "amq.gen-".len() + 22);
        assert_ne!(first, names.next("amq.gen-"));
        assert_ne!(first, NameSource::new(2, 7).next("amq.gen-"));
        assert_ne!(first, NameSource::new(1, 8).next("amq.gen-"));
        assert_eq!(first, NameSource::new(1, 7).next("amq.gen-"));
    }
}
