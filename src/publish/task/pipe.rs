//! A client on its link: bytes in both directions, from whichever side they come.

use super::pass::Pass;
use super::session::Error;
use super::transport::Link;
use crate::publish::limits;
use crate::publish::rtmp::{Client, Phase};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::time::{sleep, timeout};

/// Output that may stay allocated between bursts: a burst at 4 Mbps. The first one is larger.
const KEEP: usize = 256 << 10;

/// A client on its link.
pub(super) struct Pipe<L> {
    pub(super) link: L,
    pub(super) client: Client,
    pass: Pass,
    flushed: bool,
    scratch: [u8; 4096],
}

impl<L: Link> Pipe<L> {
    pub(super) fn new(link: L, client: Client, pass: Pass) -> Self {
        Self { link, client, pass, flushed: true, scratch: [0; 4096] }
    }

    /// Goes through RTMP's steps up to the accepted publish, each within its limit.
    pub(super) async fn open(&mut self) -> Result<(), Error> {
        while self.client.phase() < Phase::Live {
            let phase = self.client.phase();
            let step = async {
                while self.client.phase() == phase {
                    self.pump().await?;
                }
                Ok(())
            };
            let what = limits::name(phase);
            let late = |_| Error::NoAnswer { what, limit: limits::ANSWER };
            timeout(limits::ANSWER, step).await.map_err(late).flatten()?;
        }
        Ok(())
    }

    /// Whether everything is with the kernel.
    pub(super) fn idle(&mut self) -> bool {
        self.flushed && self.client.output().is_empty()
    }

    /// Takes in what came and writes what is to be written. Ends when something came, or when the
    /// last of the output went out; can be dropped and called again at any time. After standing
    /// still nothing is written before it is known that nobody else has taken over.
    pub(super) async fn pump(&mut self) -> Result<(), Error> {
        loop {
            self.pass.renew().await?;
            match poll_fn(|cx| self.poll(cx)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// `false` if the pass has to be renewed first.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if !self.pass.holds() {
            return Poll::Ready(Ok(false));
        }
        // What the peer has to say comes first: it may be the reason why it takes nothing.
        let came = self.poll_in(cx)?;
        let went = self.poll_out(cx)?;
        if came || went { Poll::Ready(Ok(true)) } else { Poll::Pending }
    }

    fn poll_in(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut came = false;
        loop {
            let mut buffer = ReadBuf::new(&mut self.scratch);
            match Pin::new(&mut self.link).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(came),
                Poll::Ready(Err(source)) => return Err(self.broken(source)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(Error::Closed { what: limits::name(self.client.phase()) });
                }
                Poll::Ready(Ok(())) => {
                    self.client.receive(buffer.filled())?;
                    came = true;
                }
            }
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        if self.idle() {
            return Ok(false);
        }
        self.flushed = false;
        let output = self.client.output();
        while !output.is_empty() {
            let wrote = match Pin::new(&mut self.link).poll_write(cx, output) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(result) => result,
            };
            match wrote {
                Ok(n) => drop(output.drain(..n)),
                Err(source) => return Err(self.broken(source)),
            }
        }
        output.shrink_to(KEEP);
        match Pin::new(&mut self.link).poll_flush(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(source)) => Err(self.broken(source)),
            Poll::Ready(Ok(())) => {
                self.flushed = true;
                Ok(true)
            }
        }
    }

    /// Says goodbye, and waits until the peer has acknowledged every byte.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        self.client.finish();
        while !self.idle() {
            self.pump().await?;
        }
        poll_fn(|cx| Pin::new(&mut self.link).poll_shutdown(cx))
            .await
            .map_err(|source| self.broken(source))?;
        let mut closed = false;
        while self.acked()? < self.link.written() {
            let mut glance = pin!(sleep(limits::GLANCE));
            loop {
                tokio::select! {
                    () = &mut glance => break,
                    result = self.pump(), if !closed => match result {
                        Err(Error::Closed { .. }) => closed = true,
                        result => result?,
                    },
                }
            }
        }
        self.link.leave();
        if !closed {
            let end = async { while self.pump().await.is_ok() {} };
            // A peer that stays is left all the same.
            let _ = timeout(limits::FAREWELL, end).await;
        }
        Ok(())
    }

    pub(super) fn acked(&self) -> Result<u64, Error> {
        self.link.acked().map_err(|source| self.broken(source))
    }

    fn broken(&self, source: io::Error) -> Error {
        Error::Broken { what: limits::name(self.client.phase()), source }
    }
}
