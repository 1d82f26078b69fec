//! Declaring what a load needs, and taking it away again.

use super::connection::Connection;
use super::error::BenchError;
use super::frames::Fields;
use super::load::{AckMode, Load};
use super::wire::{CHANNEL, Method, method_frame, short_string, table};

/// Pipelined methods are written in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;

/// Whether the load's exchange is there already. A connection of its own asks, because "no"
/// closes the channel.
///
/// # Errors
/// The connection's, or another refusal than 404.
pub fn exchange_exists(load: &Load) -> Result<bool, BenchError> {
    if !load.owns_exchange() {
        return Ok(false);
    }
    let mut connection = Connection::open(&load.address, 0)?;
    let answer = connection.call((40, 10), (40, 11), |out| {
        out.extend_from_slice(&[0, 0]);
        short_string(out, load.exchange_name());
        short_string(out, "");
        out.push(1);
        table(out, &[]);
    });
    match answer {
        Ok(_) => Ok(true),
        Err(BenchError::Closed { code: 404, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Declares the exchange and the queues and binds them.
///
/// # Errors
/// The broker's refusal, with its text.
pub fn declare(connection: &mut Connection, load: &Load) -> Result<(), BenchError> {
    if let Some(exchange) = load.exchange.as_ref().filter(|_| load.owns_exchange()) {
        connection.call((40, 10), (40, 11), |out| {
            out.extend_from_slice(&[0, 0]);
            short_string(out, &exchange.name);
            short_string(out, &exchange.kind);
            out.push(u8::from(load.durable) << 1);
            table(out, &[]);
        })?;
    }
    let queues = 0..load.queues;
    pipeline(connection, (50, 11), queues.clone(), |out, queue| {
        declare_queue(out, load, &load.queue_name(queue));
    })?;
    let bindings = queues.flat_map(|queue| {
        let keys = load.binding_keys(queue).into_iter();
        keys.map(move |key| (queue, key))
    });
    pipeline(connection, (50, 21), bindings, |out, (queue, key)| {
        method_frame(out, CHANNEL, (50, 20), |out| {
            out.extend_from_slice(&[0, 0]);
            short_string(out, &load.queue_name(queue));
            short_string(out, load.exchange_name());
            short_string(out, &key);
            out.push(0);
            table(out, &[]);
        });
    })
}

/// Deletes what [`declare`] declared; what is not there is no error.
///
/// # Errors
/// The broker's refusal, with its text.
pub fn delete(connection: &mut Connection, load: &Load) -> Result<(), BenchError> {
    pipeline(connection, (50, 41), 0..load.queues, |out, queue| {
        method_frame(out, CHANNEL, (50, 40), |out| {
            out.extend_from_slice(&[0, 0]);
            short_string(out, &load.queue_name(queue));
            out.push(0);
        });
    })?;
    if load.owns_exchange() {
        connection.call((40, 20), (40, 21), |out| {
            out.extend_from_slice(&[0, 0]);
            short_string(out, load.exchange_name());
            out.push(0);
        })?;
    }
    Ok(())
}

/// How many ready messages all queues hold.
///
/// # Errors
/// A queue is gone.
pub fn backlog(connection: &mut Connection, load: &Load) -> Result<u64, BenchError> {
    let mut total = 0;
    for queue in 0..load.queues {
        let answer = connection.call((50, 10), (50, 11), |out| {
            out.extend_from_slice(&[0, 0]);
            short_string(out, &load.queue_name(queue));
            out.push(1);
            table(out, &[]);
        })?;
        let mut fields = Fields(&answer);
        let count = fields.short_string().and_then(|_| fields.long());
        total += u64::from(count.map_err(|what| connection.broken(what))?);
    }
    Ok(total)
}

/// Sets the prefetch and consumes from the queues of consumer `index`.
///
/// # Errors
/// The broker's refusal, with its text.
pub fn consume(connection: &mut Connection, load: &Load, index: usize) -> Result<(), BenchError> {
    if load.prefetch > 0 && load.ack != AckMode::None {
        connection.call((60, 10), (60, 11), |out| {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&load.prefetch.to_be_bytes());
            out.push(0);
        })?;
    }
    for queue in load.consumed_queues(index) {
        connection.call((60, 20), (60, 21), |out| {
            out.extend_from_slice(&[0, 0]);
            short_string(out, &queue);
            short_string(out, "");
            out.push(u8::from(load.ack == AckMode::None) << 1);
            table(out, &[]);
        })?;
    }
    Ok(())
}

/// Puts the channel in confirm mode.
///
/// # Errors
/// The broker's refusal, with its text.
pub fn select_confirms(connection: &mut Connection) -> Result<(), BenchError> {
    connection.call((85, 10), (85, 11), |out| out.push(0))?;
    Ok(())
}

fn declare_queue(out: &mut Vec<u8>, load: &Load, name: &str) {
    method_frame(out, CHANNEL, (50, 10), |out| {
        out.extend_from_slice(&[0, 0]);
        short_string(out, name);
        out.push(u8::from(load.durable) << 1);
        table(out, &load.queue_arguments);
    });
}

/// Sends a method for each item, many at once, and counts the answers.
fn pipeline<T>(
    connection: &mut Connection,
    answer: Method,
    items: impl Iterator<Item = T>,
    mut encode: impl FnMut(&mut Vec<u8>, T),
) -> Result<(), BenchError> {
    let mut encoded = Vec::new();
    let mut asked = 0;
    for item in items {
        encode(&mut encoded, item);
        asked += 1;
        if encoded.len() >= PIECE_BYTES {
            connection.send(&encoded)?;
            connection.wait_for_many(answer, asked)?;
            encoded.clear();
            asked = 0;
        }
    }
    connection.send(&encoded)?;
    connection.wait_for_many(answer, asked)
}
