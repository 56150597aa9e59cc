//! What hostile peers can make an inspector hold and do.

use penstock_domain::Event;
use proptest::prelude::*;

use super::script::{Turn, client, feed, play, server, wire};
use crate::postgres::Inspector;

#[test]
fn a_statement_longer_than_the_limit_is_truncated_and_digested() {
    let text = format!("select '{}'", "x".repeat(1000));
    let mut inspector = Inspector::new(100);
    let told = feed(&mut inspector, &client().query(&text).turn()).unwrap();
    let expected = Event::Statement {
        id: 1,
        text: text[..100].to_owned(),
        bytes: text.len() as u64,
        truncated: true,
        digest: Some(blake3::hash(text.as_bytes()).to_hex().to_string()),
    };
    assert_eq!(told, [expected]);
}

#[test]
fn a_text_that_cannot_be_held_is_told_when_it_is_prepared() {
    let mega = "x".repeat(1 << 20);
    let mut inspector = Inspector::new(1 << 20);
    for number in 0..16 {
        let turns = [client().parse(&format!("s{number}"), &mega).sync().turn(), server("1 Z")];
        assert_eq!(play(&mut inspector, &turns).len(), 0);
    }
    let told = play(&mut inspector, &[client().parse("s", &mega).sync().turn(), server("1 Z")]);
    assert_eq!(told, [format!("1 {mega}"), "1 = 0".to_owned()]);
    let told = feed(&mut inspector, &client().bind("", "s").execute("", 0).turn()).unwrap();
    let [Event::Statement { id: 2, text, bytes: 1_048_576, truncated: true, digest }] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert!(text.len() < 1024);
    assert_eq!(digest.as_deref(), Some(blake3::hash(mega.as_bytes()).to_hex().as_str()));
}

#[test]
fn executing_a_long_text_again_and_again_tells_it_in_full_once() {
    let mega = "x".repeat(1 << 20);
    let mut inspector = Inspector::new(1 << 20);
    play(&mut inspector, &[client().parse("", &mega).bind("", "").turn()]);
    let many = (0..1000).fold(client(), |client, _| client.execute("", 0)).turn();
    let told = play(&mut inspector, &[many]);
    assert!(told.iter().map(String::len).sum::<usize>() < (1 << 20) + 1000 * 5 * 1024);
}

#[test]
fn the_number_of_prepared_statements_and_portals_is_bounded() {
    let mut inspector = Inspector::new(1 << 20);
    let parse = |from: u32, to: u32| {
        (from..to).fold(client(), |client, number| client.parse(&number.to_string(), "")).turn()
    };
    feed(&mut inspector, &parse(0, 10_000)).unwrap();
    assert_eq!(feed(&mut inspector, &parse(10_000, 10_001)).unwrap_err().sqlstate, "53000");

    let mut inspector = Inspector::new(1 << 20);
    let bind = (0..10_001).fold(client(), |client, number| client.bind(&number.to_string(), "")).turn();
    assert!(feed(&mut inspector, &bind).is_err());
}

#[test]
fn a_pipeline_asks_for_a_pause_before_it_is_too_deep() {
    let mut inspector = Inspector::new(1 << 20);
    let syncs = (0..50_000).fold(client(), |client, _| client.sync()).turn();
    assert!(!inspector.congested());
    feed(&mut inspector, &syncs).unwrap();
    assert!(inspector.congested());
    feed(&mut inspector, &server("Z")).unwrap();
    assert!(!inspector.congested());
    feed(&mut inspector, &syncs).unwrap();
    assert!(feed(&mut inspector, &syncs).unwrap_err().what.contains("too deep"));
}

#[test]
fn rows_far_over_16_mib_stream() {
    let mut inspector = Inspector::new(1 << 20);
    play(&mut inspector, &[client().query("select ...").turn()]);
    feed(&mut inspector, &Turn::Server(b"D\x04\0\0\x04".to_vec())).unwrap();
    let chunk = Turn::Server(vec![b'E'; 1 << 20]);
    for _ in 0..64 {
        assert_eq!(feed(&mut inspector, &chunk), Ok(vec![]));
    }
    assert_eq!(play(&mut inspector, &[server("C:SELECT,1 Z")]), ["1 = 1"]);
}

/// Messages that mean something, in no order that does.
fn noise(tags: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        Just(b"".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"s\0select 1\0\0\0".to_vec()),
        Just(b"S\0".to_vec()),
        Just(b"\0\0\0\0\0".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    (proptest::sample::select(tags), body).prop_map(|(tag, body)| wire(tag, &body))
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        noise(b"QPBDECFSHdcfX").prop_map(Turn::Client),
        noise(b"123TtnCIVsGHdcDEZNSA").prop_map(Turn::Server),
        proptest::collection::vec(any::<u8>(), 0..30).prop_map(Turn::Client),
        proptest::collection::vec(any::<u8>(), 0..30).prop_map(Turn::Server),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn garbage_never_panics_and_completes_only_what_was_told(turns in proptest::collection::vec(turn(), 0..60)) {
        let mut inspector = Inspector::new(1 << 20);
        let mut told = 0;
        for turn in &turns {
            // A fault ends a real session; here the noise goes on, which must not harm either.
            for event in feed(&mut inspector, turn).unwrap_or_default() {
                match event {
                    Event::Statement { id, .. } => told = told.max(id),
                    Event::Completed { id, .. } => prop_assert!(id <= inspector.statements()),
                    _ => {}
                }
            }
            prop_assert!(told <= inspector.statements());
        }
    }
}
