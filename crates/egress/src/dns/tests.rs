use tokio::time::advance;

use super::{
    resolver::scripted::{Scripted, ips},
    *,
};

fn cache(
    change: impl FnOnce(&mut config::Dns),
    script: impl Fn(&str, usize) -> Option<Result<Resolved, Fault>> + Send + Sync + 'static,
) -> Dns {
    let mut config = config::Dns::default();
    change(&mut config);
    Dns::new(&config, Box::new(Scripted::new(script)), Arc::default())
}

async fn look(dns: &Dns, host: &str) -> Result<Vec<String>, Fault> {
    let found = dns.lookup(&host.into()).await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets the cache's tasks run without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn pass(time: Duration) {
    advance(time).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_resolved_once_and_refreshed_by_its_ttl() {
    let dns = cache(|_| {}, |_, number| ips(30, &[&format!("192.0.2.{number}")]));
    assert_eq!(look(&dns, "a.example").await.unwrap(), ["192.0.2.1"]);
    assert_eq!(look(&dns, "a.example").await.unwrap(), ["192.0.2.1"]);
    assert_eq!(dns.stats().query_attempt.get(), 1);
    pass(seconds(31)).await;
    assert_eq!(look(&dns, "a.example").await.unwrap(), ["192.0.2.2"]);
    assert_eq!((dns.stats().query_attempt.get(), dns.stats().host_address_changed.get()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_nothing_lasts_for_the_minimum() {
    let dns = cache(|_| {}, |_, number| ips(0, &[if number % 2 == 1 { "192.0.2.1" } else { "127.0.0.1" }]));
    assert_eq!(look(&dns, "a.example").await.unwrap(), ["192.0.2.1"]);
    pass(seconds(4)).await;
    assert_eq!(look(&dns, "a.example").await.unwrap(), ["192.0.2.1"]);
    pass(seconds(2)).await;
    assert_eq!(look(&dns, "a.example").await.unwrap(), ["127.0.0.1"]);
    assert_eq!(dns.stats().query_attempt.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_ask_once() {
    let dns = Arc::new(cache(|_| {}, |_, _| ips(30, &["192.0.2.1"])));
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let dns = Arc::clone(&dns);
            tokio::spawn(async move { look(&dns, "a.example").await })
        })
        .collect();
    for each in asking {
        assert!(each.await.unwrap().is_ok());
    }
    assert_eq!(dns.stats().query_attempt.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn names_that_do_not_exist_take_no_place() {
    let script = |host: &str, _| match host.starts_with("no") {
        true => Some(Err(Fault::NotFound)),
        false => ips(3600, &["192.0.2.1"]),
    };
    let dns = cache(|config| config.max_hosts = 2, script);
    assert!(look(&dns, "a.example").await.is_ok() && look(&dns, "b.example").await.is_ok());
    for number in 0..100 {
        assert_eq!(look(&dns, &format!("no{number}.example")).await, Err(Fault::NotFound));
    }
    let asked = dns.stats().query_attempt.get();
    assert!(look(&dns, "a.example").await.is_ok() && look(&dns, "b.example").await.is_ok());
    assert_eq!(look(&dns, "no99.example").await, Err(Fault::NotFound), "it is remembered");
    assert_eq!((dns.stats().query_attempt.get(), dns.stats().hosts.get()), (asked, 2));
    pass(seconds(6)).await;
    assert_eq!(look(&dns, "no99.example").await, Err(Fault::NotFound));
    assert_eq!(dns.stats().query_attempt.get(), asked + 1, "but not for long");
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_makes_room_and_a_full_cache_denies_nobody() {
    let dns = cache(|config| config.max_hosts = 2, |_, _| ips(3600, &["192.0.2.1"]));
    for host in ["a", "b", "a", "c"] {
        assert!(look(&dns, host).await.is_ok());
        pass(seconds(1)).await;
    }
    assert_eq!((dns.stats().query_attempt.get(), dns.stats().host_removed.get()), (3, 1));
    assert!(look(&dns, "a").await.is_ok());
    assert_eq!(dns.stats().query_attempt.get(), 3, "b made room");

    let pinned = cache(
        |config| {
            config.max_hosts = 1;
            config.preresolve = vec!["Kept.example.".into()];
        },
        |_, _| ips(3600, &["192.0.2.1"]),
    );
    settle().await;
    assert!(look(&pinned, "other.example").await.is_ok() && look(&pinned, "kept.example").await.is_ok());
    assert_eq!((pinned.stats().query_attempt.get(), pinned.stats().host_overflow.get()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn unused_names_are_forgotten_and_pinned_ones_are_not() {
    let dns = cache(|config| config.preresolve = vec!["kept".into()], |_, _| ips(60, &["192.0.2.1"]));
    assert!(look(&dns, "a").await.is_ok());
    for _ in 0..30 {
        pass(seconds(20)).await;
    }
    assert_eq!((dns.stats().hosts.get(), dns.stats().host_removed.get()), (1, 1));
    let asked = dns.stats().query_attempt.get();
    assert!(look(&dns, "kept").await.is_ok());
    assert_eq!(dns.stats().query_attempt.get(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_is_bridged_for_a_while() {
    let script = |_: &str, number| match number {
        1 => ips(10, &["192.0.2.1"]),
        _ => Some(Err(Fault::failed("SERVFAIL"))),
    };
    let dns = cache(|config| config.stale_ms = 60_000, script);
    for _ in 0..6 {
        assert_eq!(look(&dns, "a").await.unwrap(), ["192.0.2.1"]);
        pass(seconds(10)).await;
    }
    pass(seconds(20)).await;
    assert!(matches!(look(&dns, "a").await, Err(Fault::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_gone_is_not_served_stale() {
    let script = |_: &str, number| match number {
        1 => ips(10, &["192.0.2.1"]),
        _ => Some(Err(Fault::NotFound)),
    };
    let dns = cache(|_| {}, script);
    assert!(look(&dns, "a").await.is_ok());
    pass(seconds(11)).await;
    assert_eq!(look(&dns, "a").await, Err(Fault::NotFound));
    assert_eq!(dns.stats().hosts.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_and_is_remembered_and_the_resolver_recovers() {
    let script = |_: &str, number| if number == 1 { None } else { ips(10, &["192.0.2.1"]) };
    let dns = cache(|_| {}, script);
    assert_eq!(look(&dns, "a").await, Err(Fault::Timeout));
    assert_eq!(look(&dns, "a").await, Err(Fault::Timeout));
    assert_eq!((dns.stats().query_attempt.get(), dns.stats().query_timeout.get()), (1, 1));
    pass(seconds(2)).await;
    assert!(look(&dns, "a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn pending_resolutions_are_bounded() {
    let dns = cache(|config| config.max_pending_queries = 1, |_, _| None);
    let (one, two) = tokio::join!(look(&dns, "a"), look(&dns, "b"));
    assert_eq!((one, two), (Err(Fault::Timeout), Err(Fault::Overflow)));
    assert_eq!((dns.stats().pending_overflow.get(), dns.stats().pending.get(), dns.remaining()), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn static_hosts_are_never_asked_for() {
    let addresses = vec!["192.0.2.7".parse().unwrap()];
    let insert = |config: &mut config::Dns| {
        config.static_hosts.insert("Fixed.Example".into(), addresses);
    };
    let dns = cache(insert, |_, _| None);
    assert_eq!(look(&dns, "fixed.example").await.unwrap(), ["192.0.2.7"]);
    assert_eq!(dns.stats().query_attempt.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_does_not_end_it_for_others() {
    let dns = Arc::new(cache(|_| {}, |_, _| ips(10, &["192.0.2.1"])));
    let leaving = {
        let dns = Arc::clone(&dns);
        tokio::spawn(async move { look(&dns, "a").await })
    };
    leaving.abort();
    assert!(look(&dns, "a").await.is_ok());
    settle().await;
    assert_eq!(dns.stats().pending.get(), 0);
}
