//! Clients of all manners against the server: over a real socket, and slow ones in paused time.

use super::*;
use crate::control::client::{Client, Error};
use crate::control::status::tests::on_air;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

fn track(name: &str) -> Upcoming {
    let next = on_air().next.remove(0);
    Upcoming { source: name.into(), ..next }
}

/// A daemon that obeys, or that hears a command and never gets to it.
#[derive(Default)]
struct Fake {
    stuck: bool,
    skips: AtomicUsize,
}

impl Handler for Fake {
    fn status(&self) -> Status {
        on_air()
    }

    async fn skip(&self) -> Result<Upcoming, Refusal> {
        self.skips.fetch_add(1, Ordering::Relaxed);
        if self.stuck {
            std::future::pending::<()>().await;
        }
        Ok(track("next.ogg"))
    }

    async fn queue(&self, name: String) -> Result<Queued, Refusal> {
        match name.as_str() {
            "missing.ogg" => Err(Refusal::new("there is no track missing.ogg").hint("see `nonstop plan`")),
            _ => Ok(Queued::Scheduled(track(&name))),
        }
    }

    async fn plan(&self, count: usize) -> Result<Plan, Refusal> {
        Ok(Plan { scheduled: vec![track("a.ogg"); count], forecast: Vec::new() })
    }
}

async fn say(client: &mut DuplexStream, line: &[u8]) {
    client.write_all(line).await.unwrap();
}

async fn hear(client: &mut DuplexStream) -> Vec<Reply> {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_client_gets_its_answers_over_a_real_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::bind(folder.path()).unwrap();
    let client = Client::new(vec![folder.path().join("nobody.sock"), socket.path().to_owned()]);
    let cancel = CancellationToken::new();
    let server = tokio::spawn(run(socket, Fake::default(), cancel.clone()));

    assert_eq!(client.ask(&Request::Status).await.unwrap(), Reply::Status(Box::new(on_air())));
    assert_eq!(client.ask(&Request::Skip).await.unwrap(), Reply::Skip(track("next.ogg")));
    let queue = |name: &str| Request::Queue { track: name.into() };
    assert_eq!(
        client.ask(&queue("a/b.ogg")).await.unwrap(),
        Reply::Queue(Queued::Scheduled(track("a/b.ogg")))
    );
    let refused = client.ask(&queue("missing.ogg")).await.unwrap_err();
    assert_eq!(
        (refused.to_string().as_str(), refused.hint().as_deref()),
        ("there is no track missing.ogg", Some("see `nonstop plan`"))
    );
    let Reply::Plan(plan) = client.ask(&Request::Plan { count: 1000 }).await.unwrap() else { panic!() };
    assert_eq!(plan.scheduled.len(), 1000);

    cancel.cancel();
    server.await.unwrap();
    let gone = client.ask(&Request::Status).await.unwrap_err();
    assert!(matches!(gone, Error::NoDaemon(_)), "{gone}");
}

#[tokio::test]
async fn more_clients_than_places_are_served_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::bind(folder.path()).unwrap();
    let client = Client::new(vec![socket.path().to_owned()]);
    let cancel = CancellationToken::new();
    let server = tokio::spawn(run(socket, Fake::default(), cancel.clone()));
    let mut asking = JoinSet::new();
    for _ in 0..CONNECTIONS * 4 {
        let client = client.clone();
        asking.spawn(async move { client.ask(&Request::Status).await });
    }
    while let Some(reply) = asking.join_next().await {
        assert!(matches!(reply.unwrap(), Ok(Reply::Status(_))));
    }
    cancel.cancel();
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_too_slowly_is_let_go_of() {
    let (mut client, server) = duplex(64);
    let start = Instant::now();
    let handler = Fake::default();
    let drip = async {
        // Every byte in time, the line never: only a deadline for the whole line catches it.
        while client.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (served, ()) = tokio::join!(serve(server, &handler), drip);
    served.unwrap();
    assert!(start.elapsed() <= READ + Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_let_go_of() {
    let (mut client, server) = duplex(64);
    say(&mut client, b"{\"verb\":\"status\"}\n").await;
    let start = Instant::now();
    serve(server, &Fake::default()).await.unwrap();
    assert_eq!(start.elapsed(), WRITE);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_nobody_carries_out_is_refused_in_time() {
    let (mut client, server) = duplex(4096);
    let handler = Fake { stuck: true, ..Fake::default() };
    say(&mut client, b"{\"verb\":\"skip\"}\n{\"verb\":\"status\"}\n").await;
    client.shutdown().await.unwrap();
    let start = Instant::now();
    serve(server, &handler).await.unwrap();
    assert_eq!(start.elapsed(), COMMAND);
    let replies = hear(&mut client).await;
    assert!(
        matches!(&replies[..], [Reply::Error(no), Reply::Status(_)] if no.message.contains("within 10 s"))
    );
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_and_ends_the_conversation() {
    let (mut client, server) = duplex(1 << 20);
    say(&mut client, &vec![b'x'; 3 * MAX_REQUEST]).await;
    serve(server, &Fake::default()).await.unwrap();
    let replies = hear(&mut client).await;
    assert!(
        matches!(&replies[..], [Reply::Error(refusal)] if refusal.message.contains("at most")),
        "{replies:?}"
    );
}

#[tokio::test]
async fn half_a_request_is_no_request() {
    let (mut client, server) = duplex(4096);
    let handler = Fake::default();
    say(&mut client, b"{\"verb\":\"status\"}\n{\"verb\":\"skip\"}").await;
    client.shutdown().await.unwrap();
    serve(server, &handler).await.unwrap();
    assert_eq!(hear(&mut client).await.len(), 1);
    assert_eq!(handler.skips.load(Ordering::Relaxed), 0);
}

proptest! {
    #[test]
    fn every_line_of_noise_gets_one_reply_and_a_good_request_still_works(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
        pieces in 1usize..50,
    ) {
        let mut said = Vec::new();
        for line in &lines {
            said.extend(line.iter().filter(|&&b| b != b'\n'));
            said.push(b'\n');
        }
        said.extend(b"{\"verb\":\"status\"}\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let replies = runtime.block_on(async {
            let (mut client, server) = duplex(1 << 20);
            let handler = Fake::default();
            let speak = async {
                for piece in said.chunks(pieces) {
                    say(&mut client, piece).await;
                    tokio::task::yield_now().await;
                }
                client.shutdown().await.unwrap();
                hear(&mut client).await
            };
            tokio::join!(speak, serve(server, &handler)).0
        });
        prop_assert_eq!(replies.len(), lines.len() + 1);
        prop_assert_eq!(replies.last().unwrap(), &Reply::Status(Box::new(on_air())));
    }
}
