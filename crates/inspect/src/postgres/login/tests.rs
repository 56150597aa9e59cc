use proptest::prelude::*;

use super::*;

fn login(password: Option<&str>) -> Login {
    Login::new("ada", password, "shop", &[("TimeZone".to_owned(), "UTC".to_owned())])
}

fn wire(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

fn auth(method: i32, data: &[u8]) -> Vec<u8> {
    wire(b'R', &[method.to_be_bytes().as_slice(), data].concat())
}

fn welcome() -> Vec<u8> {
    let secret = [7_i32.to_be_bytes().as_slice(), &[9; 32]].concat();
    [
        auth(0, b""),
        wire(b'S', b"server_version\x0018.4\x00"),
        wire(b'N', b"SNOTICE\0Mhello\0\0"),
        wire(b'K', &secret),
        wire(b'Z', b"I"),
    ]
    .concat()
}

/// Feeds everything; the outcome and what the login answered.
fn feed(login: &mut Login, bytes: &[u8]) -> (Result<Option<Ready>, Error>, Vec<u8>) {
    let mut out = BytesMut::new();
    let outcome = login.feed(&mut BytesMut::from(bytes), &mut out);
    (outcome, out.to_vec())
}

fn refusal(login: &mut Login, bytes: &[u8]) -> Error {
    let error = feed(login, bytes).0.unwrap_err();
    assert!(error.hint.is_some(), "{error:?}");
    assert_eq!(error.side, Side::Upstream);
    error
}

#[test]
fn starts_with_its_own_account() {
    let mut out = BytesMut::new();
    login(None).start(&mut out).unwrap();
    assert!(out.ends_with(b"\0\x03\0\0user\0ada\0database\0shop\0TimeZone\0UTC\0\0"));
    assert_eq!(Login::new("a\0b", None, "", &[]).start(&mut out).unwrap_err().code, Code::UpstreamLogin);
}

#[test]
fn trust_is_ready_at_once_and_leaves_what_follows() {
    let mut input = BytesMut::from([welcome(), wire(b'A', b"x")].concat().as_slice());
    let ready = login(None).feed(&mut input, &mut BytesMut::new()).unwrap().unwrap();
    assert_eq!(ready.parameters, [("server_version".to_owned(), "18.4".to_owned())]);
    assert_eq!(ready.backend, Some((7, Bytes::from_static(&[9; 32]))));
    assert_eq!(input, wire(b'A', b"x"));
}

#[test]
fn is_ready_at_every_split() {
    let bytes = welcome();
    for cut in 0..bytes.len() {
        let mut login = login(None);
        let mut input = BytesMut::from(&bytes[..cut]);
        assert_eq!(login.feed(&mut input, &mut BytesMut::new()).unwrap(), None, "cut at {cut}");
        input.extend_from_slice(&bytes[cut..]);
        assert!(login.feed(&mut input, &mut BytesMut::new()).unwrap().is_some(), "cut at {cut}");
    }
}

#[test]
fn answers_md5() {
    let mut login = Login::new("md5_user", Some("password"), "d", &[]);
    let (outcome, out) = feed(&mut login, &auth(5, &[0x2a, 0x3d, 0x8f, 0xe0]));
    assert_eq!(outcome.unwrap(), None);
    assert_eq!(out, wire(b'p', b"md562af4dd09bbb41884907a838a3233294\0"));
    assert!(feed(&mut login, &welcome()).0.unwrap().is_some());
}

#[test]
fn clear_text_only_where_it_is_allowed() {
    let error = refusal(&mut login(Some("pw")), &auth(3, b""));
    assert!(error.message.contains("clear text"));
    let (outcome, out) = feed(&mut login(Some("pw")).allow_cleartext(true), &auth(3, b""));
    assert!(outcome.is_ok());
    assert_eq!(out, wire(b'p', b"pw\0"));
}

#[test]
fn says_when_a_password_is_missing() {
    for request in [auth(3, b""), auth(5, &[0; 4]), auth(10, b"SCRAM-SHA-256\0\0")] {
        let error = refusal(&mut login(None).allow_cleartext(true), &request);
        assert!(error.hint.unwrap().contains("PASS"));
    }
}

#[test]
fn scram_names_its_mechanism_by_what_can_be_bound() {
    let both: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
    let cases = [
        (None, both, "SCRAM-SHA-256\0", "n,,n=,r="),
        (Some(vec![1]), both, "SCRAM-SHA-256-PLUS\0", "p=tls-server-end-point,,n=,r="),
        (Some(vec![1]), b"SCRAM-SHA-256\0\0", "SCRAM-SHA-256\0", "y,,n=,r="),
    ];
    for (binding, offered, name, header) in cases {
        let (outcome, out) = feed(&mut login(Some("pw")).channel_binding(binding), &auth(10, offered));
        assert!(outcome.is_ok());
        assert!(out[5..].starts_with(name.as_bytes()));
        assert!(out[5 + name.len() + 4..].starts_with(header.as_bytes()));
    }
    let error = refusal(&mut login(Some("pw")), &auth(10, b"SCRAM-SHA-256-PLUS\0OAUTHBEARER\0\0"));
    assert!(error.message.contains("OAUTHBEARER"));
}

/// The exchange up to the client's proof; the whole exchange runs against real servers elsewhere.
fn challenged(iterations: &str, padding: usize) -> (Login, Result<Option<Ready>, Error>, Vec<u8>) {
    let mut login = login(Some("pw"));
    let (_, first) = feed(&mut login, &auth(10, b"SCRAM-SHA-256\0\0"));
    // The nonce stands at the end and may itself hold any printable character but a comma.
    let nonce = first.rsplit(|&byte| byte == b',').next().unwrap().strip_prefix(b"r=").unwrap();
    let challenge =
        [b"r=", nonce, "x".repeat(padding).as_bytes(), b",s=c2FsdA==,i=", iterations.as_bytes()].concat();
    let (outcome, out) = feed(&mut login, &auth(11, &challenge));
    (login, outcome, out)
}

#[test]
fn scram_answers_the_challenge_and_insists_on_the_servers_proof() {
    let (mut login, outcome, out) = challenged("4096", 8);
    assert_eq!(outcome.unwrap(), None);
    assert!(out.starts_with(b"p") && String::from_utf8_lossy(&out).contains(",p="));
    assert!(refusal(&mut login, &auth(0, b"")).message.contains("without proving"));

    let (mut login, ..) = challenged("4096", 8);
    let error = refusal(&mut login, &auth(12, b"v=AAAA"));
    assert!(error.message.contains("verification"), "{error}");
}

#[test]
fn scram_takes_its_messages_in_order_and_once() {
    let mut early = login(Some("pw"));
    assert!(feed(&mut early, &auth(10, b"SCRAM-SHA-256\0\0")).0.is_ok());
    assert_eq!(refusal(&mut early, &auth(12, b"v=AAAA")).code, Code::UpstreamLogin);
    let (mut twice, ..) = challenged("4096", 8);
    assert_eq!(refusal(&mut twice, &auth(11, b"r=x,s=c2FsdA==,i=1")).code, Code::UpstreamLogin);
}

#[test]
fn scram_bounds_work_and_size() {
    for (iterations, padding) in [("99999999", 8), ("4096", 60_000), ("-1", 0)] {
        let (_, outcome, out) = challenged(iterations, padding);
        assert_eq!(outcome.unwrap_err().code, Code::UpstreamLogin);
        assert!(out.is_empty());
    }
}

#[test]
fn names_methods_that_are_not_spoken() {
    for (method, name) in [(7, "GSSAPI"), (9, "SSPI"), (2, "Kerberos"), (99, "99")] {
        assert!(refusal(&mut login(Some("pw")), &auth(method, b"")).message.contains(name));
    }
}

#[test]
fn passes_on_what_the_server_says() {
    let error = refusal(&mut login(None), &wire(b'E', b"SFATAL\0C3D000\0Mno database \"shop\"\0\0"));
    assert_eq!(error.code, Code::UpstreamLogin);
    assert_eq!(error.message, "the upstream refused the login: 3D000: no database \"shop\"");
    assert!(error.hint.unwrap().contains("DB"));
    let error = refusal(&mut login(None), &wire(b'E', b"SFATAL\0C99999\0Mno\0Htry this\0\0"));
    assert_eq!(error.hint.as_deref(), Some("try this"));
}

#[test]
fn refuses_what_does_not_belong_into_a_login() {
    let cases = [
        wire(b'Z', b"I"),
        wire(b'S', b"a\0b\0"),
        wire(b'D', b""),
        wire(b'R', b"\0"),
        auth(12, b"v="),
        auth(5, &[1]),
        [auth(0, b""), auth(0, b"")].concat(),
        [auth(0, b""), wire(b'S', b"name")].concat(),
        [auth(0, b""), wire(b'K', b"\0\0")].concat(),
        [auth(0, b""), wire(b'K', &[0; 300])].concat(),
        [auth(0, b""), wire(b'S', b"a\0b\0").repeat(PARAMETERS + 1)].concat(),
        b"HTTP/1.1 400 Bad Request".to_vec(),
        b"R\0\0\0\x03".to_vec(),
        b"E\x7f\xff\xff\xff".to_vec(),
    ];
    for bytes in cases {
        assert_eq!(refusal(&mut login(Some("pw")), &bytes).code, Code::Malformed, "{bytes:?}");
    }
}

#[test]
fn requests_are_laid_out_as_the_protocol_has_them() {
    assert_eq!(ssl_request(), b"\0\0\0\x08\x04\xd2\x16\x2f".as_slice());
    let expected: &[u8] = b"\0\0\0\x12\x04\xd2\x16\x2e\0\0\0\x07secret";
    assert_eq!(cancel_request(7, b"secret"), expected);
}

proptest! {
    #[test]
    fn garbage_never_panics(
        messages in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..20),
        tail in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let framed: Vec<u8> = messages.iter().flat_map(|(tag, body)| wire(*tag, body)).chain(tail).collect();
        let _ = feed(&mut login(Some("pw")).allow_cleartext(true), &framed);
    }
}
