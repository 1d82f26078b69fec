//! Reads the fields of a method in place.

use crate::model::{AmqpError, Method};

use super::fault;

/// A method's payload, and how far it was read.
pub(super) struct Reader<'a> {
    method: Method,
    fields: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins behind the method's ids.
    #[inline]
    pub fn new(method: Method, fields: &'a [u8]) -> Self {
        let rest = fields;
        Self { method, fields, rest }
    }

    #[inline]
    pub fn octet(&mut self) -> Result<u8, AmqpError> {
        Ok(u8::from_be_bytes(*self.chunk()?))
    }

    #[inline]
    pub fn short(&mut self) -> Result<u16, AmqpError> {
        Ok(u16::from_be_bytes(*self.chunk()?))
    }

    #[inline]
    pub fn long(&mut self) -> Result<u32, AmqpError> {
        Ok(u32::from_be_bytes(*self.chunk()?))
    }

    #[inline]
    pub fn long_long(&mut self) -> Result<u64, AmqpError> {
        Ok(u64::from_be_bytes(*self.chunk()?))
    }

    /// Up to 255 bytes, which must be UTF-8.
    #[inline]
    pub fn short_string(&mut self) -> Result<&'a str, AmqpError> {
        std::str::from_utf8(self.short_bytes()?).map_err(|_| fault::not_utf8())
    }

    /// Bytes behind their 8-bit length.
    #[inline]
    pub fn short_bytes(&mut self) -> Result<&'a [u8], AmqpError> {
        let length = self.octet()?;
        self.take(length.into())
    }

    /// Bytes behind their 32-bit length: a long string, or a table.
    #[inline]
    pub fn long_string(&mut self) -> Result<&'a [u8], AmqpError> {
        let length = self.long()?;
        self.take(length as usize)
    }

    /// Nothing may be left.
    #[inline]
    pub fn end(&self) -> Result<(), AmqpError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.undecodable())
        }
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], AmqpError> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or_else(|| self.undecodable())?;
        self.rest = rest;
        Ok(chunk)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], AmqpError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.undecodable())?;
        self.rest = rest;
        Ok(taken)
    }

    #[cold]
    fn undecodable(&self) -> AmqpError {
        fault::cannot_decode(self.method, self.fields)
    }
}
