//! Types of options about networks and TLS.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::item::Item;
use super::reader::Reader;
use super::setting::Setting;

/// An IP address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// An address in it.
    pub address: IpAddr,
    /// How many leading bits its addresses share: at most 32 or 128.
    pub bits: u8,
}

impl AddressRange {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    fn is_one(self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_one() {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

impl Setting for AddressRange {
    fn expects() -> String {
        "\"ADDR\" or \"ADDR/BITS\"".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let range = item.as_str().and_then(|text| Self::parse(text.trim()));
        if range.is_none() {
            let hint = "an IP address or a network, such as 10.0.0.7 or 10.0.0.0/8";
            let message = format!("expected {}, found {}", Self::expects(), item.describe());
            reader.fault_with_hint(&item.at, message, Some(hint.into()));
        }
        range
    }

    fn placeholder() -> Self {
        Self {
            address: IpAddr::from([0, 0, 0, 0]),
            bits: 32,
        }
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

/// A file that need not be named: an empty string names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionalFile(Option<PathBuf>);

impl OptionalFile {
    /// The file, if one is named.
    pub fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

impl Setting for OptionalFile {
    fn expects() -> String {
        "a path, or \"\" for none".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        match item.as_str() {
            Some("") => Some(Self(None)),
            Some(text) if !text.contains('\0') => Some(Self(Some(text.into()))),
            _ => {
                reader.wrong(item, &Self::expects());
                None
            }
        }
    }

    fn placeholder() -> Self {
        Self(None)
    }

    fn show(&self) -> String {
        let text = self.0.as_ref().map(|path| path.to_string_lossy().into_owned());
        format!("{:?}", text.unwrap_or_default())
    }
}
