//! The PROXY protocol, versions 1 and 2: what a proxy in front says about who connected to it.
//!
//! Taken from listed addresses only, before anything else of the connection; from them it has to come. See the
//! specification "The PROXY protocol, versions 1 & 2" by the authors of HAProxy.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, its end included (section 2.1).
const LINE_MAX: usize = 107;

/// The longest rest of a version 2 header that is read: addresses, and a little for what a proxy adds.
const REST_MAX: usize = 4096;

/// Who connected to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This address.
    Address(SocketAddr),
    /// Somebody; the proxy does not know or say who.
    Unknown,
    /// The proxy itself, e.g. to see whether the broker lives.
    Proxy,
}

/// A network, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// An address in it.
    pub address: IpAddr,
    /// How many leading bits its addresses share: at most 32 or 128.
    pub bits: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address may come in IPv6's clothes.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= self.bits.into()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= self.bits.into()
            }
            _ => false,
        }
    }
}

/// The address that counts for a connection from `proxy`.
///
/// Somebody unknown is nobody of this machine, and neither is the loopback address of another machine: what is allowed
/// to local clients alone (`guest`) stays closed to them.
#[must_use]
pub fn client_address(source: Source, proxy: SocketAddr) -> SocketAddr {
    match source {
        Source::Proxy => proxy,
        Source::Unknown => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        Source::Address(address) => {
            let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
            if loopback(address) && !loopback(proxy) {
                return proxy;
            }
            address
        }
    }
}

/// Reads the header and not one byte behind it.
///
/// # Errors
/// The stream fails or ends, or what comes is no header.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Source> {
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_version_2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(fault("what came is no PROXY header"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_MAX {
            return Err(fault("the PROXY line does not end"));
        }
        line.push(stream.read_u8().await?);
    }
    std::str::from_utf8(&line[..line.len() - 2])
        .ok()
        .and_then(parse_line)
        .ok_or_else(|| fault("the PROXY line is malformed"))
}

fn fault(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// `PROXY TCP4 source destination source-port destination-port`.
fn parse_line(line: &str) -> Option<Source> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Source::Unknown);
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let destination: IpAddr = words.next()?.parse().ok()?;
    let port: u16 = words.next()?.parse().ok()?;
    let _: u16 = words.next()?.parse().ok()?;
    let right = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    (right && words.next().is_none()).then(|| Source::Address(SocketAddr::new(source, port)))
}

async fn read_version_2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Source> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST_MAX {
        return Err(fault("the PROXY header is too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    let source = match (command, family) {
        (0x20, _) => Some(Source::Proxy),
        (0x21, 0x11) => rest.first_chunk::<12>().map(|addresses| {
            let [a, b, c, d, _, _, _, _, high, low, ..] = *addresses;
            let port = u16::from_be_bytes([high, low]);
            Source::Address(SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)))
        }),
        (0x21, 0x21) => rest.first_chunk::<36>().and_then(|addresses| {
            let source = Ipv6Addr::from(*addresses.first_chunk::<16>()?);
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Some(Source::Address(SocketAddr::from((source, port))))
        }),
        // Datagrams, UNIX sockets, and what the proxy cannot name.
        (0x21, _) => Some(Source::Unknown),
        _ => None,
    };
    source.ok_or_else(|| fault("the PROXY header is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parse(bytes: &[u8]) -> (io::Result<Source>, usize) {
        let mut left = bytes;
        let source = read(&mut left).await;
        (source, left.len())
    }

    fn address(text: &str) -> Source {
        Source::Address(text.parse().unwrap())
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn headers_of_both_versions_and_nothing_behind_them() {
        let v4 = [192, 0, 2, 9, 10, 0, 0, 1, 0x12, 0x34, 0x16, 0x28];
        let v6 = [&[0x20; 16][..], &[0; 16], &[1, 2, 3, 4]].concat();
        let with_more = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
        let cases: Vec<(Vec<u8>, Source)> = vec![
            (
                b"PROXY TCP4 192.0.2.9 10.0.0.1 4660 5672\r\n".to_vec(),
                address("192.0.2.9:4660"),
            ),
            (
                b"PROXY TCP6 2001:db8::9 ::1 4660 5672\r\n".to_vec(),
                address("[2001:db8::9]:4660"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Source::Unknown),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), Source::Unknown),
            (version_2(0x21, 0x11, &v4), address("192.0.2.9:4660")),
            (version_2(0x21, 0x11, &with_more), address("192.0.2.9:4660")),
            (
                version_2(0x21, 0x21, &v6),
                address("[2020:2020:2020:2020:2020:2020:2020:2020]:258"),
            ),
            (version_2(0x21, 0x31, &[0; 216]), Source::Unknown),
            (version_2(0x20, 0, &[]), Source::Proxy),
        ];
        for (mut bytes, expected) in cases {
            bytes.extend(b"AMQP");
            let (source, left) = parse(&bytes).await;
            assert_eq!(source.unwrap(), expected, "{bytes:?}");
            assert_eq!(left, 4, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        for bytes in [
            &b"AMQP\0\0\x09\x01AMQP\0\0\x09\x01"[..],
            b"PROXY TCP4 192.0.2.9 10.0.0.1 4660\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 \xFF.2.3.4 1.2.3.4 1 2\r\n",
            &endless,
            &version_2(0x11, 0x11, &[0; 12]),
            &version_2(0x22, 0x11, &[0; 12]),
            &version_2(0x21, 0x11, &[0; 11]),
            &version_2(0x21, 0x21, &[0; 35]),
            &version_2(0x21, 0x11, &[0; REST_MAX + 1]),
            b"PROXY TCP4 192",
            &SIGNATURE,
        ] {
            assert!(parse(bytes).await.0.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn only_the_proxys_own_machine_is_local() {
        let near: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let far: SocketAddr = "192.0.2.1:9".parse().unwrap();
        assert_eq!(client_address(address("127.0.0.1:1"), near).to_string(), "127.0.0.1:1");
        assert_eq!(client_address(address("127.0.0.1:1"), far), far);
        assert_eq!(client_address(address("[::ffff:127.0.0.1]:1"), far), far);
        assert_eq!(client_address(address("192.0.2.9:1"), near).to_string(), "192.0.2.9:1");
        assert!(!client_address(Source::Unknown, near).ip().is_loopback());
        assert_eq!(client_address(Source::Proxy, near), near);
    }

    #[test]
    fn networks_hold_their_addresses() {
        let network = |address: &str, bits| Network {
            address: address.parse().unwrap(),
            bits,
        };
        let holds = |network: Network, address: &str| network.contains(address.parse().unwrap());
        assert!(holds(network("10.1.0.0", 16), "10.1.255.1"));
        assert!(!holds(network("10.1.0.0", 16), "10.2.0.1"));
        assert!(holds(network("0.0.0.0", 0), "192.0.2.1"));
        assert!(!holds(network("0.0.0.0", 0), "::1"));
        assert!(holds(network("10.1.0.0", 16), "::ffff:10.1.0.9"));
        assert!(holds(network("2001:db8::", 32), "2001:db8:9::1"));
        assert!(!holds(network("::1", 128), "::2"));
    }
}
