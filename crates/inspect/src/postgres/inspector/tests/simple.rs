//! Simple queries, function calls, and what comes unasked.

use penstock_domain::Event;

use super::script::{Turn, client, events, feed, play, server, wire};
use crate::postgres::Inspector;

#[test]
fn a_query_is_told_and_completed() {
    let turns = [client().query("select 1").turn(), server("T D D C:SELECT,2 Z")];
    assert_eq!(events(&turns), ["1 select 1", "1 = 2"]);
}

#[test]
fn each_command_of_a_query_tells_the_rows_so_far() {
    let turns = [
        client().query("insert ...; update ...; create table ...").turn(),
        server("C:INSERT,0,3 C:UPDATE,2 C:CREATE,TABLE Z"),
    ];
    assert_eq!(events(&turns)[1..], ["1 = 3", "1 = 5", "1 = 5"]);
}

#[test]
fn an_error_after_a_command_is_the_truth() {
    let turns = [client().query("select 1; x").turn(), server("T D C:SELECT,1 E:42601 Z")];
    assert_eq!(events(&turns), ["1 select 1; x", "1 = 1", "1 ! 42601: no"]);
}

#[test]
fn an_empty_query_completes_without_rows() {
    let turns = [client().query("").turn(), server("I Z")];
    assert_eq!(events(&turns), ["1 ", "1 = 0"]);
}

#[test]
fn a_function_call_is_told_by_its_oid_and_digest() {
    let body = b"\0\0\x06\x3e\0\0\0\0\0\0";
    let mut inspector = Inspector::new(1 << 20);
    let told = feed(&mut inspector, &client().raw(b'F', body).turn()).unwrap();
    let digest = Some(blake3::hash(body).to_hex().to_string());
    let text = "-- a call of the function with OID 1598".to_owned();
    assert_eq!(told, [Event::Statement { id: 1, text, bytes: 10, truncated: true, digest }]);
    assert_eq!(play(&mut inspector, &[server("V Z")]), ["1 = 0"]);
    let failed = [client().raw(b'F', body).turn(), server("E:42883 Z")];
    assert_eq!(play(&mut inspector, &failed)[1], "2 ! 42883: no");
}

#[test]
fn what_comes_unasked_is_an_event_only_if_it_is_an_error() {
    let turns = [
        server("S A N:01000"),
        client().query("select 1").turn(),
        server("A T N:01000 D S C:SELECT,1 A Z"),
        server("E:57P01"),
    ];
    assert_eq!(events(&turns), ["1 select 1", "1 = 1", "! 57P01: no"]);
}

#[test]
fn is_busy_while_a_statement_is_unanswered() {
    let mut inspector = Inspector::new(1 << 20);
    assert!(!inspector.busy());
    play(&mut inspector, &[client().query("select 1").turn()]);
    assert!(inspector.busy());
    play(&mut inspector, &[server("T D C:SELECT,1")]);
    assert!(inspector.busy());
    play(&mut inspector, &[server("Z")]);
    assert!(!inspector.busy());
    assert_eq!(inspector.statements(), 1);
}

#[test]
fn ready_for_query_ends_what_was_never_answered() {
    let turns = [client().query("select 1").query("select 2").turn(), server("Z T D C:SELECT,1 Z")];
    let told = events(&turns);
    assert_eq!(told[2..], ["1 ! the server did not answer it", "2 = 1"]);
}

#[test]
fn terminate_is_the_last_word() {
    let mut inspector = Inspector::new(1 << 20);
    play(&mut inspector, &[client().terminate().turn()]);
    assert!(inspector.finished());
    assert!(feed(&mut inspector, &client().query("select 1").turn()).is_err());
}

#[test]
fn refuses_what_is_not_known_from_the_client_and_steps_over_it_from_the_server() {
    for tag in *b"p!Rr\0" {
        let turn = Turn::Client(wire(tag, b"x\0"));
        assert!(feed(&mut Inspector::new(1 << 20), &turn).is_err(), "{tag}");
        let turn = Turn::Server(wire(tag, b"x\0"));
        assert_eq!(feed(&mut Inspector::new(1 << 20), &turn), Ok(vec![]), "{tag}");
    }
    assert!(feed(&mut Inspector::new(1 << 20), &Turn::Server(b"D\0\0\0\x03".to_vec())).is_err());
}
