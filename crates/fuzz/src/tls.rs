//! The first words of a TLS client.

use penstock_link::tls::{ClientHello, ClientHelloReader, NoClientHello};

use crate::cuts::{Pieces, SIZES};

/// Whatever the pieces, the same name; and whoever is refused is told by an alert.
pub(crate) fn client_hello(data: &[u8]) {
    let whole = read(data, SIZES[0]);
    for sizes in &SIZES[1..] {
        match (&whole, read(data, sizes)) {
            (Ok(Some(hello)), again) => assert!(again == Ok(Some(hello.clone()))),
            (Ok(None), again) => assert!(again == Ok(None)),
            // In pieces, what is too long is noticed later: what stands before it counts.
            (Err(refused), _) => assert!(refused.alert.first() == Some(&21), "no alert"),
        }
    }
    if let Ok(Some(ClientHello { server_name: Some(name) })) = whole {
        assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_control()));
    }
}

fn read(data: &[u8], sizes: &[usize]) -> Result<Option<ClientHello>, NoClientHello> {
    let mut reader = ClientHelloReader::default();
    for piece in Pieces::new(data, sizes) {
        if let Some(hello) = reader.read(piece)? {
            return Ok(Some(hello));
        }
    }
    Ok(None)
}
