//! Extended queries and pipelines.

use super::script::{client, events, not_executed, play, server};
use crate::postgres::Inspector;

#[test]
fn parse_bind_execute_is_one_statement() {
    let turns = [client().run("select $1").sync().turn(), server("1 2 T D D C:SELECT,2 Z")];
    assert_eq!(events(&turns), ["1 select $1", "1 = 2"]);
}

#[test]
fn a_prepared_statement_is_told_each_time_it_is_executed() {
    let turns = [
        client().parse("s", "select 1").describe(b'S', "s").sync().turn(),
        server("1 t T Z"),
        client().bind("", "s").execute("", 0).bind("", "s").execute("", 0).sync().turn(),
        server("2 D C:SELECT,1 2 D C:SELECT,1 Z"),
        client().close(b'S', "s").sync().turn(),
        server("3 Z"),
        client().bind("", "s").execute("", 0).sync().turn(),
        server("E:26000 Z"),
    ];
    let told = events(&turns);
    assert_eq!(told[..4], ["1 select 1", "2 select 1", "1 = 1", "2 = 1"]);
    assert_eq!(told[4], "3 -- the prepared statement \"s\", which no Parse has prepared");
    assert_eq!(told[5], "3 ! 26000: no");
}

#[test]
fn a_suspended_portal_has_given_the_rows_that_were_asked_for() {
    let turns = [
        client().parse("", "select ...").bind("p", "").execute("p", 2).flush().turn(),
        server("1 2 D D s"),
        client().execute("p", 2).sync().turn(),
        server("D C:SELECT,1 Z:T"),
    ];
    assert_eq!(events(&turns), ["1 select ...", "1 = 2", "2 select ...", "2 = 1"]);
}

#[test]
fn portals_end_with_their_transaction() {
    let turns = [
        client().query("begin").parse("", "select 1").bind("p", "").execute("p", 1).sync().turn(),
        server("C:BEGIN Z:T 1 2 D s Z:T"),
        client().execute("p", 1).sync().query("commit").turn(),
        server("D s Z:T C:COMMIT Z"),
        client().execute("p", 1).sync().turn(),
        server("E:34000 Z"),
    ];
    let told = events(&turns);
    assert_eq!(told[4], "3 select 1");
    assert_eq!(told[8..], ["5 -- the portal \"p\", which no Bind has opened", "5 ! 34000: no"]);
}

#[test]
fn an_error_drops_all_up_to_the_sync_and_nothing_behind_it() {
    let turns = [
        client().run("a").run("b").run("c").sync().run("d").sync().turn(),
        server("1 2 n C:INSERT,0,1 1 2 n E:23505 Z 1 2 n C:INSERT,0,1 Z"),
    ];
    assert_eq!(
        events(&turns),
        ["1 a", "2 b", "3 c", "4 d", "1 = 1", "2 ! 23505: no", &not_executed(3), "4 = 1"]
    );
}

#[test]
fn what_comes_after_an_error_is_dropped_until_the_sync_even_a_simple_query() {
    let turns = [
        client().run("a").flush().turn(),
        server("1 2 n E:23505"),
        client().run("b").query("c").turn(),
        client().sync().query("d").turn(),
        server("Z C:INSERT,0,1 Z"),
    ];
    assert_eq!(
        events(&turns),
        ["1 a", "1 ! 23505: no", "2 b", "3 c", &not_executed(2), &not_executed(3), "4 d", "4 = 1"]
    );
}

#[test]
fn a_statement_that_cannot_be_parsed_has_the_error_whether_or_not_it_was_executed() {
    let together = [client().run("x").sync().turn(), server("E:42601 Z")];
    assert_eq!(events(&together), ["1 x", "1 ! 42601: no"]);
    let alone = [client().parse("s", "x").describe(b'S', "s").sync().turn(), server("E:42601 Z")];
    assert_eq!(events(&alone), ["1 x", "1 ! 42601: no"]);
}

#[test]
fn an_error_at_bind_or_describe_goes_to_the_statement_it_is_about() {
    let turns = [
        client().parse("s", "select $1").sync().turn(),
        server("1 Z"),
        client().bind("", "s").execute("", 0).sync().turn(),
        server("E:22P02 Z"),
        client().bind("", "s").sync().turn(),
        server("E:22P02 Z"),
        client().describe(b'S', "s").sync().turn(),
        server("E:22P02 Z"),
        client().describe(b'S', "unknown").sync().turn(),
        server("E:26000 Z"),
    ];
    assert_eq!(
        events(&turns),
        [
            "1 select $1",
            "1 ! 22P02: no",
            "2 select $1",
            "2 ! 22P02: no",
            "3 select $1",
            "3 ! 22P02: no",
            "! 26000: no"
        ]
    );
}

#[test]
fn a_commit_that_fails_at_the_sync_undoes_what_was_executed() {
    let turns = [client().run("insert").sync().turn(), server("1 2 n C:INSERT,0,1 E:23503 Z")];
    assert_eq!(events(&turns), ["1 insert", "1 = 1", "1 ! 23503: no"]);
}

#[test]
fn what_was_committed_is_not_undone_by_a_later_sync() {
    let turns = [
        client().run("insert").sync().turn(),
        server("1 2 n C:INSERT,0,1 Z"),
        client().sync().turn(),
        server("E:57P01"),
    ];
    assert_eq!(events(&turns), ["1 insert", "1 = 1", "! 57P01: no"]);
}

#[test]
fn a_refused_parse_does_not_lend_its_text_to_what_is_executed() {
    let turns = [
        client().parse("s", "drop").sync().turn(),
        server("1 Z"),
        client().parse("s", "select").sync().turn(),
        server("E:42P05 Z"),
        client().bind("", "s").execute("", 0).sync().turn(),
        server("2 C:DROP,TABLE Z"),
    ];
    assert_eq!(events(&turns), ["1 select", "1 ! 42P05: no", "2 drop", "2 = 0"]);
}

#[test]
fn a_text_told_by_mistake_is_put_right_before_its_answer() {
    let turns = [
        client().parse("s", "drop").sync().turn(),
        server("1 Z"),
        client().parse("s", "select").sync().bind("", "s").execute("", 0).sync().turn(),
        server("E:42P05 Z 2"),
        server("C:DROP,TABLE Z"),
    ];
    assert_eq!(
        events(&turns),
        [
            "1 select",
            "2 select",
            "2 ! 42P05: no",
            "1 ! not executed: its name stood for another text, which is told next",
            "3 drop",
            "3 = 0"
        ]
    );
}

#[test]
fn deallocated_names_are_free_again() {
    for (deallocate, tag) in [
        ("DEALLOCATE s", "C:DEALLOCATE"),
        ("DEALLOCATE ALL", "C:DEALLOCATE,ALL"),
        ("DISCARD ALL", "C:DISCARD,ALL"),
    ] {
        let mut inspector = Inspector::new(1 << 20);
        play(&mut inspector, &[client().parse("s", "select 1").sync().turn(), server("1 Z")]);
        play(&mut inspector, &[client().run(deallocate).sync().turn(), server(&format!("1 2 n {tag} Z"))]);
        let told = play(&mut inspector, &[client().bind("", "s").execute("", 0).sync().turn()]);
        assert!(told[0].contains("which no Parse has prepared"), "{deallocate}: {told:?}");
    }
}

#[test]
fn a_deallocation_that_names_nothing_we_can_read_hides_no_text() {
    let turns = [
        client().parse("s", "select 1").sync().query("DEALLOCATE x; SELECT 1").turn(),
        server("1 Z C:DEALLOCATE T D C:SELECT,1 Z"),
        client().bind("", "s").execute("", 0).sync().turn(),
    ];
    assert_eq!(events(&turns).last().unwrap(), "2 select 1");
}

#[test]
fn simple_and_extended_queries_mix_without_a_sync_between() {
    let turns = [
        client().run("a").query("b").run("c").sync().turn(),
        server("1 2 n C:INSERT,0,1 C:UPDATE,2 Z 1 2 n C:DELETE,3 Z"),
    ];
    assert_eq!(events(&turns), ["1 a", "2 b", "3 c", "1 = 1", "2 = 2", "3 = 3"]);
}
