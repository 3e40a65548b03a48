//! Auto Scaling's lifecycle hooks: the group waits for this machine when it comes and when it goes,
//! and is told when it need not wait any longer.
//!
//! Nothing is configured: the group and the hooks are looked up by the instance's id, in the region
//! that the machine is in, wherever bucket and secret are. Of the hooks those are completed whose name
//! begins with [`OURS`]; others belong to somebody else. On machines in no group, or without such
//! hooks, nothing happens. Whatever fails here is logged, and the hook's own time-out ends the wait:
//! the air does not depend on it.
//!
//! The role needs `autoscaling:DescribeAutoScalingInstances`, `autoscaling:DescribeLifecycleHooks`
//! and `autoscaling:CompleteLifecycleAction`.

use super::{Aws, BRIEF, Cause};
use crate::store::Kind;
use crate::telemetry::messages;
use aws_sdk_autoscaling::{Client, Config};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How the names of the hooks begin that are ours to complete.
pub const OURS: &str = "nonstop";
/// Between two attempts.
pub const AGAIN: Duration = Duration::from_secs(5);
/// Attempts at one hook with so short a pause: a minute's. A group that does not wait for the machine's
/// end by then does not wait for it at all.
const ATTEMPTS: u32 = 12;
/// Between two later attempts. A group that waits for a newcomer holds its predecessor for up to an
/// hour, which is paid for, so it is told whenever it can be.
const RARELY: Duration = Duration::from_secs(60);
/// Attempts at a newcomer's hook: the first minute's, and two hours' of the later ones. That is twice
/// the hour that the module for Terraform gives it; by then the group has gone on by itself.
const LAST: u32 = ATTEMPTS + 120;
/// Answers in a row by which the group refuses to be told at all: the first minute's, and a quarter of
/// an hour's. A new role takes some minutes to be known everywhere, and a wrong one is rarely mended
/// while the machine waits.
const REFUSALS: u32 = ATTEMPTS + 15;

/// What a group waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The machine carries the stream.
    Launching,
    /// The machine carries nothing any more.
    Terminating,
}

/// What there is to do about a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    /// The group does not wait for this machine.
    Nothing,
    /// No group knows this machine; one that has just started it may say so a moment later.
    Unknown,
    /// It is about to.
    Later,
    /// To look whether a hook of this group is ours.
    Complete(String),
}

impl Moment {
    const fn transition(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }

    /// By the machine's state in its group, if it is in one.
    fn plan(self, group: Option<(&str, &str)>) -> Plan {
        let Some((group, state)) = group else { return Plan::Unknown };
        match (self, state) {
            (Self::Launching, "Pending:Wait") | (Self::Terminating, "Terminating:Wait") => {
                Plan::Complete(group.to_owned())
            }
            // It says that the machine is to go a moment before it waits for it.
            (Self::Launching, "Pending") | (Self::Terminating, "InService" | "Terminating") => Plan::Later,
            _ => Plan::Nothing,
        }
    }

    /// How long it is until the next attempt after that many, of which the last few were refused;
    /// `None` if there is none.
    const fn pause(self, attempt: u32, refused: u32, left: Left) -> Option<Duration> {
        match (self, left) {
            (_, Left::Nothing) => None,
            _ if attempt < ATTEMPTS => Some(AGAIN),
            (Self::Launching, Left::All) if attempt < LAST && refused < REFUSALS => Some(RARELY),
            _ => None,
        }
    }
}

/// What is left to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// Nothing, unless a group comes to know the machine.
    Perhaps,
    All,
}

/// Whether the request would be answered like this however often it is made.
const fn is_refused(error: &Cause) -> bool {
    matches!(error.kind, Kind::Denied | Kind::Invalid)
}

/// Tells the group of `instance` that it need not wait any longer, if it waits. Of a newcomer it is
/// told for as long as it can be meant; of a machine that goes within some minutes, or not at all.
pub async fn complete(aws: &Aws, instance: &str, moment: Moment) {
    let mut refused = 0;
    for attempt in 1.. {
        let answer = once(aws, instance, moment).await;
        refused = if answer.as_ref().is_err_and(is_refused) { refused + 1 } else { 0 };
        let left = *answer.as_ref().unwrap_or(&Left::All);
        let pause = moment.pause(attempt, refused, left);
        if let Err(error) = answer {
            if attempt == ATTEMPTS {
                tracing::warn!(message_id = messages::HOOK_LEFT, %error, "the Auto Scaling group cannot be told, and waits until its hook times out");
            } else if pause.is_none() {
                tracing::warn!(message_id = messages::HOOK_GIVEN_UP, attempts = attempt, refused, %error, "the Auto Scaling group still cannot be told, and that is not tried any more");
            } else {
                tracing::debug!(%error, attempt, "the Auto Scaling group cannot be told yet");
            }
        }
        let Some(pause) = pause else { return };
        sleep(pause).await;
    }
}

/// Gives what is left to do.
async fn once(aws: &Aws, instance: &str, moment: Moment) -> Result<Left, Cause> {
    let Ok(config) = aws.config().await else { return Ok(Left::All) };
    let here = aws.here(config).await;
    let client = Client::from_conf(Config::from(config).to_builder().region(here).build());
    let ask = client.describe_auto_scaling_instances().instance_ids(instance).send();
    let answer = timeout(BRIEF, ask).await.map_err(|_| Cause::late(BRIEF))?.map_err(Cause::of)?;
    let found = answer.auto_scaling_instances().first();
    let state = found.and_then(|found| found.auto_scaling_group_name().zip(found.lifecycle_state()));
    let group = match moment.plan(state) {
        Plan::Nothing => return Ok(Left::Nothing),
        Plan::Unknown => return Ok(Left::Perhaps),
        Plan::Later => return Ok(Left::All),
        Plan::Complete(group) => group,
    };
    let ask = client.describe_lifecycle_hooks().auto_scaling_group_name(&group).send();
    let answer = timeout(BRIEF, ask).await.map_err(|_| Cause::late(BRIEF))?.map_err(Cause::of)?;
    let hooks = answer.lifecycle_hooks().iter();
    let ours = hooks.filter(|hook| hook.lifecycle_transition() == Some(moment.transition()));
    let ours = ours.filter_map(|hook| hook.lifecycle_hook_name()).filter(|name| name.starts_with(OURS));
    for hook in ours {
        let complete = client
            .complete_lifecycle_action()
            .auto_scaling_group_name(&group)
            .lifecycle_hook_name(hook)
            .instance_id(instance)
            .lifecycle_action_result("CONTINUE")
            .send();
        timeout(BRIEF, complete).await.map_err(|_| Cause::late(BRIEF))?.map_err(Cause::of)?;
        tracing::info!(
            message_id = messages::HOOK_COMPLETED,
            group,
            hook,
            "the Auto Scaling group need not wait any longer"
        );
    }
    Ok(Left::Nothing)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::{OnceCell, watch};

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn only_a_group_that_waits_is_told() {
        use Moment::{Launching, Terminating};
        let told = || Plan::Complete("g".into());
        for (moment, state, plan) in [
            (Launching, "Pending", Plan::Later),
            (Launching, "Pending:Wait", told()),
            (Launching, "Pending:Proceed", Plan::Nothing),
            (Launching, "InService", Plan::Nothing),
            (Launching, "Terminating:Wait", Plan::Nothing),
            (Terminating, "InService", Plan::Later),
            (Terminating, "Terminating", Plan::Later),
            (Terminating, "Terminating:Wait", told()),
            (Terminating, "Terminating:Proceed", Plan::Nothing),
            (Terminating, "Standby", Plan::Nothing),
            (Terminating, "Pending:Wait", Plan::Nothing),
        ] {
            assert_eq!(moment.plan(Some(("g", state))), plan, "{moment:?} {state}");
            assert_eq!(moment.plan(None), Plan::Unknown);
        }
    }

    #[test]
    fn a_newcomers_group_is_told_while_its_hook_can_last_and_a_leavers_soon_or_not_at_all() {
        use Left::{All, Nothing, Perhaps};
        use Moment::{Launching, Terminating};
        let last = ATTEMPTS - 1;
        for (moment, attempt, refused, left, pause) in [
            (Launching, 1, 0, Nothing, None),
            (Launching, 1, 0, All, Some(AGAIN)),
            (Launching, 1, 1, All, Some(AGAIN)),
            (Launching, 1, 0, Perhaps, Some(AGAIN)),
            (Launching, last, 0, Perhaps, Some(AGAIN)),
            (Launching, ATTEMPTS, 0, Perhaps, None),
            (Launching, ATTEMPTS, 0, All, Some(RARELY)),
            (Launching, ATTEMPTS, ATTEMPTS, All, Some(RARELY)),
            (Launching, REFUSALS - 1, REFUSALS - 1, All, Some(RARELY)),
            (Launching, REFUSALS, REFUSALS, All, None),
            // One answer of another kind, and a refusal is looked at anew.
            (Launching, REFUSALS, 1, All, Some(RARELY)),
            (Launching, LAST - 1, 0, All, Some(RARELY)),
            (Launching, LAST, 0, All, None),
            (Launching, u32::MAX, 0, All, None),
            (Launching, u32::MAX, 0, Nothing, None),
            (Terminating, 1, 0, Nothing, None),
            (Terminating, last, 0, All, Some(AGAIN)),
            (Terminating, last, last, All, Some(AGAIN)),
            (Terminating, ATTEMPTS, 0, All, None),
            (Terminating, ATTEMPTS, 0, Perhaps, None),
        ] {
            assert_eq!(
                moment.pause(attempt, refused, left),
                pause,
                "{moment:?} {attempt} {refused} {left:?}"
            );
        }
    }

    #[test]
    fn a_hook_of_an_hour_is_told_for_longer_than_it_lasts() {
        let pauses = (1..).map_while(|attempt| Moment::Launching.pause(attempt, 0, Left::All));
        let lasts: Duration = pauses.sum();
        assert!((2 * HOUR..3 * HOUR).contains(&lasts), "{lasts:?}");
    }

    #[test]
    fn only_what_will_be_answered_alike_is_a_refusal() {
        for (kind, refused) in [
            (Kind::Denied, true),
            (Kind::Invalid, true),
            (Kind::Busy, false),
            (Kind::Unreachable, false),
            (Kind::Credentials, false),
            (Kind::Other, false),
        ] {
            assert_eq!(is_refused(&Cause::new(kind, "no")), refused, "{kind:?}");
        }
    }

    /// Questions, each with who signed it.
    pub(crate) type Asked = watch::Receiver<Vec<String>>;

    /// A made-up Auto Scaling, with one machine in `states` one after the other, and what it was
    /// asked, in order. `refusals` requests are refused first.
    pub(crate) async fn group(states: &'static [&'static str], mut refusals: u32) -> (Aws, Asked) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (log, asked) = watch::channel(Vec::new());
        let mut states = states.iter();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = String::new();
                while !text.contains("Version=2011-01-01") {
                    let mut piece = vec![0; 4096];
                    let length = stream.read(&mut piece).await.unwrap();
                    assert_ne!(length, 0, "it ended early: {text}");
                    text += &String::from_utf8_lossy(&piece[..length]);
                }
                let form = text.split_once("\r\n\r\n").expect("it has a body").1.to_owned();
                let action = form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap();
                let result = match action {
                    "DescribeAutoScalingInstances" => states.next().map_or_else(String::new, |state| format!("<AutoScalingInstances><member><InstanceId>i-1</InstanceId><AutoScalingGroupName>radio</AutoScalingGroupName><AvailabilityZone>z</AvailabilityZone><LifecycleState>{state}</LifecycleState><HealthStatus>HEALTHY</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member></AutoScalingInstances>")),
                    "DescribeLifecycleHooks" => {
                        let hook = |name: &str, what: &str| format!("<member><LifecycleHookName>{name}</LifecycleHookName><LifecycleTransition>autoscaling:EC2_INSTANCE_{what}</LifecycleTransition></member>");
                        format!("<LifecycleHooks>{}{}{}</LifecycleHooks>", hook("nonstop-up", "LAUNCHING"), hook("nonstop-down", "TERMINATING"), hook("backup", "TERMINATING"))
                    }
                    _ => String::new(),
                };
                let body = format!(
                    "<{action}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{action}Result>{result}</{action}Result></{action}Response>"
                );
                let status = if refusals > 0 { "503 Service Unavailable" } else { "200 OK" };
                if refusals == 0 {
                    let signed = text.lines().find(|line| line.starts_with("authorization:"));
                    let question = format!("{form} {}", signed.unwrap());
                    log.send_modify(|asked| asked.push(question));
                }
                refusals = refusals.saturating_sub(1);
                let reply = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(url)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "id", "key", None, None, "test",
            )))
            .http_client(super::super::http_client())
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        (Aws::known(config), asked)
    }

    pub(crate) fn completed(asked: &Asked) -> Vec<String> {
        let asked = asked.borrow();
        asked.iter().filter(|form| form.contains("CompleteLifecycleAction")).cloned().collect()
    }

    #[tokio::test]
    async fn our_own_hook_is_completed_and_no_other() {
        for (moment, state, hook) in [
            (Moment::Launching, &["Pending:Wait"], "nonstop-up"),
            (Moment::Terminating, &["Terminating:Wait"], "nonstop-down"),
        ] {
            let (aws, asked) = group(state, 0).await;
            assert_eq!(once(&aws, "i-1", moment).await, Ok(Left::Nothing));
            let completed = completed(&asked);
            assert_eq!(completed.len(), 1, "{completed:?}");
            for part in
                [hook, "LifecycleActionResult=CONTINUE", "InstanceId=i-1", "AutoScalingGroupName=radio"]
            {
                assert!(completed[0].contains(part), "{part}: {}", completed[0]);
            }
        }
    }

    #[tokio::test]
    async fn the_group_is_asked_where_the_machine_is_and_not_where_the_bucket_is() {
        let (mut aws, asked) = group(&["Pending:Wait"], 0).await;
        aws.here = Arc::new(OnceCell::new_with(Some(Region::new("us-west-2"))));
        assert_eq!(once(&aws, "i-1", Moment::Launching).await, Ok(Left::Nothing));
        let asked = asked.borrow();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|question| question.contains("/us-west-2/autoscaling/")), "{asked:?}");
    }

    #[tokio::test]
    async fn a_machine_in_no_group_or_not_waited_for_completes_nothing() {
        for (states, left) in
            [(&[][..], Left::Perhaps), (&["InService"], Left::Nothing), (&["Pending"], Left::All)]
        {
            let (aws, asked) = group(states, 0).await;
            assert_eq!(once(&aws, "i-1", Moment::Launching).await, Ok(left));
            assert_eq!(completed(&asked), [""; 0]);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_that_says_so_and_the_next_attempt_succeeds() {
        let (aws, asked) = group(&["Terminating:Wait", "Terminating:Wait"], 1).await;
        assert!(once(&aws, "i-1", Moment::Terminating).await.is_err());
        assert_eq!(once(&aws, "i-1", Moment::Terminating).await, Ok(Left::Nothing));
        assert_eq!(completed(&asked).len(), 1);
    }
}
