//! Who may go where.

use serde_json::{Value, json};

use crate::world::{Origin, World, body, field};

#[tokio::test]
async fn private_addresses_are_denied_in_every_spelling() {
    let world = World::new(json!({"guard": {"allow": []},
        "dns": {"static_hosts": {"inside.test": ["10.0.0.1"], "meta.test": ["169.254.169.254"], "six.test": ["::ffff:127.0.0.1"]}}}))
    .await;
    for url in [
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "http://169.254.169.254/latest",
        "http://[::ffff:a9fe:a9fe]/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://inside.test/",
        "http://meta.test/",
        "http://six.test/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
    ] {
        let answer = world.get(url).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("guard.allow"), "{url}: {answer}");
    }
    for url in [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.01/",
    ] {
        let answer = world.get(url).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{url}: {answer}");
    }
    for authority in ["127.0.0.1:443", "[::1]:443", "inside.test:443", "meta.test:80"] {
        let (_, head) = world.try_connect(authority, "").await;
        assert!(head.starts_with("HTTP/1.1 403"), "{authority}: {head}");
    }
}

#[tokio::test]
async fn the_proxy_is_no_destination_of_its_own() {
    let world = World::new(json!({})).await;
    let port = world.proxy.port();
    for authority in [format!("127.0.0.1:{port}"), format!("origin.test:{port}")] {
        let (_, head) = world.try_connect(&authority, "").await;
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
        let answer = world.get(&format!("http://{authority}/")).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("this proxy itself"), "{answer}");
    }
}

#[tokio::test]
async fn a_load_balancer_says_who_calls() {
    let listener = json!([{"address": "127.0.0.1:0", "proxy_protocol": ["127.0.0.0/8"]}]);
    let world = World::new(json!({"listeners": listener, "default_action": "deny",
        "callers": {"anonymous": false, "list": [{"name": "office", "networks": ["192.0.2.0/24"]}]},
        "profiles": [{"name": "p", "principals": ["office"], "rules": [{"name": "all", "action": "allow"}]}]}))
    .await;
    let origin = Origin::echo().await;
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", origin.url("/"));
    let from = |address: &str| format!("PROXY TCP4 {address} 192.0.2.200 1000 3128\r\n{request}");
    assert!(world.raw(&from("192.0.2.7")).await.starts_with("HTTP/1.1 200"));
    assert!(world.raw(&from("198.51.100.7")).await.starts_with("HTTP/1.1 407"));
    let log = world.log(2).await;
    assert_eq!((&log[0]["peer"], &log[0]["principal"]), (&json!("192.0.2.7:1000"), &json!("office")));
}

#[tokio::test]
async fn the_admin_port_tells_without_secrets() {
    let (world, origin) = (World::new(json!({"admin_listen": "127.0.0.1:0", "limits": {"series": 1},
        "breakers": {"overall": {"track_remaining": true}}, "callers": {"anonymous": true, "list": [{"name": "ci", "keys": [sha256("k")]}]}})).await, Origin::echo().await);
    for host in ["origin.test", "other.test", "origin.test"] {
        let url = format!("http://{host}:{}/", origin.address.port());
        assert!(world.get(&url).await.starts_with("HTTP/1.1 200"));
    }
    let admin: std::net::SocketAddr = world.egress.addresses().await.admin.unwrap().parse().unwrap();
    let ask = async |path: &str| {
        let mut tcp = tokio::net::TcpStream::connect(admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut tcp, request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut tcp, &mut answer).await.unwrap();
        answer
    };
    let metrics = ask("/metrics").await;
    let busiest =
        format!("penstock_egress_cluster_upstream_rq_total{{destination=\"{}\"}} 2", origin.authority());
    assert!(metrics.contains(&busiest), "{metrics}");
    assert!(
        metrics.contains("upstream_rq_total{destination=\"other\"} 1")
            && metrics.trim_end().ends_with("# EOF"),
        "{metrics}"
    );
    let stats = ask("/stats").await;
    assert!(stats.contains("cluster.egress.circuit_breakers.default.remaining_cx"), "{stats}");
    let dump = ask("/config_dump").await;
    assert!(
        dump.contains("solo_io_generated_dfp") && dump.contains("\"ci\"") && !dump.contains(&sha256("k")),
        "{dump}"
    );
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn guarded() -> Value {
    json!({
        "default_action": "deny",
        "callers": {"anonymous": false, "list": [
            {"name": "ci", "groups": ["builds"], "keys": [sha256("key-of-ci")]},
            {"name": "eve", "keys": [sha256("key-of-eve")]}
        ]},
        "profiles": [{"name": "builds", "groups": ["builds"], "rules": [
            {"name": "reads", "action": "allow", "domains": ["origin.test"], "methods": ["GET"], "paths": [{"prefix": "/public/"}]},
            {"name": "no", "action": "deny", "domains": ["other.test"], "reason": "use origin.test", "methods": ["GET", "CONNECT"]},
            {"name": "limited", "action": "allow", "domains": ["other.test"], "methods": ["POST"],
             "rates": [{"requests": 1, "period_ms": 3_600_000}]},
            {"name": "bytes", "action": "allow", "domains": ["bytes.test"], "budgets": [{"bytes": 120, "period_ms": 3_600_000}]}
        ]}],
        "dns": {"static_hosts": {"bytes.test": ["127.0.0.1"]}}
    })
}

/// `ci:key-of-ci` and `eve:key-of-eve`.
const CI: &str = "Proxy-Authorization: Basic Y2k6a2V5LW9mLWNp\r\n";
const EVE: &str = "Proxy-Authorization: Bearer key-of-eve\r\n";

async fn ask(world: &World, who: &str, method: &str, url: &str) -> String {
    world.raw(&format!("{method} {url} HTTP/1.1\r\nHost: x\r\n{who}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn callers_prove_who_they_are_and_rules_decide() {
    let (world, origin) = (World::new(guarded()).await, Origin::echo().await);
    let answer = ask(&world, "", "GET", &origin.url("/public/x")).await;
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
    let challenges =
        answer.lines().filter(|line| line.to_lowercase().starts_with("proxy-authenticate:")).count();
    assert_eq!(challenges, 2, "{answer}");
    assert!(ask(&world, CI, "GET", &origin.url("/public/x")).await.starts_with("HTTP/1.1 200"));
    let answer = ask(&world, EVE, "GET", &origin.url("/public/x")).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("no rule allows"), "{answer}");
    let answer = ask(&world, CI, "GET", &origin.url("/public/../secret")).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("builds/reads"), "{answer}");
    let (_, head) = world.try_connect(&origin.authority(), CI).await;
    assert!(head.starts_with("HTTP/1.1 403"), "what a rule cannot see, it does not let through: {head}");
    let answer = ask(&world, CI, "GET", "http://other.test/").await;
    assert!(
        body(&answer).contains("use origin.test")
            && field(&answer, "content-type") == Some("application/problem+json")
    );
    let answer = ask(&world, &format!("{CI}Accept: text/html\r\n"), "GET", "http://other.test/").await;
    assert!(answer.contains("text/plain") && body(&answer).contains("use origin.test"), "{answer}");
    let log = world.log(7).await;
    assert_eq!((&log[1]["principal"], &log[1]["rule"]), (&json!("ci"), &json!("builds/reads")));
    assert_eq!((&log[2]["principal"], &log[2]["verdict"]), (&json!("eve"), &json!("denied")));
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn rates_and_budgets_end_and_say_when_they_begin_anew() {
    let (world, origin) = (World::new(guarded()).await, Origin::echo().await);
    let url = format!("http://other.test:{}/", origin.address.port());
    let post = |_| async { ask(&world, &format!("{CI}Content-Length: 0\r\n"), "POST", &url).await };
    assert!(post(1).await.starts_with("HTTP/1.1 200"));
    let answer = post(2).await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(field(&answer, "ratelimit").unwrap().starts_with("\"builds/limited\";r=0;t="), "{answer}");
    assert_eq!(field(&answer, "ratelimit-policy"), Some("\"builds/limited\";q=1;w=3600"));
    assert!(field(&answer, "retry-after").unwrap().parse::<u64>().unwrap() <= 3_600);
    let url = format!("http://bytes.test:{}/", origin.address.port());
    // The first fits, the second uses the rest up and is cut, the third is refused.
    let whole = ask(&world, CI, "GET", &url).await;
    assert!(whole.starts_with("HTTP/1.1 200") && body(&whole).contains("host: bytes.test"), "{whole}");
    let cut = ask(&world, CI, "GET", &url).await;
    assert!(!cut.contains("host: bytes.test"), "{cut}");
    let answer = ask(&world, CI, "GET", &url).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("budget"), "{answer}");
    let log = world.log(5).await;
    assert_eq!((&log[2]["verdict"], &log[3]["verdict"]), (&json!("allowed"), &json!("cut")));
    assert_eq!((&log[1]["fired"], &log[4]["fired"]), (&json!("builds/limited"), &json!("builds/bytes")));
}

#[tokio::test]
async fn the_seeds_routes_act_as_they_say() {
    let origin = Origin::echo().await;
    let world = World::new(json!({"routes": [
        {"name": "rewrite", "match": {"domains": ["foo"], "path": {"prefix": "/"}},
         "act": {"kind": "forward", "host": {"from": "header", "name": "x-rewrite-me"}}},
        {"name": "body", "match": {"domains": ["body"]},
         "act": {"kind": "forward", "host": {"from": "template", "template": "{{ to.host }}:{{ to.port }}", "body_bytes": 100}}},
        {"name": "fixed", "match": {"domains": ["fixed"]},
         "act": {"kind": "upstream", "url": format!("http://{}", origin.address), "host": "inner.example"}},
        {"name": "no", "match": {"domains": ["no"]}, "act": {"kind": "deny", "reason": "because"}}
    ], "guard": {"allow": ["127.0.0.1/32"]}}))
    .await;
    let rewritten = format!("X-Rewrite-Me: {}\r\n", origin.authority());
    let answer = ask(&world, &rewritten, "GET", "http://foo/x").await;
    assert_eq!(field(body(&answer), "host"), Some(origin.authority().as_str()), "{answer}");
    assert!(ask(&world, "", "GET", "http://foo/x").await.starts_with("HTTP/1.1 400"));
    let json = format!("{{\"to\": {{\"host\": \"origin.test\", \"port\": {}}}}}", origin.address.port());
    let posted = world
        .raw(&format!(
            "POST http://body/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        ))
        .await;
    assert!(posted.starts_with("HTTP/1.1 200") && posted.ends_with(&json), "{posted}");
    let long = " ".repeat(101);
    let refused = world
        .raw(&format!(
            "POST http://body/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 101\r\n\r\n{long}"
        ))
        .await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    let answer = ask(&world, "", "GET", "http://fixed/x").await;
    assert_eq!(field(body(&answer), "host"), Some("inner.example"), "{answer}");
    let answer = ask(&world, "", "GET", "http://no/x").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("because"), "{answer}");
    assert!(ask(&world, "", "GET", "http://unknown/x").await.starts_with("HTTP/1.1 404"));
}
