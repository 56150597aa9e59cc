use bytes::BytesMut;
use postgres_protocol::{IsNull, message::frontend};

use super::{super::framing::Scanner, *};

fn decode(bytes: &[u8]) -> Result<Vec<Request>, Malformed> {
    let mut seen = Vec::new();
    let mut requests = Requests::new(1024);
    let take = |request| {
        seen.push(request);
        Ok(())
    };
    Scanner::new().scan(bytes, &mut RequestReader { requests: &mut requests, take })?;
    Ok(seen)
}

fn one(write: impl FnOnce(&mut BytesMut)) -> Request {
    let mut bytes = BytesMut::new();
    write(&mut bytes);
    let mut seen = decode(&bytes).unwrap();
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

fn wire(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

fn name(text: &str) -> Name {
    text.as_bytes().into()
}

#[test]
fn decodes_what_clients_write() {
    let text = || Captured::whole("select 1".to_owned());
    assert_eq!(one(|b| frontend::query("select 1", b).unwrap()), Request::Query(text()));
    assert_eq!(
        one(|b| frontend::parse("s", "select 1", [23], b).unwrap()),
        Request::Parse { name: name("s"), text: text() }
    );
    let bind = one(|b| {
        let null = |(), _: &mut BytesMut| Ok(IsNull::Yes);
        assert!(frontend::bind("p", "s", [], [()], null, [1], b).is_ok());
    });
    assert_eq!(bind, Request::Bind { portal: name("p"), statement: name("s") });
    for (written, max_rows) in [(5, 5), (0, 0), (-1, 0)] {
        let execute = one(|b| frontend::execute("p", written, b).unwrap());
        assert_eq!(execute, Request::Execute { portal: name("p"), max_rows });
    }
    assert_eq!(
        one(|b| frontend::describe(b'S', "s", b).unwrap()),
        Request::Describe(Named::Statement(name("s")))
    );
    assert_eq!(one(|b| frontend::close(b'P', "p", b).unwrap()), Request::Close(Named::Portal(name("p"))));
    assert_eq!(one(frontend::sync), Request::Sync);
    assert_eq!(one(frontend::copy_done), Request::CopyEnd);
    assert_eq!(one(|b| frontend::copy_fail("why", b).unwrap()), Request::CopyEnd);
    assert_eq!(one(frontend::terminate), Request::Terminate);
}

#[test]
fn a_flush_and_copied_data_ask_for_nothing() {
    let mut bytes = BytesMut::new();
    frontend::flush(&mut bytes);
    bytes.extend_from_slice(&wire(b'd', b"1\t2\n"));
    assert_eq!(decode(&bytes), Ok(vec![]));
}

#[test]
fn a_function_call_keeps_its_oid_and_the_digest_of_the_rest() {
    let body = [1598_u32.to_be_bytes().as_slice(), b"\0\0\0\0\0\0"].concat();
    let Ok(requests) = decode(&wire(b'F', &body)) else { panic!() };
    let [Request::FunctionCall { oid: 1598, body: captured }] = requests.as_slice() else { panic!() };
    assert_eq!((captured.length, captured.digest()), (10, blake3::hash(&body)));
}

#[test]
fn refuses_what_a_server_would_not_understand() {
    let cases = [
        wire(b'p', b"secret\0"),
        wire(b'!', b""),
        wire(b'Q', b"select 1"),
        wire(b'Q', b"select 1\0drop\0"),
        wire(b'P', b"s\0select 1"),
        wire(b'P', b"s"),
        wire(b'B', b"p\0s"),
        wire(b'E', b"p\0\0\0"),
        wire(b'D', b"Xp\0"),
        wire(b'C', b""),
        wire(b'S', b"x"),
        wire(b'X', b"x"),
        wire(b'F', b"\0\0"),
        wire(b'D', &[b'S'; 10_001]),
    ];
    for bytes in cases {
        assert!(decode(&bytes).is_err(), "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn an_error_does_not_tell_the_text() {
    let fault = decode(&wire(b'Q', b"select 'secret'\0x\0")).unwrap_err();
    assert!(!fault.what.contains("secret"));
}
