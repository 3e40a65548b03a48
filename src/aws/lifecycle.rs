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
use crate::telemetry::messages;
use aws_sdk_autoscaling::{Client, Config};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How the names of the hooks begin that are ours to complete.
pub const OURS: &str = "nonstop";
/// Between two attempts.
const AGAIN: Duration = Duration::from_secs(5);
/// Attempts at one hook; after a minute its own time-out is the better end.
const ATTEMPTS: u32 = 12;

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
        let Some((group, state)) = group else { return Plan::Nothing };
        match (self, state) {
            (Self::Launching, "Pending:Wait") | (Self::Terminating, "Terminating:Wait") => {
                Plan::Complete(group.to_owned())
            }
            // It says that the machine is to go a moment before it waits for it.
            (Self::Launching, "Pending") | (Self::Terminating, "InService" | "Terminating") => Plan::Later,
            _ => Plan::Nothing,
        }
    }
}

/// Tells the group of `instance` that it need not wait any longer, if it waits. Ends within some
/// minutes, whatever happens.
pub async fn complete(aws: &Aws, instance: &str, moment: Moment) {
    for attempt in 1..=ATTEMPTS {
        match once(aws, instance, moment).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) if attempt == ATTEMPTS => {
                tracing::warn!(message_id = messages::HOOK_LEFT, %error, "the Auto Scaling group cannot be told, and waits until its hook times out");
            }
            Err(error) => tracing::debug!(%error, attempt, "the Auto Scaling group cannot be told yet"),
        }
        sleep(AGAIN).await;
    }
}

/// Whether nothing is left to do.
async fn once(aws: &Aws, instance: &str, moment: Moment) -> Result<bool, Cause> {
    let Ok(config) = aws.config().await else { return Ok(false) };
    let here = aws.here(config).await;
    let client = Client::from_conf(Config::from(config).to_builder().region(here).build());
    let ask = client.describe_auto_scaling_instances().instance_ids(instance).send();
    let answer = timeout(BRIEF, ask).await.map_err(|_| Cause::late(BRIEF))?.map_err(Cause::of)?;
    let found = answer.auto_scaling_instances().first();
    let state = found.and_then(|found| found.auto_scaling_group_name().zip(found.lifecycle_state()));
    let group = match moment.plan(state) {
        Plan::Nothing => return Ok(true),
        Plan::Later => return Ok(false),
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
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::OnceCell;

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
            assert_eq!(moment.plan(None), Plan::Nothing);
        }
    }

    /// A made-up Auto Scaling, with one machine in `states` one after the other, and what it was
    /// asked, in order. `refusals` requests are refused first.
    async fn group(states: &'static [&'static str], mut refusals: u32) -> (Aws, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
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
                    log.lock().unwrap().push(format!("{form} {}", signed.unwrap()));
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

    fn completed(asked: &Mutex<Vec<String>>) -> Vec<String> {
        let asked = asked.lock().unwrap();
        asked.iter().filter(|form| form.contains("CompleteLifecycleAction")).cloned().collect()
    }

    #[tokio::test]
    async fn our_own_hook_is_completed_and_no_other() {
        for (moment, state, hook) in [
            (Moment::Launching, &["Pending:Wait"], "nonstop-up"),
            (Moment::Terminating, &["Terminating:Wait"], "nonstop-down"),
        ] {
            let (aws, asked) = group(state, 0).await;
            assert_eq!(once(&aws, "i-1", moment).await, Ok(true));
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
        assert_eq!(once(&aws, "i-1", Moment::Launching).await, Ok(true));
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|question| question.contains("/us-west-2/autoscaling/")), "{asked:?}");
    }

    #[tokio::test]
    async fn a_machine_in_no_group_or_not_waited_for_completes_nothing() {
        for (states, done) in [(&[][..], true), (&["InService"], true), (&["Pending"], false)] {
            let (aws, asked) = group(states, 0).await;
            assert_eq!(once(&aws, "i-1", Moment::Launching).await, Ok(done));
            assert_eq!(completed(&asked), [""; 0]);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_that_says_so_and_the_next_attempt_succeeds() {
        let (aws, asked) = group(&["Terminating:Wait", "Terminating:Wait"], 1).await;
        assert!(once(&aws, "i-1", Moment::Terminating).await.is_err());
        assert_eq!(once(&aws, "i-1", Moment::Terminating).await, Ok(true));
        assert_eq!(completed(&asked).len(), 1);
    }
}
