//! Inspectors: sans-IO state machines, one module per wire protocol.
//!
//! An inspector sees bytes and yields events. It opens no socket and reads no clock; the driver that owns both feeds
//! it and forwards the bytes unchanged.

pub mod postgres;
