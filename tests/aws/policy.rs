//! The policy in docs/aws.md allows what the product calls, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

/// The SDK's calls, and the action that each needs. Parts of an upload need s3:PutObject.
const CALLS: [(&str, &str); 17] = [
    (".list_objects_v2()", "s3:ListBucket"),
    (".get_object()", "s3:GetObject"),
    (".head_object()", "s3:GetObject"),
    (".put_object()", "s3:PutObject"),
    (".create_multipart_upload()", "s3:PutObject"),
    (".upload_part()", "s3:PutObject"),
    (".complete_multipart_upload()", "s3:PutObject"),
    (".abort_multipart_upload()", "s3:AbortMultipartUpload"),
    (".delete_object()", "s3:DeleteObject"),
    (".get_secret_value()", "secretsmanager:GetSecretValue"),
    (".put_metric_data()", "cloudwatch:PutMetricData"),
    (".create_log_stream()", "logs:CreateLogStream"),
    (".put_log_events()", "logs:PutLogEvents"),
    (".describe_auto_scaling_instances()", "autoscaling:DescribeAutoScalingInstances"),
    (".describe_lifecycle_hooks()", "autoscaling:DescribeLifecycleHooks"),
    (".complete_lifecycle_action()", "autoscaling:CompleteLifecycleAction"),
    (".record_lifecycle_action_heartbeat()", "autoscaling:RecordLifecycleActionHeartbeat"),
];

#[test]
fn the_policy_allows_every_call_and_no_action_that_has_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/aws.md")).unwrap();
    let policy = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let policy: serde_json::Value = serde_json::from_str(policy).expect("the policy is JSON");
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        let actions =
            statement["Action"].as_array().cloned().unwrap_or_else(|| vec![statement["Action"].clone()]);
        allowed.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
    }
    let mut code = String::new();
    let mut folders = vec![root.join("src/aws")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                code += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    for (call, action) in CALLS {
        assert!(!code.contains(call) || allowed.contains(action), "{call} needs {action}");
    }
    let known: BTreeSet<_> = CALLS.iter().map(|(_, action)| (*action).to_owned()).collect();
    assert!(allowed.is_subset(&known), "{:?}", allowed.difference(&known));
    for action in ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "secretsmanager:GetSecretValue"] {
        let called = CALLS.iter().any(|(call, needs)| needs == &action && code.contains(call));
        assert!(called, "{action} is not called: does this test look at the right files?");
    }
}
