//! SASL responses of `connection.start-ok`.

use std::fmt;

use crate::model::{AmqpError, FieldValue, Name, ReplyCode, decode_table};

/// The mechanisms that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// A field table without its length, with `LOGIN` and `PASSWORD`.
    AmqPlain,
}

/// What a client gave to log in with. The password shows in no debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The login name.
    pub user: Name,
    /// The password, as it came.
    pub password: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Why a response cannot be read. The texts hold nothing of it, since it holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// Not NUL, user, NUL, password (502).
    #[error("response invalid: PLAIN needs a user and a password, each after a NUL byte")]
    Plain,
    /// Not a field table (502).
    #[error("response invalid: AMQPLAIN needs a field table")]
    Table,
    /// `LOGIN` or `PASSWORD` is missing (502).
    #[error("AMQPLAIN auth info is missing LOGIN or PASSWORD field")]
    Missing,
    /// `LOGIN` or `PASSWORD` is no long string (502).
    #[error("AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field")]
    FieldType,
    /// The user's name is not UTF-8, or longer than 255 bytes (502).
    #[error("response invalid: the user name is no UTF-8 text of at most 255 bytes")]
    UserName,
}

impl From<SaslError> for AmqpError {
    fn from(error: SaslError) -> Self {
        Self::connection(ReplyCode::SyntaxError, error)
    }
}

impl Mechanism {
    /// The mechanisms as `connection.start` lists them.
    pub const OFFERED: &'static str = "PLAIN AMQPLAIN";

    /// The mechanism of this name, if it is offered.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Self::Plain),
            "AMQPLAIN" => Some(Self::AmqPlain),
            _ => None,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
        }
    }

    /// Reads a response.
    ///
    /// # Errors
    /// It is not of the mechanism's form.
    pub fn decode(self, response: &[u8]) -> Result<Credentials, SaslError> {
        let (user, password) = match self {
            Self::Plain => plain(response)?,
            Self::AmqPlain => amqplain(response)?,
        };
        let user = String::from_utf8(user).map_err(|_| SaslError::UserName)?;
        if user.len() > Name::MAX_BYTES {
            return Err(SaslError::UserName);
        }
        Ok(Credentials {
            user: user.into(),
            password,
        })
    }
}

/// `NUL user NUL password`. Before the first NUL a client could name whom it wants to act as; RabbitMQ refuses that.
fn plain(response: &[u8]) -> Result<(Vec<u8>, Vec<u8>), SaslError> {
    let mut parts = response.split(|&byte| byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some([]), Some(user), Some(password), None) => Ok((user.to_vec(), password.to_vec())),
        _ => Err(SaslError::Plain),
    }
}

fn amqplain(response: &[u8]) -> Result<(Vec<u8>, Vec<u8>), SaslError> {
    // The decoder checks depth and lengths, and wants the length that AMQPLAIN leaves out.
    let length = u32::try_from(response.len()).map_err(|_| SaslError::Table)?;
    let table = [&length.to_be_bytes(), response].concat();
    let (table, _) = decode_table(&table).map_err(|_| SaslError::Table)?;
    let field = |name| match table.get(name) {
        Some(FieldValue::LongString(bytes)) => Ok(bytes.clone()),
        Some(_) => Err(SaslError::FieldType),
        None => Err(SaslError::Missing),
    };
    Ok((field("LOGIN")?, field("PASSWORD")?))
}
