//! COPY in both directions and both modes.

use super::script::{client, events, not_executed, server};

#[test]
fn copy_out_is_counted_by_its_tag() {
    let turns = [client().query("copy t to stdout").turn(), server("H d d d c C:COPY,3 Z")];
    assert_eq!(events(&turns), ["1 copy t to stdout", "1 = 3"]);
    let turns = [client().run("copy t to stdout").sync().turn(), server("1 2 n H d d c C:COPY,2 Z")];
    assert_eq!(events(&turns), ["1 copy t to stdout", "1 = 2"]);
}

#[test]
fn copy_in_by_a_simple_query() {
    let turns = [
        client().query("copy t from stdin").turn(),
        server("G"),
        client().data(b"1\n").data(b"2\n").copy_done().query("select 1").turn(),
        server("C:COPY,2 Z T D C:SELECT,1 Z"),
    ];
    assert_eq!(events(&turns), ["1 copy t from stdin", "2 select 1", "1 = 2", "2 = 1"]);
}

#[test]
fn several_copies_in_one_query() {
    let turns = [
        client().query("copy a from stdin; copy b from stdin").turn(),
        server("G"),
        client().data(b"1\n").copy_done().data(b"1\n").copy_done().turn(),
        server("C:COPY,1 G C:COPY,1 Z"),
        client().query("select 1").turn(),
        server("T D C:SELECT,1 Z"),
    ];
    let told = events(&turns);
    assert_eq!(told[1..], ["1 = 1", "1 = 2", "2 select 1", "2 = 1"]);
}

#[test]
fn copy_in_steps_over_syncs_sent_before_its_end() {
    let turns = [
        client().run("copy t from stdin").sync().turn(),
        server("1 2 n G"),
        client().data(b"1\n").flush().copy_done().sync().run("select 1").sync().turn(),
        server("C:COPY,1 Z 1 2 T D C:SELECT,1 Z"),
    ];
    assert_eq!(events(&turns), ["1 copy t from stdin", "2 select 1", "1 = 1", "2 = 1"]);
}

#[test]
fn a_copy_that_the_client_ends_fails() {
    let turns = [
        client().run("copy t from stdin").sync().turn(),
        server("1 2 n G"),
        client().data(b"1\n").copy_fail().sync().turn(),
        server("E:57014 Z"),
        client().query("select 1").turn(),
        server("T D C:SELECT,1 Z"),
    ];
    assert_eq!(events(&turns), ["1 copy t from stdin", "1 ! 57014: no", "2 select 1", "2 = 1"]);
}

#[test]
fn a_copy_that_cannot_begin_leaves_its_data_unanswered() {
    let turns = [
        client().query("copy x from stdin").turn(),
        client().data(b"1\n").copy_done().query("select 1").turn(),
        server("E:42P01 Z T D C:SELECT,1 Z"),
    ];
    assert_eq!(events(&turns), ["1 copy x from stdin", "2 select 1", "1 ! 42P01: no", "2 = 1"]);
    let turns = [
        client()
            .run("copy x from stdin")
            .sync()
            .data(b"1\n")
            .copy_done()
            .sync()
            .run("select 1")
            .sync()
            .turn(),
        server("1 2 n E:42P01 Z Z 1 2 T D C:SELECT,1 Z"),
    ];
    assert_eq!(events(&turns), ["1 copy x from stdin", "2 select 1", "1 ! 42P01: no", "2 = 1"]);
}

/// Whether the server had read the first Sync before it failed cannot be known: then it stepped over it and answers
/// one Sync, else two. Either way what follows must find its own answers.
#[test]
fn a_copy_that_fails_on_its_data_answers_one_sync_or_two() {
    for ready in ["Z", "Z Z"] {
        for follow_up in [
            (client().run("select 1").sync(), "1 2 T D C:SELECT,1 Z"),
            (client().query("select 1"), "T D C:SELECT,1 Z"),
            (client().sync().query("select 1"), "Z T D C:SELECT,1 Z"),
        ] {
            let turns = [
                client().run("copy t from stdin").sync().turn(),
                server("1 2 n G"),
                client().data(b"x\n").turn(),
                server("E:22P02"),
                client().data(b"y\n").copy_done().sync().turn(),
                server(ready),
                follow_up.0.turn(),
                server(follow_up.1),
                client().run("select 2").sync().turn(),
                server("1 2 T D D C:SELECT,2 Z"),
            ];
            let expected =
                ["1 copy t from stdin", "1 ! 22P02: no", "2 select 1", "2 = 1", "3 select 2", "3 = 2"];
            assert_eq!(events(&turns), expected, "{ready}");
        }
    }
}

#[test]
fn a_copy_that_fails_drops_what_was_piped_behind_it() {
    let turns = [
        client()
            .run("copy t from stdin")
            .data(b"x\n")
            .copy_done()
            .run("select 1")
            .sync()
            .run("select 2")
            .sync()
            .turn(),
        server("1 2 n G E:22P02 Z 1 2 T D C:SELECT,1 Z"),
    ];
    assert_eq!(
        events(&turns),
        ["1 copy t from stdin", "2 select 1", "3 select 2", "1 ! 22P02: no", &not_executed(2), "3 = 1"]
    );
}

#[test]
fn a_simple_copy_that_fails_answers_a_sync_sent_within_it_or_not() {
    for answers in ["E:22P02 Z", "E:22P02 Z Z"] {
        let turns = [
            client().query("copy t from stdin").turn(),
            server("G"),
            client().sync().data(b"x\n").copy_done().turn(),
            server(answers),
            client().run("select 1").sync().turn(),
            server("1 2 T D C:SELECT,1 Z"),
        ];
        assert_eq!(events(&turns), ["1 copy t from stdin", "1 ! 22P02: no", "2 select 1", "2 = 1"]);
    }
}

#[test]
fn a_simple_copy_that_fails_on_its_data_goes_on() {
    let turns = [
        client().query("copy t from stdin").turn(),
        server("G"),
        client().data(b"x\n").turn(),
        server("E:22P02 Z"),
        client().data(b"y\n").copy_done().query("select 1").turn(),
        server("T D C:SELECT,1 Z"),
    ];
    assert_eq!(events(&turns), ["1 copy t from stdin", "1 ! 22P02: no", "2 select 1", "2 = 1"]);
}
