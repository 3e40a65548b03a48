//! Every message that an operator may meet, in one table: its identity in the journal, its level and
//! its sentence.
//!
//! Where one is logged, `message_id = messages::ON_AIR` goes with it. journald keeps it as `MESSAGE_ID`,
//! `journalctl MESSAGE_ID=…` finds it, and `journalctl -x` explains it from
//! `packaging/nonstop.catalog`, which has for each what happened, what nonstop does, and what to do.
//! A test holds places, table and catalogue together. An identity is never given to another message.

use tracing::Level;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name in this module.
    pub name: &'static str,
    /// 128 bits in hexadecimal: the journal's `MESSAGE_ID`.
    pub id: &'static str,
    /// What the operator must do about it: nothing, nothing yet, or something.
    pub level: Level,
    /// As it is logged.
    pub sentence: &'static str,
}

macro_rules! messages {
    ($($name:ident = $id:literal, $level:ident, $sentence:literal;)*) => {
        $(#[doc = concat!("*", $sentence, "*")] pub const $name: &str = $id;)*

        /// All of them.
        pub const MESSAGES: &[Message] = &[$(
            Message { name: stringify!($name), id: $id, level: Level::$level, sentence: $sentence },
        )*];
    };
}

messages! {
    // The life of the daemon.
    CHANNEL_RUNNING = "bb71d03aa84a5867822c495e05b8cfac", INFO, "the channel is running";
    DRAINING = "b93e80f76c9d5ebfaf15a812ac38c406", INFO, "draining";
    DRAINED = "dc11aade16fa5b7cbe56c313cde84ddc", INFO, "drained";
    DRAIN_FORCED = "047310f0e4b15c458a57a82f793202f5", WARN, "ended before every session was closed in order";
    ENDED_EARLY = "81742718f6c0519294b10d550f9ee4c3", INFO, "ended before it was on air";
    RELOADED = "31933e56d0fb470b97920b5e3cd7de57", INFO, "the configuration was read again";
    RELOADED_IN_PART = "7422f9602b7548148f7142b732b1ffba", WARN, "the configuration was read again; some of what changed holds after a restart";
    RELOAD_REFUSED = "f5c20cf35cd441e79ca6d5f250dc1823", ERROR, "the new configuration is refused; the one before it stays in force";
    STAGE_FAILED = "d8f72156ec8357759463b9530378b366", ERROR, "a stage has failed; what is ready stays on air";
    STAGE_PANICKED = "b5fd34f8aab35e4eb74936cd0e40e084", ERROR, "a stage has panicked";
    STUCK = "5216cedbc0cb5b95ad6d3cbb9f30c93c", ERROR, "stuck; the service manager is not told that we live";
    // Publishing.
    ON_AIR = "4b9b2515c3255cbbab5385f8521dbf23", INFO, "on air";
    SESSION_ENDED = "ae72c00344c95da8a1c979629a4562cf", INFO, "the session ended in order";
    SESSION_INHERITED = "41e77613cd2a470ba799faaf07db85f2", INFO, "carrying on with the session that this process was left";
    SESSIONS_LEFT = "03ac71297a6c40c19d69d8e8afe5f6d9", INFO, "sessions are left to the next process";
    SESSION_ENDING = "a0b9c07f006159b3a4ff585747c93541", INFO, "ending the session";
    STREAM_ENDING = "cb0c5052670353429a41ae37aeecad4c", INFO, "ending the stream";
    INGEST_FAILED = "ff33c74ce6e45c67bbc663ed12fd8f78", WARN, "the ingest failed";
    INGEST_REFUSED = "5e43d97101f556b8afb3786b23ba3f7d", ERROR, "the ingest will not take the stream until someone changes something; trying on";
    STOOD_STILL = "dcb83e5100db5dcb97cfdc4ea42d3d8b", WARN, "this machine stood still; the stream goes on near the present";
    TIMELINE_UNREADABLE = "d9c8e1f334795f7791c58c457a0d48ac", ERROR, "the timeline cannot be read, and nothing can be sent until it can";
    RENDITION_UNREADABLE = "3f08f8951f955210944465a18bf1c347", ERROR, "a rendition cannot be read; the standby card takes its place";
    // The schedule.
    STORE_AWAY = "7c5e4023c06d5463be24c6d190cd9a13", WARN, "the schedule's store is out of reach; this node goes on alone";
    STORE_BACK = "5a774029e47754dd970fc67df61afff7", INFO, "the schedule's store is back";
    STORE_BACK_FOLLOWED = "80f7bb06a9e85d39a5d784ce1a49b420", INFO, "the schedule's store is back; its log counts from the next track on";
    SKIPPING = "06ff3eedeefe57e7b1ca6939b341af01", INFO, "skipping";
    QUEUED = "f5e521582b6157f49430c8b248430f87", INFO, "queued";
    QUEUED_UNPLAYABLE = "c4a8840a28ce5850a170846540e795d6", WARN, "a queued track does not play";
    PAGE_PASSED_OVER = "9e4eb1d7f7855108b064031b9eafff4b", WARN, "a page of the schedule is passed over";
    RENDITION_UNOPENED = "64d05b8d5bcc5d4381924791fa714ed4", ERROR, "a scheduled rendition cannot be opened; it is rendered anew";
    RENDITION_AWAY = "ad04a39ccf534900b73920b4e3084b16", WARN, "a scheduled rendition is out of reach";
    // Rendering.
    RENDERED = "5aecdf7606a5587a931e373a0791966d", INFO, "rendered a track";
    PICTURE_READY = "b030a32609405254b63fc105926333dc", INFO, "the picture is ready";
    SET_ASIDE = "71ec46e9bb4959d9931ef175e6c40082", WARN, "a file is set aside";
    RENDER_FAILED = "d175260453a6538ea8bb30ea18053220", WARN, "a render failed";
    FILE_AWAY = "7ea8392c72a05979ad1e067854030c9a", WARN, "a file cannot be reached";
    PICTURE_ANEW = "3b8580590ec65ea89c4391a4cd7918a9", WARN, "the picture is made anew";
    RENDERING_PAUSED = "c67374110d795ae088742d8a8dcdc0fd", ERROR, "rendering is paused";
    RENDITION_ANEW = "a53d97b4868056f28b8071de09d2348a", WARN, "a rendition that cannot be opened is made anew";
    RENDITION_STUCK = "d78f024d6a8a5f618d17fe989e2204b3", ERROR, "a rendition can be neither opened nor removed";
    SET_ASIDE_UNSAVED = "1cf94ae897fc5d13b763332c7e6ee1eb", WARN, "cannot keep the list of files that are set aside; they will be tried again";
    UNFINISHED_LEFT = "9a20d8decb35556aa8176b944c089c8f", WARN, "cannot remove unfinished work";
    ROOM_MADE = "01c8a338d31e520b88ace210fb178c0a", INFO, "removed a rendition that nobody wants, to make room";
    RENDITION_UNSHARED = "179247c2a8344febb1b174f06ac702a7", WARN, "a rendition cannot be given to the bucket; it will be tried again";
    BUCKET_UNSEEN = "8e1071ff0a8a4008964b44482af76145", WARN, "the renditions in the bucket cannot be looked at";
    RENDITION_UNFIT = "6f0ed7f4410a477ca7934a7a1d9ce9b4", WARN, "a rendition in the bucket is of no use here";
    // Slots.
    SLOT_TAKEN = "2c14f94d1d642604bc182725b0b67fd2", INFO, "this node may use the ingest";
    SLOT_LOST = "919732c9b73169cecd38c1c5060d481e", WARN, "another node has taken the ingest";
    SLOT_RELEASED = "5446dac9e2d3c18122e334698bc5bb5b", INFO, "the ingest is free for other nodes";
    STANDING_BY = "93c0eec6652957acc465a467b4df105d", INFO, "other nodes have every ingest; this one stands by";
    SLOTS_AWAY = "783a15df018794762e8c2ba12ced5d6f", WARN, "the slots are out of reach; what is on air stays on air";
    SLOTS_BACK = "c21a21a78f29e7d2928e36faae99c859", INFO, "the slots are back";
    // The library.
    LIBRARY_COMPLETE = "6d896559b68357f39d821c0305a1c109", INFO, "the library is complete";
    PASSED_OVER = "a25a9e4f2024553790d1e7147809bd17", WARN, "passed over in the library";
    LIBRARY_OTHER = "b6635698569957d4bce17c1f5af84b13", INFO, "what is known of the library is about another folder or version, and is made anew";
    LIBRARY_UNREADABLE = "cae0c642ff2658c28dde99c670be6daa", WARN, "what is known of the library cannot be read, and is made anew";
    LIBRARY_UNSAVED = "698e23bc7bed58bdb1bd1040849f78d9", WARN, "what is known of the library cannot be saved: the next start reads every file";
    LIBRARY_UNWATCHED = "0d6453901b225023a477bbdf101defff", WARN, "changes in the folder with the music are found by looking only: it cannot be watched";
    BUCKET_TROUBLE = "c07640fce5b740e483dd63012d73bb0c", WARN, "trouble with the bucket; what is known stays";
    BUCKET_BACK = "132a37834ca24164981f0818b3f8ec9e", INFO, "the bucket can be listed again";
    BUCKET_EMPTY = "eddca17fe9b44fee89775ead56e1f4a7", WARN, "no music is left in the bucket; looking again";
    FETCHING = "59663ac29a2b49498ac9f42e4c4208bc", INFO, "fetching music from the bucket";
    FETCHED = "07230731bac5468db62160411d996ec1", INFO, "fetched what is wanted of the bucket";
    BUCKET_UNSAVED = "51c58cd6be7848fa9c7d26599a355d0b", WARN, "what is known of the bucket cannot be saved: the next start has to ask it";
    // Notices about the machine.
    MACHINE_GOING = "b1730bbcd317403e9a7a2cce9c5291ad", WARN, "this machine is going away";
    MACHINE_MAY_GO = "8dc41891910a4ecd816f32cf7dd6ac30", INFO, "this machine may go away";
    NOTICE_MOVED = "4fdd2344edce438e8e0b6c6ff609ce8d", WARN, "the notice has changed";
    NOTICE_WITHDRAWN = "0977a7d092124230a3d142c35ab06bee", INFO, "the notice has been withdrawn";
    NOTICE_FORGOTTEN = "4ff86f555a534292af73301f1d04eebc", INFO, "nothing came of the notice; it is forgotten";
    NOTICE_STALE = "d408296bf20349b586b3f61955a125a8", INFO, "the notice is of an event long over; it is ignored";
    NOTICE_UNREADABLE = "80aff45fc7c545f381e6885d6aba5f80", WARN, "the instance metadata service says what nobody can read";
    METADATA_ABSENT = "a5b143acf16d4dfcb340256f0439a76b", INFO, "no notice of an interruption will come";
    METADATA_LOST = "908a4ab9fa004d509eb49d8a13f6cfe7", WARN, "a notice of an interruption may be missed";
    METADATA_BACK = "27b08571cc82404e90f08b5cc81e6bd1", INFO, "the instance metadata service answers again";
    LEFT_FOR_NOTICE = "06054d04a161402b8f160ea69655116b", INFO, "off the air; waiting for the machine to go";
    RECALLED = "61647643f4f34d3c9b1eb93c170dc422", INFO, "the notice came to nothing; going on air again";
    HOOK_COMPLETED = "4c1d2f6e0b7a4f5c9a3e8d5b6f1c2a70", INFO, "the Auto Scaling group need not wait any longer";
    HOOK_LEFT = "9e7b3a5d1c2f4e6880f1a2b3c4d5e6f7", WARN, "the Auto Scaling group cannot be told, and waits until its hook times out";
    HOOK_GIVEN_UP = "6b4fb1d81fed4abdbd658dd79126bf62", WARN, "the Auto Scaling group still cannot be told, and that is not tried any more";
    // The machine.
    KEY_EXPOSED = "87e4a6e8a00d5bd5900d7d1274bd6678", WARN, "others may read the file with the stream key; chmod 600 keeps it to its owner";
    KEY_CHANGED = "86f9a26059c602e4a90ba4a66062e588", INFO, "the stream key has changed; the next session takes the new one";
    KEY_BACK = "c5eb277ff4414a2e254f568d84832d96", INFO, "the stream key can be read again";
    KEY_STALE = "6cc42bfe2e61fe843025804ce10db0b2", WARN, "the stream key cannot be read again; the one that is known stays";
    KEY_AWAITED = "98c3064aebd857410ab516a18de8040c", WARN, "the stream key cannot be reached, and the destination waits for it; trying on";
    KEY_KEPT = "0e0f00e0f9264a04ba13a89a7c9db5ce", WARN, "the stream key cannot be reached, and the one of before the restart serves; trying on";
    KEY_LOST = "9602b9b9d62c4502a7a33c9b9428da8e", ERROR, "the stream key can be read no more until someone changes something, and the one of before the restart serves; trying on";
    KEY_MISSING = "9993c2e45435695a86c3f161fa0dc3ab", ERROR, "there is no stream key until someone changes something, and the destination waits for it; trying on";
    SYSTEMD_UNREACHED = "cb17c58019275de689913432b39539c1", WARN, "systemd cannot be told anything";
    SYSTEMD_DEAF = "e8d6a949bd585fffaa4a359652bfd42a", WARN, "systemd did not take a message";
    CLIENT_REFUSED = "d023c6273cbb58d5b0701110a8a02a16", WARN, "a client of the control socket could not be accepted";
    LOG_LEFT_OUT = "09ed87d74a4c548d84d9acfec0f0512b", WARN, "log lines were left out, because there were too many of a kind";
    LOG_LOST = "754ddbab44ea5c9caf081352bf2b6941", WARN, "log lines were lost, because the journal did not take them";
    // Metrics and alerts.
    METRICS_UNSERVED = "3d0e4a9ce1c85886b269f594ac362790", WARN, "metrics are not served: the address cannot be taken";
    CLOUDWATCH_AWAY = "ea1adadb775452638c6ac5c48c7c1783", WARN, "CloudWatch did not take the metrics";
    CLOUDWATCH_BACK = "d897b649e6e15d8485ccb8a8be29da50", INFO, "CloudWatch takes the metrics again";
    LOGS_AWAY = "4afe048d9f6d53b39661a210e5c710e2", WARN, "CloudWatch Logs did not take the log";
    LOGS_BACK = "3e2a02ebe397529db5a3a803c708d808", INFO, "CloudWatch Logs takes the log again";
    WEBHOOK_UNHEARD = "a710c21e5914500ea3ade55d1203227e", WARN, "a webhook did not take an alert, and it is given up";
    WEBHOOK_KEY = "f4d9f3e348e150fba5f42d8a7a5169ce", ERROR, "a webhook's address cannot be read, and it gets no alerts";
}
