//! Errors that a client gets to see, with their place in the protocol.

use std::fmt;

/// Reply codes of AMQP 0-9-1 (section 1.1 of the reference, "Constants").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ReplyCode {
    /// 311, the body is larger than allowed.
    ContentTooLarge = 311,
    /// 312, a mandatory message reached no queue.
    NoRoute = 312,
    /// 313, an immediate message found no consumer.
    NoConsumers = 313,
    /// 320, an operator closed the connection.
    ConnectionForced = 320,
    /// 402, the vhost is unknown.
    InvalidPath = 402,
    /// 403, no permission.
    AccessRefused = 403,
    /// 404, no such exchange or queue.
    NotFound = 404,
    /// 405, held exclusively by another connection.
    ResourceLocked = 405,
    /// 406, a condition does not hold.
    PreconditionFailed = 406,
    /// 501, a malformed frame.
    FrameError = 501,
    /// 502, an illegal value in a frame.
    SyntaxError = 502,
    /// 503, an invalid sequence of frames.
    CommandInvalid = 503,
    /// 504, the channel is not open, or already is.
    ChannelError = 504,
    /// 505, a frame that was not expected now.
    UnexpectedFrame = 505,
    /// 506, out of resources.
    ResourceError = 506,
    /// 530, not allowed.
    NotAllowed = 530,
    /// 540, not implemented.
    NotImplemented = 540,
    /// 541, an internal error.
    InternalError = 541,
}

impl ReplyCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The constant's name, with which RabbitMQ begins its reply texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::NoRoute => "NO_ROUTE",
            Self::NoConsumers => "NO_CONSUMERS",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::InvalidPath => "INVALID_PATH",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}

/// What an error closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorScope {
    /// The channel on which it happened.
    Channel,
    /// The whole connection.
    Connection,
}

/// Class and method that caused an error; 0 and 0 where no method did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Method {
    /// Class id, e.g. 60 for basic.
    pub class_id: u16,
    /// Method id within the class.
    pub method_id: u16,
}

impl Method {
    /// No method: the error came from a frame or from the broker itself.
    pub const NONE: Self = Self::new(0, 0);

    /// The method `method_id` of the class `class_id`.
    #[must_use]
    pub const fn new(class_id: u16, method_id: u16) -> Self {
        Self { class_id, method_id }
    }
}

/// A fault that ends a channel or a connection, as the client will read it.
///
/// `text` is the whole reply text, in RabbitMQ's wording: clients and people match on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {text}", code.number())]
pub struct AmqpError {
    /// The reply code.
    pub code: ReplyCode,
    /// What it closes.
    pub scope: ErrorScope,
    /// The method at fault; filled in where the method is known.
    pub method: Method,
    /// The reply text: `NAME - details`, at most 255 bytes on the wire (cut there).
    pub text: String,
}

impl AmqpError {
    /// An error that closes the channel. The text becomes `CODE_NAME - details`.
    pub fn channel(code: ReplyCode, details: impl fmt::Display) -> Self {
        Self::new(code, ErrorScope::Channel, details)
    }

    /// An error that closes the connection. The text becomes `CODE_NAME - details`.
    pub fn connection(code: ReplyCode, details: impl fmt::Display) -> Self {
        Self::new(code, ErrorScope::Connection, details)
    }

    fn new(code: ReplyCode, scope: ErrorScope, details: impl fmt::Display) -> Self {
        Self {
            code,
            scope,
            method: Method::NONE,
            text: format!("{} - {details}", code.name()),
        }
    }

    /// The same error, caused by `method`, unless a method is already noted.
    #[must_use]
    pub fn caused_by(mut self, method: Method) -> Self {
        if self.method == Method::NONE {
            self.method = method;
        }
        self
    }
}
