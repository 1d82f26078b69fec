//! Further routing keys from the headers `CC` and `BCC` (RabbitMQ: "Sender-selected Distribution").

use crate::model::{FieldTable, FieldValue};

/// `CC` or `BCC` is no array (406 PRECONDITION_FAILED, in RabbitMQ's words).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid message: {{unacceptable_type_in_header,\"{header}\",{type_name}}}")]
pub struct SenderSelectedError {
    header: &'static str,
    type_name: &'static str,
}

/// The keys in `CC` and then `BCC`, for `Router::route_many`; values that are no text are passed over, as RabbitMQ
/// does. Keeping `BCC` from receivers is the message's part.
///
/// # Errors
/// One of the headers is there and no array.
pub fn sender_selected_keys(headers: &FieldTable) -> Result<Vec<&str>, SenderSelectedError> {
    let mut keys = Vec::new();
    for header in ["CC", "BCC"] {
        match headers.get(header) {
            None => {}
            Some(FieldValue::Array(values)) => keys.extend(values.iter().filter_map(FieldValue::as_text)),
            Some(other) => {
                let type_name = other.type_name();
                return Err(SenderSelectedError { header, type_name });
            }
        }
    }
    Ok(keys)
}
