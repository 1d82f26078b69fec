//! Signatures of tokens, checked by ring, which TLS brings anyhow. jsonwebtoken's own two providers are a second TLS
//! library in C, and an RSA crate with an open advisory.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature::{
    self as checks, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use signature::{Error, Verifier};

static PROVIDER: CryptoProvider = CryptoProvider {
    // Nothing is signed here.
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring the one that checks. Once a process; again does nothing.
pub fn install() {
    let _ = PROVIDER.install_default();
}

/// What a signature is checked with. There is no HMAC: a public key that is taken for a secret opens every door.
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let check = match algorithm {
        Algorithm::RS256 => Check::Rsa(&checks::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Check::Rsa(&checks::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Check::Rsa(&checks::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Check::Rsa(&checks::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Check::Rsa(&checks::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Check::Rsa(&checks::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Check::Curve(AlgorithmFamily::Ec, &checks::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Check::Curve(AlgorithmFamily::Ec, &checks::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Check::Curve(AlgorithmFamily::Ed, &checks::ED25519),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    if key.family() != check.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        check,
        key: key.clone(),
    }))
}

enum Check {
    Rsa(&'static RsaParameters),
    Curve(AlgorithmFamily, &'static dyn VerificationAlgorithm),
}

impl Check {
    fn family(&self) -> AlgorithmFamily {
        match self {
            Self::Rsa(_) => AlgorithmFamily::Rsa,
            Self::Curve(family, _) => *family,
        }
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    check: Check,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = match (&self.check, self.key.kind()) {
            (Check::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                // ring takes no leading zero, which some providers write.
                let n = &n[n.iter().take_while(|byte| **byte == 0).count()..];
                RsaPublicKeyComponents { n, e: e.as_slice() }.verify(parameters, message, given)
            }
            (Check::Curve(_, check), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(*check, point).verify(message, given)
            }
            _ => return Err(Error::new()),
        };
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
