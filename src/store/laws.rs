//! What every store and every place for files has to hold, be it a folder, a bucket, or the fake.
//! The tests of each hand themselves in; `tests/aws.rs` includes this file for the bucket.

use super::{Body, Objects, Put, Store, Version};
use std::path::Path;

/// An empty store, and another node's handle on it.
pub async fn store<S: Store + Clone>(one: &S, other: &S) {
    assert_eq!(one.get("log/1.json").await.unwrap(), None, "absence is not an error");
    assert!(one.list("log", "").await.unwrap().is_empty());
    one.remove("log/1.json").await.unwrap();
    let unknown = Version("\"0123456789abcdef0123456789abcdef\"".into());
    let put = one.put_if_match("log/1.json", b"x".to_vec(), &unknown).await.unwrap();
    assert_eq!(put, Put::Refused, "what is not there is no version of anything");
    assert_eq!(one.get("log/1.json").await.unwrap(), None);

    // Of many writers of one absent object one wins, and all read what it wrote.
    let mut writers = tokio::task::JoinSet::new();
    for i in 0..16u8 {
        let store = if i % 2 == 0 { one.clone() } else { other.clone() };
        writers.spawn(async move { (i, store.put_if_absent("log/1.json", vec![i; 100]).await.unwrap()) });
    }
    let mut winners = writers.join_all().await;
    winners.retain(|(_, put)| *put != Put::Refused);
    let [(winner, Put::Written(first))] = &winners[..] else { panic!("{winners:?}") };
    assert_eq!(one.get("log/1.json").await.unwrap(), Some((vec![*winner; 100], first.clone())));
    assert_eq!(other.get("log/1.json").await.unwrap(), Some((vec![*winner; 100], first.clone())));

    // Of many who replace one version one wins.
    let mut writers = tokio::task::JoinSet::new();
    for i in 0..16u8 {
        let store = if i % 2 == 0 { one.clone() } else { other.clone() };
        let first = first.clone();
        writers
            .spawn(async move { (i, store.put_if_match("log/1.json", vec![i; 50], &first).await.unwrap()) });
    }
    let mut winners = writers.join_all().await;
    winners.retain(|(_, put)| *put != Put::Refused);
    let [(winner, Put::Written(second))] = &winners[..] else { panic!("{winners:?}") };
    assert_eq!(other.get("log/1.json").await.unwrap(), Some((vec![*winner; 50], second.clone())));
    assert_ne!(first, second);
    assert_eq!(one.put_if_match("log/1.json", vec![1], &first.clone()).await.unwrap(), Put::Refused);

    // Listings are sorted, and of one folder.
    for key in ["log/3.json", "log/2.json", "logs/1.json", "other/1.json"] {
        assert!(matches!(one.put_if_absent(key, Vec::new()).await.unwrap(), Put::Written(_)), "{key}");
    }
    assert_eq!(other.list("log", "").await.unwrap(), ["log/1.json", "log/2.json", "log/3.json"]);
    assert_eq!(other.list("log", "log/1.json").await.unwrap(), ["log/2.json", "log/3.json"]);
    assert_eq!(other.list("log", "log/25.json").await.unwrap(), ["log/3.json"]);
    assert!(other.list("log", "log/3.json").await.unwrap().is_empty());
    assert_eq!(one.get("log/2.json").await.unwrap().unwrap().0, b"");

    // What was removed is absent again.
    one.remove("log/1.json").await.unwrap();
    one.remove("log/1.json").await.unwrap();
    assert_eq!(other.get("log/1.json").await.unwrap(), None);
    assert_eq!(other.put_if_match("log/1.json", vec![1], second).await.unwrap(), Put::Refused);
    assert!(matches!(other.put_if_absent("log/1.json", vec![2]).await.unwrap(), Put::Written(_)));
}

/// An empty place for files, and a folder on this machine to upload from.
pub async fn objects<O: Objects>(place: &O, folder: &Path) {
    let local = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    assert_eq!(place.objects("").await.unwrap(), []);
    let long: Vec<u8> = (0..300_000u32).flat_map(|i| i.to_le_bytes()).collect();
    let names = ["a/odd name, with 100% + ä & ♪.mp3", "a/one.mp3", "b/empty", "b/one.mp3", "b.mp3"];
    let mut versions = Vec::new();
    for name in names {
        let content = if name == "b/empty" { &[][..] } else { &long };
        versions.push(place.upload(name, &local("file", content)).await.unwrap());
    }
    let listed = place.objects("").await.unwrap();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed.iter().map(|object| &*object.key).collect::<Vec<_>>(), sorted);
    for object in &listed {
        let which = names.iter().position(|name| *name == object.key).unwrap();
        assert_eq!(object.version, versions[which], "{}", object.key);
        let size = if object.key == "b/empty" { 0 } else { long.len() as u64 };
        assert_eq!(object.size, size, "{}", object.key);
    }
    assert_eq!(place.objects("b/").await.unwrap().len(), 2);
    assert_eq!(place.objects("c").await.unwrap(), []);
    let page = place.page("a/one.mp3").await.unwrap();
    assert_eq!((page.objects.len(), page.last, &*page.objects[0].key), (3, true, "b.mp3"));
    let page = place.page("a/\u{10ffff}").await.unwrap();
    assert_eq!((page.objects.len(), page.last), (3, true), "a folder is stepped over");

    // The whole, a rest, nothing at all.
    for (name, version) in names.into_iter().zip(&versions) {
        let content = if name == "b/empty" { &[][..] } else { &long };
        for from in [0, content.len() / 3, content.len()] {
            let rest = whole(place.fetch(name, version, from as u64).await.unwrap()).await.unwrap();
            assert!(rest == content[from..], "{name} from {from}: {} bytes", rest.len());
        }
    }

    // Another content is another version, and what is gone or another by now is not fetched.
    let old = &versions[1];
    let new = place.upload("a/one.mp3", &local("file", b"other")).await.unwrap();
    assert_ne!(*old, new);
    assert!(place.fetch("a/one.mp3", old, 0).await.is_err());
    assert!(place.fetch("a/one.mp3", old, 4).await.is_err());
    assert_eq!(whole(place.fetch("a/one.mp3", &new, 2).await.unwrap()).await.unwrap(), b"her");
    assert!(place.fetch("none", &new, 0).await.is_err());
    assert!(place.upload("x", &folder.join("none")).await.is_err());
}

async fn whole(mut body: impl Body) -> Result<Vec<u8>, super::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
