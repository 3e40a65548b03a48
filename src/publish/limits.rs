//! How long each step of opening a session may take, and how much the kernel may hold of it. Each
//! step has its own limit, since each can hang for minutes or hours when left to the system: a
//! name server that does not answer, a connect into the void, a peer that accepts and says nothing.
//! That the steps together stay within [`Rules::opening`](super::failover::Rules::opening) is
//! failover's to see to.

use super::rtmp::Phase;
use std::time::Duration;

/// Finding the addresses of a name. Resolvers try again after 5 s; who has to wait for that once
/// is better served by the other ingest.
pub const RESOLVE: Duration = Duration::from_secs(4);
/// The same, when addresses are known from last time: then this is all that a failover waits for a
/// name server that does not answer.
pub const RESOLVE_AGAIN: Duration = Duration::from_millis(200);
/// Connecting to one address: the kernel repeats its first packet after 1 s, and a round trip is
/// below one second anywhere.
pub const CONNECT: Duration = Duration::from_secs(2);
/// The TLS handshake: two round trips and some arithmetic.
pub const TLS: Duration = Duration::from_secs(4);
/// Each of RTMP's steps: one round trip and what the ingest makes of it (some look the key up in a
/// database meanwhile).
pub const ANSWER: Duration = Duration::from_secs(4);

/// A session that finds itself further behind than this was not held up by its peer, which would
/// have been given up long before: this machine stood still. It goes on near the present. Above
/// what a session may start behind: [`Rules::skip`](super::failover::Rules::skip) and a GOP of 4 s.
pub const ABSENT: Duration = Duration::from_secs(20);

/// How long an end in order may take; below [`Rules::finish`](super::failover::Rules::finish).
pub const GOODBYE: Duration = Duration::from_millis(2_500);
/// How often a session that has sent its last looks whether all of it was acknowledged.
pub const GLANCE: Duration = Duration::from_millis(50);
/// How long it then waits for the peer to close as well, so that nothing of ours can reach a peer
/// that has not read to the end.
pub const FAREWELL: Duration = Duration::from_millis(300);

/// What `SO_SNDBUF` is set to, in bytes: more than a burst with a keyframe in it, so that a burst is
/// one write, and at 2 Mbps less than two seconds of stream. A session that is lost is sent again
/// from what was acknowledged, so nothing here is at stake but memory; Linux caps it at
/// `net.core.wmem_max` (208 KiB unless set), and books twice the number.
pub const SEND_BUFFER: usize = 256 << 10;
/// What `TCP_NOTSENT_LOWAT` is set to, in bytes: how much may wait in the kernel that was not sent
/// even once. What is beyond the line's own window stays here, where it costs nothing to drop.
pub const NOT_SENT: u32 = 128 << 10;
/// What `TCP_USER_TIMEOUT` is set to: when the kernel itself gives up a connection. The ledger does
/// so long before. But a session that was given up in a black hole is kept until its ingest can be
/// told, and this says for how long: ingests forget a silent publisher sooner (nginx-rtmp: 90 s).
pub const USER_TIMEOUT: Duration = Duration::from_secs(120);

/// What is being waited for in a phase, for a person.
pub const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Handshaking => "the RTMP handshake",
        Phase::Connecting => "RTMP's connect",
        Phase::Creating => "RTMP's createStream",
        Phase::Publishing => "RTMP's publish",
        Phase::Live => "media",
        Phase::Finishing | Phase::Closed => "the end of the stream",
    }
}
