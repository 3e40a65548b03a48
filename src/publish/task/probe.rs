//! Goes as far with an ingest as one can without publishing, to see whether it is there and takes
//! this application. The stream key stays here: an ingest hears of it only from `releaseStream` on,
//! which is not sent. So nothing can appear anywhere, and a stream on air is not disturbed.

use super::session::Error;
use super::{Dialer, Link};
use crate::config::{IngestUrl, Secret};
use crate::publish::limits;
use crate::publish::rtmp::{Client, Phase, Target};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Resolves, connects, does TLS and RTMP's handshake, and gets `connect` accepted, each within its
/// own limit of [`limits`].
pub async fn probe(dialer: &impl Dialer, url: &IngestUrl) -> Result<(), Error> {
    let mut link = dialer.dial(url).await?;
    let mut client = Client::new(&Target { url: url.clone(), key: Secret::new("unused") }, 0);
    while client.phase() < Phase::Creating {
        let what = limits::name(client.phase());
        let late = |_| Error::NoAnswer { what, limit: limits::ANSWER };
        let step = step(&mut link, &mut client);
        timeout(limits::ANSWER, step).await.map_err(late)??;
    }
    link.leave();
    // It has served its purpose, however it takes the end.
    let _ = timeout(limits::FAREWELL, link.shutdown()).await;
    Ok(())
}

/// Says what is to be said in this phase, and listens until there is another.
async fn step(link: &mut impl Link, client: &mut Client) -> Result<(), Error> {
    let phase = client.phase();
    let what = limits::name(phase);
    let broken = |source| Error::Broken { what, source };
    let mut heard = [0; 4096];
    while client.phase() == phase {
        let said: io::Result<()> = async {
            link.write_all(client.output()).await?;
            link.flush().await
        }
        .await;
        said.map_err(broken)?;
        client.output().clear();
        match link.read(&mut heard).await.map_err(broken)? {
            0 => return Err(Error::Closed { what }),
            n => client.receive(&heard[..n])?,
        }
    }
    Ok(())
}
