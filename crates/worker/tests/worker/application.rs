//! What the workers here serve with: an application whose paths are the things that can happen.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use penstock_link::{Incoming, Receive, Respond};
use penstock_worker::App;
use tokio::sync::{Semaphore, mpsc};

#[derive(Clone)]
pub struct Application {
    told: mpsc::UnboundedSender<&'static str>,
    /// Each permit lets one thing happen that waits for it.
    pub gate: Arc<Semaphore>,
}

/// What the application says that it has noticed.
pub type Heard = mpsc::UnboundedReceiver<&'static str>;

impl Application {
    pub fn new() -> (Self, Heard) {
        let (told, heard) = mpsc::unbounded_channel();
        (Self { told, gate: Arc::new(Semaphore::new(0)) }, heard)
    }

    async fn answer(self, request: Request<Receive>, mut respond: Respond) {
        let (head, mut receive) = request.into_parts();
        let mut ok = Response::new(());
        match head.uri.path() {
            "/hello" => {
                ok.headers_mut().insert("x-method", HeaderValue::from_str(head.method.as_str()).unwrap());
                ok.headers_mut().insert("x-fields", HeaderValue::from(head.headers.len()));
                respond.head(ok, false).unwrap().unwrap().send_last(Bytes::from("hello")).await.unwrap();
            }
            "/echo" => {
                let mut send = respond.head(ok, false).unwrap().unwrap();
                while let Some(chunk) = receive.chunk().await.unwrap() {
                    send.send(chunk).await.unwrap();
                }
                match receive.trailers().await.unwrap() {
                    Some(trailers) => send.trailers(trailers).unwrap(),
                    None => send.finish().unwrap(),
                }
            }
            "/steps" => {
                let mut send = respond.head(ok, false).unwrap().unwrap();
                for step in ["one", "two", "three"] {
                    self.gate.acquire().await.unwrap().forget();
                    send.send(Bytes::from(step)).await.unwrap();
                }
                let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "3".parse().unwrap())]);
                send.trailers(trailers).unwrap();
            }
            "/hold" => {
                self.told.send("held").unwrap();
                tokio::select! {
                    () = respond.gone() => self.told.send("gone").unwrap(),
                    permit = self.gate.acquire() => {
                        permit.unwrap().forget();
                        respond.head(ok, true).unwrap();
                    }
                }
            }
            "/flood" => {
                let mut send = respond.head(ok, false).unwrap().unwrap();
                self.told.send("held").unwrap();
                let cut = send.send(Bytes::from(vec![0; 8 << 20])).await.is_err();
                self.told.send(if cut { "gone" } else { "sent" }).unwrap();
            }
            "/early" => {
                *ok.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                respond.head(ok, true).unwrap();
            }
            _ => drop(respond),
        }
    }
}

impl App for Application {
    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static {
        let (request, respond) = incoming.exchange();
        self.clone().answer(request, respond)
    }
}
