//! SASL responses.

use crate::auth::{Mechanism, SaslError};
use crate::model::{AmqpError, FieldTable, FieldValue, encode_table};

fn decoded(mechanism: Mechanism, response: &[u8]) -> Result<(String, Vec<u8>), SaslError> {
    let credentials = mechanism.decode(response)?;
    Ok((credentials.user.to_string(), credentials.password))
}

#[test]
fn mechanisms_have_their_names() {
    for name in Mechanism::OFFERED.split(' ') {
        assert_eq!(Mechanism::parse(name).unwrap().as_str(), name);
    }
    for name in ["EXTERNAL", "ANONYMOUS", "plain", ""] {
        assert_eq!(Mechanism::parse(name), None);
    }
}

#[test]
fn plain_is_user_and_password_behind_nuls() {
    let plain = |response: &[u8]| decoded(Mechanism::Plain, response);
    let guest = Ok(("guest".to_owned(), b"p\xff:".to_vec()));
    assert_eq!(plain(b"\0guest\0p\xff:"), guest);
    assert_eq!(plain(b"\0\0"), Ok((String::new(), Vec::new())));
    for response in [
        &b""[..],
        b"guest",
        b"\0guest",
        b"guest\0p",
        b"\0a\0b\0c",
        b"\0a\0b\0",
        b"other\0guest\0p",
    ] {
        assert_eq!(plain(response), Err(SaslError::Plain), "{response:?}");
    }
    assert_eq!(plain(b"\0\xff\0p"), Err(SaslError::UserName));
    let long = [b"\0", "n".repeat(256).as_bytes(), b"\0p"].concat();
    assert_eq!(plain(&long), Err(SaslError::UserName));
}

#[test]
fn amqplain_is_a_table_without_its_length() {
    let amqplain = |pairs: &[(&str, FieldValue)]| {
        let mut bytes = Vec::new();
        encode_table(&pairs.iter().cloned().collect::<FieldTable>(), &mut bytes);
        decoded(Mechanism::AmqPlain, &bytes[4..])
    };
    let text = FieldValue::text;
    let guest = amqplain(&[("PASSWORD", text("p")), ("LOGIN", text("guest"))]);
    assert_eq!(guest, Ok(("guest".to_owned(), b"p".to_vec())));
    assert_eq!(amqplain(&[("LOGIN", text("guest"))]), Err(SaslError::Missing));
    assert_eq!(amqplain(&[]), Err(SaslError::Missing));
    let wrong_type = amqplain(&[("LOGIN", text("guest")), ("PASSWORD", FieldValue::I32(1))]);
    assert_eq!(wrong_type, Err(SaslError::FieldType));
    assert_eq!(decoded(Mechanism::AmqPlain, b"\x05LOGINS\0\0"), Err(SaslError::Table));
    assert_eq!(decoded(Mechanism::AmqPlain, b"\0guest\0p"), Err(SaslError::Table));
    // 1,600 nested arrays end at the depth limit.
    let nested: Vec<u8> = std::iter::once(&b"\x01a"[..])
        .chain(std::iter::repeat_n(&b"A\0\0\x20\0"[..], 1_600))
        .flatten()
        .copied()
        .collect();
    assert_eq!(decoded(Mechanism::AmqPlain, &nested), Err(SaslError::Table));
}

#[test]
fn a_bad_response_is_a_syntax_error_that_shows_nothing_of_it() {
    let error = Mechanism::Plain.decode(b"guest-secret").unwrap_err();
    let told = AmqpError::from(error).to_string();
    assert!(told.starts_with("502 SYNTAX_ERROR - response invalid"), "{told}");
    assert!(!told.contains("secret"));
}
