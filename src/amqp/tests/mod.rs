//! Bytes in, events and bytes out.

mod channels;
mod driver;
mod encode;
mod frames;
mod handshake;
mod malformed;
mod out_buffer;
mod publish;
mod requests;
mod split;
mod tables;
