//! What is known of a session from its recording alone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod sample;

use penstock_domain::Status;
use penstock_record::{What, summarise, verify};
use sample::{START, boundaries, events, record, statement};

#[test]
fn an_orderly_session_is_told_whole() {
    let (bytes, head) = record(&events());
    let summary = summarise(&bytes[..]).unwrap();
    assert_eq!((summary.session.as_str(), summary.connection.as_str()), ("s-1", "demo-pg"));
    assert_eq!((summary.protocol.as_str(), summary.principal.as_str()), ("postgres", "ann@example.com"));
    assert_eq!((summary.started_at, summary.last_at), (START, START + 5000));
    assert_eq!((summary.statements, summary.records), (2, 6));
    assert_eq!((summary.ended, summary.status, summary.reason), (true, Some(Status::Closed), None));
    assert_eq!((summary.client_bytes, summary.upstream_bytes), (Some(100), Some(2000)));
    assert_eq!((summary.head, summary.fault), (head, None));
}

#[test]
fn a_torn_tail_is_no_fault_and_its_head_verifies() {
    let (bytes, _) = record(&events());
    let bounds = boundaries(&bytes);
    for length in bounds[1]..bytes.len() {
        let torn = &bytes[..length];
        let summary = summarise(torn).unwrap();
        assert!(!summary.ended && summary.fault.is_none() && summary.client_bytes.is_none());
        assert_eq!(summary.records as usize, bounds[1..].iter().filter(|end| **end <= length).count());
        assert!(verify(torn, Some(&summary.head)).ok);
    }
}

#[test]
fn a_change_ends_the_reading_and_is_told() {
    let (mut bytes, _) = record(&events());
    let third = boundaries(&bytes)[2];
    bytes[third + 30] ^= 1;
    let summary = summarise(&bytes[..]).unwrap();
    assert_eq!((summary.records, summary.fault.unwrap().record), (2, 3));
}

#[test]
fn without_a_first_record_nothing_is_known() {
    assert_eq!(summarise(&b""[..]).unwrap_err().what, What::Empty);
    assert_eq!(summarise(&b"PENREC"[..]).unwrap_err().what, What::Empty);
    assert_eq!(summarise(&b"something else"[..]).unwrap_err().what, What::NotARecording);
    let (bytes, _) = record(&events());
    assert_eq!(summarise(&bytes[..100]).unwrap_err().what, What::Cut);
}

#[test]
fn it_is_plain_json() {
    let mut list = events();
    list[1] = statement(1, "a secret text");
    let summary = serde_json::to_value(summarise(&record(&list).0[..]).unwrap()).unwrap();
    assert_eq!((&summary["ended"], &summary["status"]), (&true.into(), &"closed".into()));
    assert!(!summary.to_string().contains("secret"));
}
