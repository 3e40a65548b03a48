//! Serves the control socket: who connects may ask, line by line, and gets a line for each.
//!
//! Bounded all round: connections, the length of a line, the time that a client takes to send or
//! to read one, and the time that a command may take. A client that does worse is let go of; the
//! daemon never waits for it.

use super::protocol::{self, MAX_REQUEST, Plan, Queued, Refusal, Reply, Request};
use super::socket::Socket;
use super::status::{Status, Upcoming};
use crate::telemetry::messages;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Clients at once; a further one waits for a place, which it gets since every connection ends.
const CONNECTIONS: usize = 16;
/// For a client to send a whole line.
const READ: Duration = Duration::from_secs(5);
/// For a client to take a whole reply.
const WRITE: Duration = Duration::from_secs(5);
/// For a command to be carried out. Appending to the schedule may need a round trip to the store.
pub(super) const COMMAND: Duration = Duration::from_secs(10);
/// After `accept` failed, which it does when descriptors run out: before it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who knows how things are, and gets done what is asked for.
pub trait Handler: Send + Sync + 'static {
    /// How things are. Called only when somebody asks.
    fn status(&self) -> Status;
    /// Ends the entry on air soon: what plays instead, and when?
    fn skip(&self) -> impl Future<Output = Result<Upcoming, Refusal>> + Send;
    /// Plays a track next; `track` is its path below the media source, or what a person typed.
    fn queue(&self, track: String) -> impl Future<Output = Result<Queued, Refusal>> + Send;
    /// What plays when, up to `count` entries.
    fn plan(&self, count: usize) -> impl Future<Output = Result<Plan, Refusal>> + Send;
}

async fn answer(request: Request, handler: &impl Handler) -> Reply {
    let reply = match request {
        Request::Status => Ok(Reply::Status(Box::new(handler.status()))),
        Request::Skip => within(handler.skip()).await.map(Reply::Skip),
        Request::Queue { track } => within(handler.queue(track)).await.map(Reply::Queue),
        Request::Plan { count } => within(handler.plan(count)).await.map(Reply::Plan),
    };
    reply.unwrap_or_else(Reply::Error)
}

async fn within<T>(command: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    timeout(COMMAND, command).await.unwrap_or_else(|_elapsed| {
        Err(Refusal::new(format!("the daemon did not carry it out within {} s", COMMAND.as_secs()))
            .hint("it may still do so; `nonstop plan` shows what plays when"))
    })
}

/// Serves until `cancel`; requests under way are then dropped, and the socket's file is removed.
pub async fn run(socket: Socket, handler: impl Handler, cancel: CancellationToken) {
    let handler = Arc::new(handler);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut clients = JoinSet::new();
    let accept = async {
        loop {
            let place = places.clone().acquire_owned().await.expect("this semaphore is never closed");
            match socket.listener.accept().await {
                Ok((stream, _)) => {
                    let handler = handler.clone();
                    clients.spawn(async move {
                        // A client that goes away in mid-word is its own affair.
                        let _ = serve(stream, &*handler).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(message_id = messages::CLIENT_REFUSED, %error, "a client of the control socket could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while clients.try_join_next().is_some() {}
        }
    };
    cancel.run_until_cancelled(accept).await;
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, handler: &impl Handler) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut stream).take(MAX_REQUEST as u64);
        let Ok(read) = timeout(READ, bounded.read_until(b'\n', &mut line)).await else { return Ok(()) };
        read?;
        let whole = line.ends_with(b"\n");
        let reply = match whole {
            true => match protocol::parse(&line) {
                Ok(request) => answer(request, handler).await,
                Err(refusal) => Reply::Error(refusal),
            },
            false if line.len() == MAX_REQUEST => {
                Reply::Error(Refusal::new(format!("a request has at most {MAX_REQUEST} bytes")))
            }
            // The client is done; what it began to say it did not mean.
            false => return Ok(()),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        let stream = stream.get_mut();
        let Ok(written) = timeout(WRITE, stream.write_all(&text)).await else { return Ok(()) };
        written?;
        if !whole {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
