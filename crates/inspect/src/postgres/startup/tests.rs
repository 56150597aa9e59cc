use postgres_protocol::message::frontend;
use proptest::prelude::*;

use super::*;

fn feed(bytes: &[u8]) -> Result<Option<First>, Malformed> {
    FirstWords::default().feed(&mut BytesMut::from(bytes))
}

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let mut packet = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    packet.extend(code.to_be_bytes());
    packet.extend(body);
    packet
}

fn start(parameters: &[(&str, &str)]) -> BytesMut {
    let mut buf = BytesMut::new();
    frontend::startup_message(parameters.iter().copied(), &mut buf).unwrap();
    buf
}

fn started(bytes: &[u8]) -> Startup {
    match feed(bytes) {
        Ok(Some(First::Start(startup))) => startup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_what_psql_sends() {
    let bytes = start(&[
        ("user", "ada"),
        ("database", "shop"),
        ("application_name", "psql"),
        ("client_encoding", "UTF8"),
    ]);
    let startup = started(&bytes);
    assert_eq!((startup.user.as_str(), startup.database.as_str()), ("ada", "shop"));
    assert_eq!(startup.application, "psql");
    let names: Vec<_> = startup.parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["application_name", "client_encoding"]);
    assert_eq!(startup.negotiate, None);
}

#[test]
fn the_database_is_the_users_unless_named() {
    assert_eq!(started(&start(&[("user", "ada")])).database, "ada");
    assert_eq!(started(&start(&[("user", "ada"), ("database", "")])).database, "ada");
}

#[test]
fn takes_encryption_requests_once_each_and_then_the_start() {
    let mut words = FirstWords::default();
    let mut buf = BytesMut::from(packet(GSSENC_REQUEST, b"").as_slice());
    assert_eq!(words.feed(&mut buf), Ok(Some(First::Gss)));
    frontend::ssl_request(&mut buf);
    assert_eq!(words.feed(&mut buf), Ok(Some(First::Tls)));
    buf.extend_from_slice(&start(&[("user", "ada")]));
    assert!(matches!(words.feed(&mut buf), Ok(Some(First::Start(_)))));
    assert!(buf.is_empty());

    frontend::ssl_request(&mut buf);
    assert!(words.feed(&mut buf).unwrap_err().what.contains("second SSLRequest"));
}

#[test]
fn refuses_plaintext_smuggled_behind_an_encryption_request() {
    for code in [SSL_REQUEST, GSSENC_REQUEST] {
        let mut bytes = packet(code, b"");
        bytes.extend_from_slice(&start(&[("user", "eve")]));
        assert!(feed(&bytes).unwrap_err().what.contains("unencrypted data behind"));
    }
}

#[test]
fn reads_cancel_requests_with_short_and_long_secrets() {
    let mut buf = BytesMut::new();
    frontend::cancel_request(7, -2, &mut buf);
    let secret = Bytes::copy_from_slice(&(-2_i32).to_be_bytes());
    assert_eq!(feed(&buf), Ok(Some(First::Cancel { pid: 7, secret })));

    let body = [7_u32.to_be_bytes().as_slice(), &[9; 256]].concat();
    let Ok(Some(First::Cancel { pid: 7, secret })) = feed(&packet(CANCEL_REQUEST, &body)) else { panic!() };
    assert_eq!(secret.len(), 256);
    assert!(feed(&packet(CANCEL_REQUEST, &[0; 300])).is_err());
    assert!(feed(&packet(CANCEL_REQUEST, &[0; 5])).is_err());
}

#[test]
fn says_what_strangers_look_like() {
    let cases: [(&[u8], &str); 7] = [
        (&[0x16], "TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"CONNECT x:1 HTTP/1.1", "HTTP"),
        (b"PRI * HTTP/2.0", "HTTP"),
        (b"SSH-2.0-x", "SSH"),
        (&[0, 0, 0, 4, 0, 0, 0, 0], "out of bounds"),
        (&[0, 1, 0, 0], "out of bounds"),
    ];
    for (bytes, word) in cases {
        let fault = feed(bytes).unwrap_err();
        assert!(fault.what.contains(word), "{fault}");
        assert!(fault.hint.is_some());
    }
    assert!(feed(&[0xff; 4]).is_err());
}

#[test]
fn negotiates_newer_minor_versions_and_unknown_options_down() {
    let body = b"user\0ada\0_pq_.compression\0on\0\0";
    let message = started(&packet((3 << 16) | 2, body)).negotiate.unwrap();
    assert_eq!(message, b"v\0\0\0\x1d\0\x03\0\0\0\0\0\x01_pq_.compression\0");
    let message = started(&packet((3 << 16) | 2, b"user\0ada\0\0")).negotiate.unwrap();
    assert_eq!(message, b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0");
}

#[test]
fn refuses_other_protocols_and_bad_parameters() {
    assert!(feed(&packet(2 << 16, b"user\0ada\0\0")).unwrap_err().what.contains("2.0"));
    let bodies: [&[u8]; 7] = [
        b"\0",
        b"user\0ada\0",
        b"user\0ada",
        b"user\0",
        b"user\0ada\0\0\0",
        b"user\0\xff\0\0",
        b"user\0ada\0options\0-c x=y\0\0",
    ];
    for body in bodies {
        assert!(feed(&packet(PROTOCOL_3_0, body)).is_err(), "{body:?}");
    }
}

#[test]
fn waits_for_the_whole_packet_at_every_split() {
    let bytes = start(&[("user", "ada"), ("TimeZone", "UTC")]);
    for cut in 0..bytes.len() {
        let mut words = FirstWords::default();
        let mut buf = BytesMut::from(&bytes[..cut]);
        assert_eq!(words.feed(&mut buf), Ok(None), "cut at {cut}");
        buf.extend_from_slice(&bytes[cut..]);
        assert!(matches!(words.feed(&mut buf), Ok(Some(First::Start(_)))), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), framed: bool) {
        let bytes = if framed { packet(PROTOCOL_3_0, &bytes) } else { bytes };
        let _ = feed(&bytes);
    }
}
