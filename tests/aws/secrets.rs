//! Secrets Manager: a key that is there, and every way in which it is not.

use crate::block_on;
use crate::rig::http::{Answer, Http, answer};
use crate::rig::moto::{Moto, aws_at};
use nonstop::aws::BRIEF;
use nonstop::aws::secrets::Error;
use nonstop::store::Kind;
use serde_json::json;
use std::time::{Duration, Instant};

const KEY: &str = "s3cr-t0ft-h3ch-ann3";

fn error(moto: &Moto, secret: &str, field: Option<&str>) -> Error {
    let error = block_on(moto.aws().secrets().key(secret, field)).unwrap_err();
    let said = format!("{error} {error:?} {:?}", error.hint());
    assert!(!said.contains(KEY) && !said.contains("s3cr"), "{said}");
    error
}

#[test]
fn a_key_is_read_whole_or_from_a_field_and_a_new_version_is_read_next() {
    let moto = Moto::shared();
    moto.call(
        "secretsmanager.CreateSecret",
        &json!({"Name": "right/whole", "SecretString": format!("{KEY}\n")}),
    );
    let fields = json!({"youtube": KEY, "twitch": "another"}).to_string();
    let made =
        moto.call("secretsmanager.CreateSecret", &json!({"Name": "right/fields", "SecretString": fields}));
    let secrets = moto.aws().secrets();
    block_on(async {
        assert_eq!(secrets.key("right/whole", None).await.unwrap().expose(), KEY);
        assert_eq!(secrets.key("right/fields", Some("youtube")).await.unwrap().expose(), KEY);
        let arn = made["ARN"].as_str().unwrap();
        assert_eq!(secrets.key(arn, Some("twitch")).await.unwrap().expose(), "another");
        moto.call(
            "secretsmanager.PutSecretValue",
            &json!({"SecretId": "right/whole", "SecretString": "new"}),
        );
        assert_eq!(secrets.key("right/whole", None).await.unwrap().expose(), "new");
    });
}

#[test]
fn each_wrong_secret_has_its_sentence_and_none_repeats_it() {
    let moto = Moto::shared();
    let make = |name: &str, text: &str| {
        moto.call("secretsmanager.CreateSecret", &json!({"Name": name, "SecretString": text}));
    };
    make("wrong/fields", &json!({ KEY: "value", "n": 7 }).to_string());
    make("wrong/whole", KEY);
    make("wrong/odd", &format!("{KEY}\u{0} and more"));
    make("wrong/blank", "  \n");
    moto.call(
        "secretsmanager.CreateSecret",
        &json!({"Name": "wrong/binary", "SecretBinary": "czNjci10MGZ0"}),
    );
    let cases = [
        ("wrong/fields", None, "holds JSON, and the configuration does not say which field of it"),
        ("wrong/fields", Some("youtube"), "has no field \"youtube\""),
        ("wrong/fields", Some("n"), "has no text in its field \"n\""),
        ("wrong/whole", Some("youtube"), "holds plain text, and so no field \"youtube\""),
        ("wrong/odd", None, "holds characters that no stream key has"),
        ("wrong/blank", None, "is empty"),
        ("wrong/binary", None, "holds bytes, not text"),
    ];
    for (secret, field, said) in cases {
        let error = error(moto, secret, field);
        assert_eq!(error.to_string(), format!("the secret {secret:?} {said}"));
        assert!(error.hint().is_some() && !error.passes());
    }
    let missing = error(moto, "wrong/none", None);
    assert!(matches!(&missing, Error::Unread { cause, .. } if cause.kind == Kind::Missing), "{missing}");
    assert!(missing.to_string().starts_with("cannot read the secret \"wrong/none\": "), "{missing}");
}

#[test]
fn who_may_not_read_it_is_told_what_to_allow_and_who_is_cut_off_finds_out_in_time() {
    let denied = |_, _: &str| {
        let body = br#"{"__type":"AccessDeniedException","Message":"User: x is not authorized to perform: secretsmanager:GetSecretValue"}"#;
        Answer::Bytes(answer("400 Bad Request", &[("Content-Type", "application/x-amz-json-1.1")], body))
    };
    let http = Http::start(denied);
    let error = block_on(aws_at(&http.endpoint()).secrets().key("nonstop/lofi", None)).unwrap_err();
    assert!(error.to_string().contains("access is denied (AccessDeniedException: User: x is not"), "{error}");
    assert!(error.hint().unwrap().contains("secretsmanager:GetSecretValue") && !error.passes());

    let http = Http::start(|_, _| Answer::Hang(Vec::new()));
    let start = Instant::now();
    let error = block_on(aws_at(&http.endpoint()).secrets().key("nonstop/lofi", None)).unwrap_err();
    assert!(start.elapsed() < BRIEF + Duration::from_millis(700) && error.passes(), "{error}");
    assert_eq!(http.requests().len(), 1);
}
