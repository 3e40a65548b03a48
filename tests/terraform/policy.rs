//! What a machine's role may do is what docs/aws.md says, and nothing else.

use crate::{have_terraform, outputs, root};
use serde_json::{Value, json};
use std::fs;

/// `*` in a policy's resource stands for anything.
fn covers(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().map_or_else(
        || value.as_str().into_iter().collect(),
        |values| values.iter().filter_map(Value::as_str).collect(),
    )
}

#[test]
fn the_role_is_given_the_documented_policy_and_nothing_else() {
    if !have_terraform() {
        return;
    }
    let text = fs::read_to_string(root().join("docs/aws.md")).unwrap();
    let document = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let account = |service: &str, name: &str| format!("arn:aws:{service}:eu-central-1:111122223333:{name}");
    let case = json!({
        "bucket_arn": "arn:aws:s3:::my-bucket", "prefix": "lofi", "namespace": "nonstop",
        "secret_arn": account("secretsmanager", "secret:nonstop/lofi-AbCdEf"),
        "group_arn": account("autoscaling", "autoScalingGroup:*:autoScalingGroupName/nonstop-lofi"),
        "log_group_arn": account("logs", "log-group:/nonstop/lofi"),
    });
    let given: Value = serde_json::from_str(outputs("policy", &[case])[0]["json"].as_str().unwrap()).unwrap();
    assert_eq!(given["Version"], document["Version"]);
    let (given, document) =
        (given["Statement"].as_array().unwrap(), document["Statement"].as_array().unwrap());
    assert_eq!(given.len(), document.len());
    for documented in document {
        let sid = &documented["Sid"];
        let given = given.iter().find(|given| given["Sid"] == *sid).unwrap_or_else(|| panic!("no {sid}"));
        assert_eq!(given["Effect"], documented["Effect"], "{sid}");
        assert_eq!(strings(&given["Action"]), strings(&documented["Action"]), "{sid}");
        let condition = |of: &Value| {
            let text = of.get("Condition").map(Value::to_string).unwrap_or_default();
            text.replace(['[', ']'], "")
        };
        assert_eq!(condition(given), condition(documented), "{sid}");
        let patterns = strings(&documented["Resource"]);
        for resource in strings(&given["Resource"]) {
            assert!(patterns.iter().any(|pattern| covers(pattern, resource)), "{sid}: {resource}");
        }
        let count = strings(&given["Resource"]).len();
        assert!(count >= patterns.len(), "{sid} leaves out a resource");
    }
}

#[test]
fn patterns_of_resources_are_understood() {
    for (pattern, name, is) in [
        ("*", "anything", true),
        ("a/*", "a/b/c", true),
        ("a/*", "b/a/c", false),
        ("a-*:x/*", "a-1:x/y", true),
        ("a-*:x/*", "a-1:z/y", false),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*b", "a-c", false),
    ] {
        assert_eq!(covers(pattern, name), is, "{pattern} {name}");
    }
}
