use super::fake::{Fake, Fault};
use super::*;
use tokio::net::TcpListener;

const PATH: &str = "/latest/meta-data/spot/instance-action";
const SOON: Duration = Duration::from_millis(300);

/// A fake that says something at [`PATH`], and a client of it.
async fn service_at(address: &str) -> (Fake, Imds) {
    let listener = TcpListener::bind(address).await.unwrap();
    let imds = Imds::new(&format!("http://{}/", listener.local_addr().unwrap()));
    let fake = Fake::new();
    fake.say(PATH, "something");
    tokio::spawn(fake.clone().serve(listener));
    (fake, imds)
}

async fn service() -> (Fake, Imds) {
    service_at("127.0.0.1:0").await
}

/// What a question comes to with this fault, which is known within a second.
async fn with(fault: Fault) -> Result<Option<String>, Error> {
    let (fake, mut imds) = service().await;
    fake.fail(fault);
    let began = Instant::now();
    let outcome = imds.get(PATH).await;
    assert!(began.elapsed() < TIMEOUT + SOON, "{outcome:?} after {:?}", began.elapsed());
    outcome
}

#[tokio::test]
async fn what_is_there_is_text_and_what_is_not_is_none() {
    let (fake, mut imds) = service().await;
    assert_eq!(imds.get(PATH).await, Ok(Some("something".into())));
    assert_eq!(imds.get("/latest/meta-data/none").await, Ok(None));
    fake.say_nothing(PATH);
    assert_eq!(imds.get(PATH).await, Ok(None));
    // One token and one connection served them all.
    assert_eq!((fake.asked(TOKEN), fake.connections()), (1, 1));
}

#[tokio::test]
async fn over_ipv6_it_is_the_same() {
    let (_fake, mut imds) = service_at("[::1]:0").await;
    assert!(imds.endpoint().starts_with("http://[::1]:"));
    assert_eq!(imds.get(PATH).await, Ok(Some("something".into())));
}

#[tokio::test]
async fn a_revoked_token_is_replaced_within_the_same_question() {
    let (fake, mut imds) = service().await;
    for round in 1..=3 {
        assert_eq!(imds.get(PATH).await, Ok(Some("something".into())));
        assert_eq!(fake.asked(TOKEN), round);
        fake.revoke_tokens();
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let (fake, mut imds) = service().await;
    imds.get(PATH).await.unwrap();
    let aged = |imds: &mut Imds, age| {
        let token = imds.token.as_mut().expect("it has one");
        token.since = Instant::now() - age;
    };
    aged(&mut imds, TOKEN_SERVES - Duration::from_secs(1));
    imds.get(PATH).await.unwrap();
    assert_eq!(fake.asked(TOKEN), 1);
    aged(&mut imds, TOKEN_SERVES);
    imds.get(PATH).await.unwrap();
    assert_eq!((fake.asked(TOKEN), fake.asked(PATH)), (2, 3));
}

#[tokio::test]
async fn a_type_that_lies_and_connections_that_end_are_taken_as_they_are() {
    assert_eq!(with(Fault::Says("<html>".into())).await, Ok(Some("<html>".into())));
    let (fake, mut imds) = service().await;
    fake.fail(Fault::OneEach);
    for _ in 0..5 {
        assert_eq!(imds.get(PATH).await, Ok(Some("something".into())));
    }
    assert_eq!(fake.asked(TOKEN), 1);
}

#[tokio::test]
async fn each_fault_is_told_from_the_others() {
    assert!(matches!(with(Fault::Status(403)).await, Err(Error::Blocked { path, .. }) if path == TOKEN));
    assert!(matches!(
        with(Fault::PathStatus(PATH.into(), 403)).await,
        Err(Error::Blocked { path, .. }) if path == PATH
    ));
    assert!(matches!(with(Fault::Status(404)).await, Err(Error::Absent { .. })));
    for fault in [
        Fault::Status(503),
        Fault::Status(400),
        Fault::PathStatus(PATH.into(), 500),
        Fault::RefusesTokens,
        Fault::Long(LONGEST + 1),
        Fault::Truncated,
        Fault::Closes,
    ] {
        let outcome = with(fault.clone()).await;
        assert!(matches!(outcome, Err(Error::Failed { .. })), "{fault:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn whoever_says_nothing_is_given_a_second() {
    for (fault, silent) in [
        (Fault::Hangs, TOKEN),
        (Fault::NoTokens, TOKEN),
        (Fault::PathHangs(PATH.into()), PATH),
        (Fault::Slow(TIMEOUT * 2), TOKEN),
    ] {
        let outcome = with(fault.clone()).await;
        assert!(
            matches!(&outcome, Err(Error::Silent { path, .. }) if path == silent),
            "{fault:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let (other, elsewhere) = service().await;
    let url = format!("{}{PATH}", elsewhere.endpoint());
    assert!(
        matches!(with(Fault::Redirects(url)).await, Err(Error::Failed { reason, .. }) if reason.contains("302"))
    );
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn where_nobody_is_that_is_known_within_a_second() {
    // Nobody listens there any more; and an address that no network carries (RFC 5737).
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for endpoint in [format!("http://{gone}"), "http://192.0.2.1".to_owned()] {
        let began = Instant::now();
        let outcome = Imds::new(&endpoint).get(PATH).await;
        assert!(matches!(outcome, Err(Error::Absent { .. })), "{endpoint}: {outcome:?}");
        assert!(began.elapsed() < TIMEOUT + SOON, "{endpoint}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_machine_is_known_by_its_document() {
    let (fake, mut imds) = service().await;
    assert_eq!(imds.identity().await, Ok(None));
    let document = r#"{ "accountId": "1", "availabilityZone" : "eu-central-1a", "instanceId" : "i-0abc12de34f567890",
        "instanceType" : "t3a.micro", "pendingTime" : "2026-11-22T17:16:05Z", "region" : "eu-central-1", "kernelId" : null }"#;
    fake.say(IDENTITY, document);
    let identity = imds.identity().await.unwrap().expect("it is there");
    assert_eq!(identity.instance_id, "i-0abc12de34f567890");
    assert_eq!(
        (identity.region.as_str(), identity.availability_zone.as_str(), identity.instance_type.as_str()),
        ("eu-central-1", "eu-central-1a", "t3a.micro")
    );
    for noise in ["", "{}", "[]", "<html>"] {
        fake.say(IDENTITY, noise);
        assert!(matches!(imds.identity().await, Err(Error::Failed { .. })), "{noise:?}");
    }
}

#[tokio::test]
async fn the_fake_asks_for_what_the_real_one_asks_for() {
    let (_fake, imds) = service().await;
    let send = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = imds.client.request(method, format!("{}{path}", imds.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(Method::GET, PATH, &[]).await, 401);
    assert_eq!(send(Method::GET, PATH, &[(TOKEN_HEADER, "made up")]).await, 401);
    for (ttl, status) in [("60", 200), ("0", 400), ("21601", 400), ("soon", 400)] {
        assert_eq!(send(Method::PUT, TOKEN, &[(TTL_HEADER, ttl)]).await, status, "{ttl}");
    }
    assert_eq!(send(Method::PUT, TOKEN, &[]).await, 400);
    assert_eq!(send(Method::PUT, TOKEN, &[(TTL_HEADER, "60"), ("X-Forwarded-For", "10.0.0.1")]).await, 403);
    assert_eq!(send(Method::POST, TOKEN, &[]).await, 405);
}

#[tokio::test]
async fn a_fake_before_the_real_one_passes_on_what_it_does_not_know() {
    let (_real, real_client) = service().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut imds = Imds::new(&format!("http://{}", listener.local_addr().unwrap()));
    let fake = Fake::before(real_client);
    fake.say("/mine", "mine");
    tokio::spawn(fake.serve(listener));
    assert_eq!(imds.get("/mine").await, Ok(Some("mine".into())));
    assert_eq!(imds.get(PATH).await, Ok(Some("something".into())));
    assert_eq!(imds.get("/none").await, Ok(None));
}

#[tokio::test]
async fn a_fake_that_many_have_asked_for_tokens_still_gives_them() {
    let (fake, mut first) = service().await;
    first.get(PATH).await.unwrap();
    for _ in 0..300 {
        let mut client = Imds::new(first.endpoint());
        assert_eq!(client.get(PATH).await, Ok(Some("something".into())));
    }
    // Its token was the oldest.
    assert_eq!(first.get(PATH).await, Ok(Some("something".into())));
    assert_eq!(fake.asked(TOKEN), 302);
}
