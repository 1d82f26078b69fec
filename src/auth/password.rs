//! Password hashes: Argon2id for new ones, RabbitMQ's salted SHA-2 for those that come from RabbitMQ.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

const ARGON2ID: &str = "argon2id";
const RABBIT_SHA256: &str = "rabbit_password_hashing_sha256";
const RABBIT_SHA512: &str = "rabbit_password_hashing_sha512";

/// Salt of RabbitMQ's hashes, in bytes.
const RABBIT_SALT_BYTES: usize = 4;

/// The highest cost that a stored hash may ask for, so that no imported hash makes a login expensive.
const HIGHEST_COST: HashingCost = HashingCost {
    memory_kib: 256 * 1024,
    iterations: 16,
    lanes: 8,
};

/// What hashing a password costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingCost {
    /// Memory in KiB, at least 8 for each lane; at most 256 MiB.
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 16.
    pub iterations: u32,
    /// Lanes, 1 to 8; they are computed one after the other.
    pub lanes: u32,
}

impl Default for HashingCost {
    /// 9 MiB and 4 passes: one of the settings of equal strength in OWASP's password storage cheat sheet, and one that
    /// ten logins at once can afford.
    fn default() -> Self {
        Self {
            memory_kib: 9 * 1024,
            iterations: 4,
            lanes: 1,
        }
    }
}

/// Why a password cannot be hashed, or a hash not be used. None of the texts holds any of either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The cost is out of bounds.
    #[error("hashing passwords with {memory_kib} KiB, {iterations} passes and {lanes} lanes is out of bounds")]
    Cost {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        iterations: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The hash is not what its algorithm makes.
    #[error("the password hash is not a valid {0} hash")]
    Malformed(String),
    /// The algorithm is not known, or is MD5, which is broken.
    #[error(
        "the hashing algorithm '{0}' is not supported; supported are argon2id, rabbit_password_hashing_sha256 and \
         rabbit_password_hashing_sha512"
    )]
    Algorithm(String),
    /// The system gave no random bytes, or no memory.
    #[error("the password cannot be hashed: {0}")]
    System(String),
}

impl HashingCost {
    fn argon2(self) -> Result<Argon2<'static>, PasswordError> {
        let Self {
            memory_kib,
            iterations,
            lanes,
        } = self;
        let refused = PasswordError::Cost {
            memory_kib,
            iterations,
            lanes,
        };
        // Lanes first, since the crate multiplies with them.
        if lanes > HIGHEST_COST.lanes || memory_kib > HIGHEST_COST.memory_kib || iterations > HIGHEST_COST.iterations {
            return Err(refused);
        }
        let params = Params::new(memory_kib, iterations, lanes, None).map_err(|_| refused)?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    fn of(hash: &phc::PasswordHash) -> Option<Self> {
        let params = Params::try_from(hash).ok()?;
        Some(Self {
            memory_kib: params.m_cost(),
            iterations: params.t_cost(),
            lanes: params.p_cost(),
        })
    }
}

/// A stored hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// There is no password, so none is right.
    Absent,
    /// In PHC string format.
    Argon2id(String),
    Sha256([u8; RABBIT_SALT_BYTES], [u8; 32]),
    Sha512([u8; RABBIT_SALT_BYTES], [u8; 64]),
}

impl PasswordHash {
    /// Hashes a password with a new salt.
    ///
    /// # Errors
    /// The cost is out of bounds, or the system gave no random bytes.
    pub fn new(password: &[u8], cost: HashingCost) -> Result<Self, PasswordError> {
        let hash: phc::PasswordHash = cost
            .argon2()?
            .hash_password(password)
            .map_err(|error| PasswordError::System(error.to_string()))?;
        Ok(Self(Kind::Argon2id(hash.to_string())))
    }

    /// Reads a hash as definitions have it. An empty one is that of a user without a password.
    ///
    /// # Errors
    /// The algorithm is not supported, or the hash not one of it, or dearer than 256 MiB, 16 passes, 8 lanes.
    pub fn parse(hash: &str, algorithm: &str) -> Result<Self, PasswordError> {
        if !matches!(algorithm, ARGON2ID | RABBIT_SHA256 | RABBIT_SHA512) {
            return Err(PasswordError::Algorithm(algorithm.to_owned()));
        }
        if hash.is_empty() {
            return Ok(Self(Kind::Absent));
        }
        let malformed = || PasswordError::Malformed(algorithm.to_owned());
        let decoded = || STANDARD.decode(hash).map_err(|_| malformed());
        let kind = match algorithm {
            RABBIT_SHA256 => {
                let (salt, digest) = salted(&decoded()?).ok_or_else(malformed)?;
                Kind::Sha256(salt, digest)
            }
            RABBIT_SHA512 => {
                let (salt, digest) = salted(&decoded()?).ok_or_else(malformed)?;
                Kind::Sha512(salt, digest)
            }
            _ => {
                let parsed = phc::PasswordHash::new(hash).map_err(|_| malformed())?;
                let complete = parsed.salt.is_some() && parsed.hash.is_some();
                if parsed.algorithm.as_str() != ARGON2ID || !complete {
                    return Err(malformed());
                }
                HashingCost::of(&parsed).ok_or_else(malformed)?.argon2()?;
                Kind::Argon2id(hash.to_owned())
            }
        };
        Ok(Self(kind))
    }

    /// The hash as definitions have it.
    #[must_use]
    pub fn encoded(&self) -> String {
        match &self.0 {
            Kind::Absent => String::new(),
            Kind::Argon2id(phc) => phc.clone(),
            Kind::Sha256(salt, digest) => STANDARD.encode([&salt[..], &digest[..]].concat()),
            Kind::Sha512(salt, digest) => STANDARD.encode([&salt[..], &digest[..]].concat()),
        }
    }

    /// The algorithm's name in definitions.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.0 {
            Kind::Absent | Kind::Argon2id(_) => ARGON2ID,
            Kind::Sha256(..) => RABBIT_SHA256,
            Kind::Sha512(..) => RABBIT_SHA512,
        }
    }

    /// Whether the password is the hashed one. Empty passwords never are (RabbitMQ refuses them likewise).
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        if password.is_empty() {
            return false;
        }
        match &self.0 {
            Kind::Absent => false,
            // The hash brings its own cost, which was checked when it was read.
            Kind::Argon2id(phc) => {
                #[cfg(test)]
                runs::note(self);
                Argon2::default().verify_password(password, phc.as_str()).is_ok()
            }
            Kind::Sha256(salt, digest) => same_bytes(&salted_digest::<Sha256>(salt, password), digest),
            Kind::Sha512(salt, digest) => same_bytes(&salted_digest::<Sha512>(salt, password), digest),
        }
    }

    /// Whether a password that was right should be hashed anew: it is SHA-2, or had another cost.
    #[must_use]
    pub fn should_be_rehashed(&self, cost: HashingCost) -> bool {
        match &self.0 {
            Kind::Absent => false,
            Kind::Argon2id(_) => self.cost() != Some(cost),
            Kind::Sha256(..) | Kind::Sha512(..) => true,
        }
    }

    /// Whether to check a password costs no less than a new hash at `cost`, so that it needs no further delay to hide
    /// what kind of hash a user has.
    pub(super) fn costs_at_least(&self, cost: HashingCost) -> bool {
        let work = |cost: HashingCost| u64::from(cost.memory_kib) * u64::from(cost.iterations);
        self.cost().is_some_and(|own| work(own) >= work(cost))
    }

    /// What a check costs; `None` where it is next to nothing.
    fn cost(&self) -> Option<HashingCost> {
        match &self.0 {
            Kind::Argon2id(phc) => HashingCost::of(&phc::PasswordHash::new(phc).ok()?),
            Kind::Absent | Kind::Sha256(..) | Kind::Sha512(..) => None,
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.algorithm())
    }
}

/// The hash that RabbitMQ would store for a password (SHA-256), for tools that ask for it as they ask RabbitMQ.
///
/// # Errors
/// The system gave no random bytes.
pub fn hash_as_rabbitmq(password: &[u8]) -> Result<PasswordHash, PasswordError> {
    let mut salt = [0; RABBIT_SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| PasswordError::System(error.to_string()))?;
    Ok(PasswordHash(Kind::Sha256(
        salt,
        salted_digest::<Sha256>(&salt, password).into(),
    )))
}

/// RabbitMQ: "Credentials and Passwords": the digest of salt and password.
fn salted_digest<D: Digest>(salt: &[u8], password: &[u8]) -> sha2::digest::Output<D> {
    D::new().chain_update(salt).chain_update(password).finalize()
}

fn salted<const N: usize>(bytes: &[u8]) -> Option<([u8; RABBIT_SALT_BYTES], [u8; N])> {
    let (salt, digest) = bytes.split_first_chunk()?;
    Some((*salt, digest.try_into().ok()?))
}

/// Compares in a time that does not depend on where the first difference is.
pub(super) fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |all, (l, r)| all | (l ^ r));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// Which hashes were computed to check passwords, so that a test need not look at a clock.
#[cfg(test)]
pub(super) mod runs {
    use std::collections::BTreeMap;

    use parking_lot::Mutex;

    use super::{HashingCost, PasswordHash};

    /// By memory and passes: a test that takes a cost of its own counts only its own.
    static RUNS: Mutex<BTreeMap<(u32, u32), u32>> = Mutex::new(BTreeMap::new());

    pub(super) fn note(hash: &PasswordHash) {
        let cost = hash.cost().expect("it is an Argon2 hash");
        *RUNS.lock().entry((cost.memory_kib, cost.iterations)).or_default() += 1;
    }

    /// How many there were at this cost.
    pub fn at(cost: HashingCost) -> u32 {
        let runs = RUNS.lock();
        runs.get(&(cost.memory_kib, cost.iterations))
            .copied()
            .unwrap_or_default()
    }
}
