//! The broker at its sockets, against clients that ask too much, say too little, or talk nonsense.
//!
//! The broker runs in this process, on free ports of the loopback, over a store in memory. Clients are blocking
//! sockets that write bytes; a read that gets nothing for [`client::PATIENCE`] fails its test.

mod broker;
mod client;
mod gone;
mod limits;
mod logins;
mod nonsense;
mod order;
mod proxy;
mod slow_reader;
mod start;
mod tls;
