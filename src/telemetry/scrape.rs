//! Serves the metrics to who asks on this machine. Bounded in everything: connections, bytes, time.

use super::messages;
use super::prometheus::{LONGEST, answer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections at a time; who comes then waits in the kernel's queue.
const AT_ONCE: usize = 4;
/// From the connection to the last byte.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often an address that is taken is tried again, and what cannot be accepted waits.
const AGAIN: Duration = Duration::from_secs(30);

/// Answers with what `metrics` gives at that moment, until `cancel`.
pub async fn run(
    listen: SocketAddr,
    metrics: impl Fn() -> String + Send + Sync + 'static,
    cancel: CancellationToken,
) {
    let _ = cancel.run_until_cancelled(serve(listen, Arc::new(metrics))).await;
}

async fn serve(listen: SocketAddr, metrics: Arc<impl Fn() -> String + Send + Sync + 'static>) {
    let listener = bind(listen).await;
    let mut clients = JoinSet::new();
    loop {
        while clients.len() >= AT_ONCE {
            clients.join_next().await;
        }
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, _)) => {
                let metrics = metrics.clone();
                // Who does not read or write in time is Prometheus's to report.
                clients.spawn(async move { drop(timeout(DEADLINE, tell(client, &*metrics)).await) });
            }
            // Out of file descriptors, for example.
            Err(_) => sleep(DEADLINE).await,
        }
    }
}

async fn bind(listen: SocketAddr) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) if !told => {
                tracing::warn!(
                    message_id = messages::METRICS_UNSERVED,
                    %listen,
                    %error,
                    "metrics are not served: the address cannot be taken"
                );
                told = true;
            }
            Err(_) => {}
        }
        sleep(AGAIN).await;
    }
}

async fn tell(mut client: TcpStream, metrics: impl Fn() -> String) -> io::Result<()> {
    let mut request = Vec::with_capacity(512);
    let answer = loop {
        if let Some(answer) = answer(&request, &metrics) {
            break answer;
        }
        if (&mut client).take((LONGEST - request.len()) as u64).read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    client.write_all(&answer).await?;
    client.shutdown().await?;
    // Closing with unread bytes would reset the connection, and the answer with it.
    let mut rest = [0; 512];
    while client.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    async fn server(metrics: impl Fn() -> String + Send + Sync + 'static) -> (SocketAddr, CancellationToken) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let cancel = CancellationToken::new();
        tokio::spawn(run(free, metrics, cancel.clone()));
        while TcpStream::connect(free).await.is_err() {
            tokio::task::yield_now().await;
        }
        (free, cancel)
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_answers_in_pieces_and_in_time_though_others_hang() {
        let (address, cancel) = server(|| "nonstop_on_air 1\n".to_owned()).await;
        // These say nothing, and are put off before the fifth is waited for.
        let mut hanging = Vec::new();
        for _ in 0..AT_ONCE {
            hanging.push(TcpStream::connect(address).await.unwrap());
        }
        let start = Instant::now();
        let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\nmore").await;
        assert!(answer.ends_with("\r\n\r\nnonstop_on_air 1\n"), "{answer}");
        assert!(start.elapsed() < DEADLINE * 3);
        cancel.cancel();
    }

    #[tokio::test]
    async fn the_address_is_taken_as_soon_as_it_is_free() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        tokio::time::pause();
        let serving = tokio::spawn(bind(address));
        tokio::time::advance(AGAIN * 2).await;
        assert!(!serving.is_finished());
        drop(other);
        assert_eq!(serving.await.unwrap().local_addr().unwrap(), address);
    }
}
