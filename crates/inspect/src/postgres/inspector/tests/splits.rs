//! The same bytes in other pieces are the same events.

use penstock_domain::Event;
use proptest::prelude::*;

use super::script::{Turn, client, server};
use crate::postgres::Inspector;

/// Conversations that together hold every kind of message.
fn conversations() -> Vec<Vec<Turn>> {
    let function = b"\0\0\x06\x3e\0\0\0\0\0\0";
    vec![
        vec![client().query("select 'ä'").turn(), server("T D D C:SELECT,2 Z"), client().terminate().turn()],
        vec![
            client().query("a; b; c").turn(),
            server("C:INSERT,0,3 T D C:SELECT,1 E:42601 Z N:01000 E:57P01"),
        ],
        vec![client().query("").query("x").turn(), server("I Z S E:42601 Z")],
        vec![client().raw(b'F', function).turn(), server("V Z")],
        vec![
            client().run("a").run("b").run("c").sync().run("d").sync().turn(),
            server("1 2 n C:INSERT,0,1 1 2 n E:23505 Z 1 2 T D A C:SELECT,1 Z"),
        ],
        vec![
            client()
                .parse("s", "drop")
                .sync()
                .parse("s", "select")
                .sync()
                .bind("", "s")
                .execute("", 0)
                .sync()
                .turn(),
            server("1 Z E:42P05 Z 2 C:DROP,TABLE Z"),
            client().close(b'S', "s").describe(b'S', "s").sync().turn(),
            server("3 E:26000 Z"),
        ],
        vec![
            client().parse("", "select ...").bind("p", "").execute("p", 2).flush().turn(),
            server("1 2 D D s"),
            client().execute("p", 2).close(b'P', "p").sync().turn(),
            server("D C:SELECT,1 3 Z:T"),
        ],
        vec![client().query("copy t to stdout").turn(), server("H d d c C:COPY,2 Z")],
        vec![
            client().query("copy t from stdin").turn(),
            server("G"),
            client().data(b"1\n").copy_done().turn(),
            server("C:COPY,1 Z"),
        ],
        vec![
            client().run("copy t from stdin").sync().turn(),
            server("1 2 n G"),
            client().data(b"1\n").flush().copy_done().sync().turn(),
            server("C:COPY,1 Z"),
            client().run("copy t from stdin").sync().turn(),
            server("1 2 n G"),
            client().data(b"x\n").copy_fail().sync().turn(),
            server("E:57014 Z"),
        ],
    ]
}

/// Feeds one chunk.
fn feed(inspector: &mut Inspector, turn: &Turn, chunk: &[u8], events: &mut Vec<Event>) {
    match turn {
        Turn::Client(_) => inspector.client(chunk, events).unwrap(),
        Turn::Server(_) => inspector.upstream(chunk, events).unwrap(),
    }
}

/// The events if each turn comes in pieces of these lengths, over and over.
fn in_pieces(turns: &[Turn], lengths: &[usize]) -> Vec<Event> {
    let mut inspector = Inspector::new(1 << 20);
    let mut events = Vec::new();
    for turn in turns {
        let mut lengths = lengths.iter().cycle();
        let mut rest = turn.bytes();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
            feed(&mut inspector, turn, chunk, &mut events);
            rest = after;
        }
    }
    events
}

fn whole(turns: &[Turn]) -> Vec<Event> {
    in_pieces(turns, &[usize::MAX])
}

#[test]
fn byte_by_byte() {
    for turns in conversations() {
        let events = whole(&turns);
        assert!(!events.is_empty());
        assert_eq!(in_pieces(&turns, &[1]), events);
    }
}

#[test]
fn every_turn_cut_in_two_at_every_point() {
    for turns in conversations() {
        let events = whole(&turns);
        let longest = turns.iter().map(|turn| turn.bytes().len()).max().unwrap();
        for cut in 1..longest {
            assert_eq!(in_pieces(&turns, &[cut, usize::MAX]), events, "cut at {cut}");
        }
    }
}

/// A connection that breaks anywhere has told a prefix of the events, and no completion whose last byte was not seen.
#[test]
fn cut_short_at_every_point() {
    for turns in conversations() {
        let events = whole(&turns);
        for last in 0..turns.len() {
            let told_before = whole(&turns[..last]).len();
            let bytes = turns[last].bytes();
            for end in 0..bytes.len() {
                let mut inspector = Inspector::new(1 << 20);
                let mut told = Vec::new();
                for turn in &turns[..last] {
                    feed(&mut inspector, turn, turn.bytes(), &mut told);
                }
                feed(&mut inspector, &turns[last], &bytes[..end], &mut told);
                assert!(told.len() >= told_before && events.starts_with(&told), "cut short at {end}");
                let whole_messages = count_messages(&bytes[..end]);
                if whole_messages == 0 {
                    assert_eq!(told.len(), told_before, "told before a message was whole");
                }
            }
        }
    }
}

fn count_messages(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((&[_, a, b, c, d], _)) = bytes.split_first_chunk::<5>() {
        let Some(rest) = bytes.get(1 + u32::from_be_bytes([a, b, c, d]) as usize..) else { break };
        (bytes, count) = (rest, count + 1);
    }
    count
}

proptest! {
    #[test]
    fn in_random_pieces(which in 0_usize..10, lengths in proptest::collection::vec(1_usize..40, 1..20)) {
        let conversations = conversations();
        let turns = &conversations[which % conversations.len()];
        prop_assert_eq!(in_pieces(turns, &lengths), whole(turns));
    }

    /// The two directions are independent streams: random text, names and row counts, still the same events.
    #[test]
    fn random_statements_in_random_pieces(
        statements in proptest::collection::vec(("\\PC{0,60}", 0_u64..1000, any::<bool>()), 1..12),
        lengths in proptest::collection::vec(1_usize..50, 1..20),
    ) {
        let mut asked = client();
        let mut answers = String::new();
        for (text, rows, simple) in &statements {
            if *simple {
                asked = asked.query(text);
                answers.push_str(&format!("T D C:SELECT,{rows} Z "));
            } else {
                asked = asked.run(text).sync();
                answers.push_str(&format!("1 2 T D C:SELECT,{rows} Z "));
            }
        }
        let turns = [asked.turn(), server(&answers)];
        let events = whole(&turns);
        prop_assert_eq!(&in_pieces(&turns, &lengths), &events);
        for (id, (text, rows, _)) in (1..).zip(&statements) {
            let told = Event::Statement {
                id, text: text.clone(), bytes: text.len() as u64, truncated: false, digest: None,
            };
            prop_assert!(events.contains(&told));
            let completed = Event::Completed { id, rows: Some(*rows), error: None };
            prop_assert!(events.contains(&completed));
        }
    }
}
