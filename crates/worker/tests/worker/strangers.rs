//! Whom a worker does not serve, and who does not take it.

use penstock_domain::Code;
use penstock_worker::Worker;
use serde_json::json;
use tokio::runtime::Handle;

use crate::{
    application::Application,
    proxy::{Authority, FLAVOURS, Identity, Proxy, soon},
};

/// The error that the worker shows once it has one.
async fn error(worker: &Worker) -> penstock_domain::Error {
    soon(async {
        loop {
            if let Some(error) = worker.state().error {
                return error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn refused(proxy: &Proxy, identity: &Identity, flavour: &str) -> penstock_domain::Error {
    let config = proxy.config_as(identity, flavour, json!({}));
    let worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
    assert!(proxy.accept().await.is_err());
    let error = error(&worker).await;
    assert_eq!(worker.state().links, 0);
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_or_an_expired_one_is_refused_with_a_hint() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        for identity in [Authority::new().issue("worker"), proxy.authority.issue_expired("worker")] {
            let error = refused(&proxy, &identity, flavour).await;
            assert_eq!(error.code, Code::Lost);
            assert!(error.message.contains("did not accept"), "{error}");
            assert!(error.hint.unwrap().contains("certificate"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_of_another_authority_is_not_served() {
    let proxy = Proxy::begin().await;
    let config = proxy.config("h2", json!({"ca_pem": Authority::new().pem()}));
    let worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
    assert!(proxy.accept().await.is_err());
    assert!(error(&worker).await.message.contains("TLS"), "{:?}", worker.state());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_in_the_proxys_certificate_is_checked() {
    let proxy = Proxy::begin().await;
    let config = proxy.config("h2", json!({"server_name": "elsewhere.example"}));
    let worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
    assert!(proxy.accept().await.is_err());
    assert!(error(&worker).await.hint.unwrap().contains("names"));
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let proxy = Proxy::begin().await;
    for wrong in [
        json!({"connect": "https://proxy:8443"}),
        json!({"connect": "proxy/path"}),
        json!({"key_pem": "no key"}),
        json!({"ca_pem": "no roots"}),
    ] {
        let config = proxy.config("h2", wrong.clone());
        let error = Worker::start(&config, Application::new().0, &Handle::current()).unwrap_err();
        assert_eq!(error.code, Code::Malformed, "{wrong}");
    }
}
