//! The broker as a process: started, spoken to over sockets, signalled, and started again.

mod bodies;
mod client;
mod collector;
mod configuration;
mod connections;
mod consumers;
mod durability;
mod events;
mod features;
mod firehose;
mod health;
mod lifecycle;
mod logs;
mod process;
mod publishing;
mod quotas;
mod service;
mod topology;
mod tracing;
