//! The faults that the protocol core finds, in RabbitMQ's words.

use std::fmt::Write as _;

use crate::model::{AmqpError, Method, ReplyCode};

/// `basic.publish`.
pub(super) const BASIC_PUBLISH: Method = Method::new(60, 40);
/// `connection.tune`, which RabbitMQ blames where the client's answer to it is refused.
const CONNECTION_TUNE: Method = Method::new(10, 30);
/// How much of a payload a text quotes.
const SNIPPET: usize = 16;
/// Where the Erlang term printer, whose output RabbitMQ's texts contain, breaks its lines.
const TERM_COLUMNS: usize = 80;

#[cold]
pub(super) fn invalid_frame_end(kind: u8, payload: &[u8], end: u8) -> AmqpError {
    let quoted = snippet(kind, payload);
    let column = quoted.len() - quoted.rfind('\n').map_or(0, |at| at + 1) + ": ".len();
    let whole = format!("{{invalid_frame_end_marker,{end}}}");
    if column + whole.len() < TERM_COLUMNS - 1 {
        return frame_error(kind, payload, &whole);
    }
    let indentation = column + 1;
    frame_error(
        kind,
        payload,
        &format!("{{invalid_frame_end_marker,\n{:indentation$}{end}}}", ""),
    )
}

#[cold]
pub(super) fn frame_too_large(kind: u8, size: usize, frame_max: u32) -> AmqpError {
    let allowed = frame_max.saturating_sub(8);
    frame_error(kind, &[], &format!("{{frame_too_large,{size},{allowed}}}"))
}

/// A frame of an unknown type, a method or header frame too short for its ids, a heartbeat with a payload.
#[cold]
pub(super) fn unknown_frame(kind: u8, payload: &[u8]) -> AmqpError {
    frame_error(kind, payload, "unknown_frame")
}

#[cold]
fn frame_error(kind: u8, payload: &[u8], what: &str) -> AmqpError {
    AmqpError::connection(
        ReplyCode::FrameError,
        format_args!("{}: {what}", snippet(kind, payload)),
    )
}

/// A frame that may not come on this channel, or not now.
#[cold]
pub(super) fn unexpected_frame(kind: u8, payload: &[u8]) -> AmqpError {
    AmqpError::connection(ReplyCode::UnexpectedFrame, snippet(kind, payload))
}

#[cold]
pub(super) fn expected_method() -> AmqpError {
    let text = "expected method frame, got non method frame instead";
    AmqpError::connection(ReplyCode::UnexpectedFrame, text)
}

#[cold]
pub(super) fn expected_header() -> AmqpError {
    let text = "expected content header for class 60, got non content header frame instead";
    AmqpError::connection(ReplyCode::UnexpectedFrame, text).caused_by(BASIC_PUBLISH)
}

#[cold]
pub(super) fn header_of_other_class(class_id: u16) -> AmqpError {
    let text = format!("expected content header for class 60, got one for class {class_id} instead");
    AmqpError::connection(ReplyCode::UnexpectedFrame, text).caused_by(BASIC_PUBLISH)
}

#[cold]
pub(super) fn expected_body() -> AmqpError {
    let text = "expected content body, got non content body frame instead";
    AmqpError::connection(ReplyCode::UnexpectedFrame, text).caused_by(BASIC_PUBLISH)
}

#[cold]
pub(super) fn body_over_announced() -> AmqpError {
    let text = "content body frame exceeds remaining content size";
    AmqpError::connection(ReplyCode::FrameError, text).caused_by(BASIC_PUBLISH)
}

#[cold]
pub(super) fn message_too_large(size: u64, limit: u64) -> AmqpError {
    let text = format!("message size {size} is larger than configured max size {limit}");
    AmqpError::channel(ReplyCode::PreconditionFailed, text).caused_by(BASIC_PUBLISH)
}

#[cold]
pub(super) fn malformed_properties(why: &dyn std::fmt::Display) -> AmqpError {
    AmqpError::connection(ReplyCode::SyntaxError, format_args!("malformed properties: {why}")).caused_by(BASIC_PUBLISH)
}

#[cold]
pub(super) fn malformed_table(method: Method, why: &dyn std::fmt::Display) -> AmqpError {
    AmqpError::connection(ReplyCode::SyntaxError, format_args!("malformed table: {why}")).caused_by(method)
}

/// Arguments that end early, or late.
#[cold]
pub(super) fn cannot_decode(method: Method, fields: &[u8]) -> AmqpError {
    // 128 numbers fill the 255 bytes of a reply text whatever they are.
    let quoted = octets(&fields[..fields.len().min(128)]);
    AmqpError::connection(ReplyCode::FrameError, format_args!("cannot decode <<{quoted}>>")).caused_by(method)
}

#[cold]
pub(super) fn not_utf8() -> AmqpError {
    AmqpError::connection(ReplyCode::FrameError, "Malformed UTF-8 in shortstr")
}

#[cold]
pub(super) fn unknown_method(method: Method) -> AmqpError {
    let text = format!("unknown method {}.{}", method.class_id, method.method_id);
    AmqpError::connection(ReplyCode::NotImplemented, text).caused_by(method)
}

/// A method that only servers send.
#[cold]
pub(super) fn unimplemented_method(method: Method) -> AmqpError {
    AmqpError::connection(ReplyCode::CommandInvalid, "unimplemented method").caused_by(method)
}

#[cold]
pub(super) fn not_implemented(what: impl std::fmt::Display, method: Method) -> AmqpError {
    AmqpError::connection(ReplyCode::NotImplemented, what).caused_by(method)
}

#[cold]
pub(super) fn expected_channel_open(method: Method) -> AmqpError {
    AmqpError::connection(ReplyCode::ChannelError, "expected 'channel.open'").caused_by(method)
}

#[cold]
pub(super) fn second_channel_open(method: Method) -> AmqpError {
    AmqpError::connection(ReplyCode::ChannelError, "second 'channel.open' seen").caused_by(method)
}

#[cold]
pub(super) fn too_many_channels(count: usize, channel_max: u16) -> AmqpError {
    let text = format!("number of channels opened ({count}) has reached the negotiated channel_max ({channel_max})");
    AmqpError::connection(ReplyCode::NotAllowed, text)
}

#[cold]
pub(super) fn unexpected_method(state: &str, method: Method) -> AmqpError {
    let text = format!("unexpected method in connection state {state}");
    AmqpError::connection(ReplyCode::ChannelError, text).caused_by(method)
}

#[cold]
pub(super) fn too_much_before_open(limit: usize) -> AmqpError {
    let text = format!("more than {limit} bytes before the connection was open");
    AmqpError::connection(ReplyCode::FrameError, text)
}

/// A value in `connection.tune-ok` that the server does not take. 0 stands for no limit, which is over any limit.
pub(super) fn check_negotiated(field: &str, client: u32, minimum: u32, server: u32) -> Result<(), AmqpError> {
    let (direction, bound, value) = if client != 0 && client < minimum {
        ("lower", "minimum", minimum)
    } else if server != 0 && (client == 0 || client > server) {
        ("higher", "maximum", server)
    } else {
        return Ok(());
    };
    let detail = if field == "channel_max" && client == 0 {
        " (no limit)"
    } else {
        ""
    };
    let text = format!("negotiated {field} = {client}{detail} is {direction} than the {bound} allowed value ({value})");
    Err(AmqpError::connection(ReplyCode::NotAllowed, text).caused_by(CONNECTION_TUNE))
}

/// `type T, all octets = <<…>>`, the payload as an Erlang term.
fn snippet(kind: u8, payload: &[u8]) -> String {
    let (amount, shown) = match payload.get(..SNIPPET) {
        Some(first) if payload.len() > SNIPPET => ("first 16", first),
        _ => ("all", payload),
    };
    let mut text = format!("type {kind}, {amount} octets = <<");
    if shown.is_empty() {
        // Nothing to quote.
    } else if shown.iter().all(|&byte| matches!(byte, b' '..=b'~' | 8..=13 | 27)) {
        text.push('"');
        shown.iter().for_each(|&byte| push_escaped(&mut text, byte));
        text.push('"');
    } else {
        push_octets(&mut text, shown);
    }
    text.push_str(">>");
    text
}

fn push_escaped(text: &mut String, byte: u8) {
    match byte {
        8 => text.push_str("\\b"),
        9 => text.push_str("\\t"),
        10 => text.push_str("\\n"),
        11 => text.push_str("\\v"),
        12 => text.push_str("\\f"),
        13 => text.push_str("\\r"),
        27 => text.push_str("\\e"),
        b'"' => text.push_str("\\\""),
        b'\\' => text.push_str("\\\\"),
        other => text.push(other.into()),
    }
}

/// Numbers with commas, on a new line at the same indentation where a line is full.
fn push_octets(text: &mut String, bytes: &[u8]) {
    let indentation = text.len();
    let mut column = indentation;
    for (at, byte) in bytes.iter().enumerate() {
        let number = byte.to_string();
        if at > 0 {
            text.push(',');
            column += 1;
        }
        let comma = usize::from(at + 1 < bytes.len());
        if column + number.len() + comma >= TERM_COLUMNS {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indentation));
            column = indentation;
        }
        column += number.len();
        text.push_str(&number);
    }
}

fn octets(bytes: &[u8]) -> String {
    bytes.iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        // Writing to a String cannot fail.
        let _ = if at == 0 {
            write!(text, "{byte}")
        } else {
            write!(text, ",{byte}")
        };
        text
    })
}
